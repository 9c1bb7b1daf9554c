"""A client on a socket of its own that reads what comes, as it comes, and sees how it ends."""

import asyncio


async def opened(running):
    """Reader and writer of a new connection to a simulator."""
    host, _, port = running.http_url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


class Raw:
    """What both clients of raw sockets can do: that of HTTP and that of Live sessions."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def rest(self):
        """All that still comes, and how it ends: `fin` or `reset`."""
        parts = []
        try:
            while data := await self.reader.read(65536):
                parts.append(data)
        except ConnectionResetError:
            return b"".join(parts), "reset"
        return b"".join(parts), "fin"

    async def is_silent(self, seconds=0.05):
        """Whether neither a byte nor an end comes for so long."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) is None
        except TimeoutError:
            return True
