"""What the server's user makes of a request: the interface between connections and the HTTP side."""

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol


class Exchange(Protocol):
    """What the server's user makes of one request."""

    def took_whole(self, body: bytes) -> Awaitable[None] | None:
        """The whole body is there. Answers at once (None) or gives what is to be awaited."""
        ...

    @property
    def wants_pieces(self) -> bool:
        """Asked before the body comes: whether it is to be given piece by piece."""
        ...

    def take_pieces(self, body: AsyncIterator[bytes]) -> Awaitable[None]:
        """The body comes; gives what is to be awaited."""
        ...

    def broke_off(self, body: bytes, why: str) -> None:
        """The request did not come to its end; `body` is what came of it."""
        ...

    def refuse_size(self) -> Awaitable[None] | None:
        """The body is beyond the limit; what is left of it will not be read."""
        ...
