"""Holds back the answers to wrong keys of addresses that show one after the other (S-21); no other answer waits."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from .failing import FailingAddresses, delay_s, party_of
from .refusals import Reason, Refusal

MOST_HELD: Final = 64
"""Answers that are held back at once; those beyond go out at once, and their connections are closed."""


class Slowing:
    """One gateway's. `monotonic` is the clock by which wrong keys are forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failing = FailingAddresses()
        self._held = 0

    async def hold(
        self, request: web.BaseRequest, refusal: Refusal, answer: web.StreamResponse, free: int, longest_s: float
    ) -> None:
        """Wait before `answer` goes out, if it is to a wrong key, and the latest of more than `free`.

        `longest_s` is the longest wait, 0: there is none. A client that leaves meanwhile cancels it.
        """
        if refusal.reason is not Reason.WRONG_KEY or not longest_s or request.transport is None:
            return
        party = party_of(request.transport.get_extra_info("peername"))
        if party is None:
            return
        wait_s = delay_s(self._failing.failed(party, self._monotonic()), free, longest_s)
        if not wait_s:
            return
        if self._held >= MOST_HELD:
            answer.force_close()
            return
        self._held += 1
        try:
            await asyncio.sleep(wait_s)
        finally:
            self._held -= 1
