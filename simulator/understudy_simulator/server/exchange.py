"""What the server's user makes of a request: the interface between connections and the HTTP side."""

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol


class Exchange(Protocol):
    """What the server's user makes of one request."""

    def took_whole(self, body: bytes) -> Awaitable[None] | None:
        """The whole body is there. Answers at once (None) or gives what is to be awaited."""
        ...

    def takes_pieces(self, body: AsyncIterator[bytes]) -> Awaitable[None] | None:
        """Asked before the body comes: who wants it piece by piece gives what is to be awaited, else None."""
        ...

    def broke_off(self, body: bytes, why: str) -> None:
        """The request did not come to its end; `body` is what came of it."""
        ...

    def refuse_size(self) -> Awaitable[None] | None:
        """The body is beyond the limit; what is left of it will not be read."""
        ...
