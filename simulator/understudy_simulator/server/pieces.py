"""A request's body on its way to who reads it piece by piece."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

_BUFFER: Final = 1024 * 1024
"""Bytes that may wait for their reader before the client is slowed."""


class ClientLeft(ConnectionError):
    """The client closed the connection, or it broke."""


class Pieces:
    """The body of a request, piece by piece, to who reads it; the client is slowed to the reader's pace.

    Reading raises ClientLeft if the body breaks off, TimeoutError if it does not go on.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None], patience_s: float) -> None:
        """`pause` and `resume` are called when the reader falls behind and catches up; `patience_s` is how long it
        waits for the next piece."""
        self._pause = pause
        self._resume = resume
        self._patience_s = patience_s
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._is_whole = False
        self._is_broken = False
        self._came = asyncio.Event()

    def add(self, data: bytes) -> None:
        """A piece came."""
        self._parts.append(data)
        self._size += len(data)
        self._came.set()
        if self._size > _BUFFER:
            self._pause()

    def end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._came.set()

    def break_off(self) -> None:
        """No more will come."""
        self._is_broken = True
        self._came.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._parts:
            if self._is_whole:
                raise StopAsyncIteration
            if self._is_broken:
                raise ClientLeft
            self._came.clear()
            async with asyncio.timeout(self._patience_s):
                await self._came.wait()
        part = self._parts.popleft()
        self._size -= len(part)
        if self._size <= _BUFFER and not self._is_whole:
            self._resume()
        return part
