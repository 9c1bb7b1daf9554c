"""Questions that block, such as those to the spend store: a few at once, a few more wait, the rest is turned away.

They have threads of their own, so that whoever asks much of the admin port takes none from traffic (token renewals,
names of hosts).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

AT_ONCE: Final = 2
MOST: Final = 8
"""Questions that are being answered or wait."""

_T = TypeVar("_T")

Stop = Callable[[], bool]
"""Whether the answer is wanted no more."""


class TooManyQuestions(Exception):
    """As many are being answered, or wait, as may."""


class Questions:
    """Asks in threads of its own. To be used on one event loop."""

    def __init__(self, name: str, limit_s: float, at_once: int = AT_ONCE, most: int = MOST) -> None:
        """`limit_s` is how long an answer may take, the wait for its turn included."""
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._limit_s = limit_s
        self._most = most
        self._asked: set[Future[Any]] = set()
        self._is_closed = False

    async def ask(self, answer: Callable[[Stop], _T]) -> _T:
        """What `answer` gives, which is to look at its argument now and then. Raises TooManyQuestions, TimeoutError."""
        self._asked = {future for future in self._asked if not future.done()}
        if len(self._asked) >= self._most or self._is_closed:
            raise TooManyQuestions
        ends = time.monotonic() + self._limit_s
        future = self._threads.submit(answer, lambda: self._is_closed or time.monotonic() > ends)
        self._asked.add(future)
        async with asyncio.timeout(self._limit_s):
            return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop those that run, and let those go that wait."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
