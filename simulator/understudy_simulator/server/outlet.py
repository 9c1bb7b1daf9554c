"""The transport of a connection: bytes out at the client's pace, bytes in or not, and its end."""

import asyncio
from contextlib import suppress

from .patience import PATIENCE_S
from .pieces import ClientLeft


class Outlet:
    """Where a connection's bytes go.

    `transport` is None before the client has come, and when it is gone. `is_choked`: it reads slower than is written.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._drained: asyncio.Future[None] | None = None
        self.is_choked = False
        self.transport: asyncio.Transport | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.transport is None or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Hand bytes over. Raises ClientLeft if the connection has ended."""
        if self.transport is None or self.transport.is_closing():
            raise ClientLeft
        self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the connection takes more. Raises ClientLeft if it ends meanwhile, or takes nothing for long."""
        if self.is_choked and not self.is_gone:
            self._drained = self._loop.create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._drained
            if self.is_choked:
                self.give_up()
        if self.is_gone:
            raise ClientLeft

    def relieve(self) -> None:
        """The client has caught up."""
        self.is_choked = False
        self._wake()

    def lost(self) -> None:
        """The connection is gone."""
        self.transport = None
        self._wake()

    def give_up(self) -> None:
        """End the connection, also when the client does not read what was written."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
