"""Gateways that hide or change errors, or try again by themselves (requirements ERR and LRO-8)."""

import asyncio
import json
from typing import Final

from .broken import AsksTwice, RewritesAnswers, broken, variant
from .honest import Call
from .live import Gateway
from .refusals import Refused, error_body
from .wire import Head


@broken("renames-503", "It shows a 503 of the provider as 500.", "ERR-1/google-errors")
class Renames503(Gateway):
    def client_status(self, call: Call, answer: Head) -> bytes:
        is_meant = answer.status == 503
        return b"HTTP/1.1 500 Internal Server Error" if is_meant else super().client_status(call, answer)


@broken("hides-pages", "It puts JSON in place of an error that is a page.", "ERR-1/html-502")
class HidesPages(RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return answer.status >= 500 and answer.text(b"content-type").startswith("text/html")

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return error_body(Refused(answer.status, "the provider failed"))


@broken("fills-empty-errors", "It puts a body into an error that has none.", "ERR-1/empty-500")
class FillsEmptyErrors(RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return answer.status >= 500

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return body or error_body(Refused(answer.status, "the provider failed"))


@broken("has-errors-of-its-own", "Its own errors have a shape of their own.", "ERR-2/google-shaped")
class HasErrorsOfItsOwn(Gateway):
    def error_body(self, refused: Refused) -> bytes:
        is_meant = refused.status == 502
        return json.dumps({"error": str(refused)}).encode() if is_meant else super().error_body(refused)


@broken("calls-a-loss-500", "It answers 500 when the provider is lost.", "ERR-3/reset-before-head")
class CallsALoss500(Gateway):
    async def answer_head(self, call: Call, up_reader: asyncio.StreamReader) -> tuple[Head, asyncio.StreamReader]:
        try:
            return await super().answer_head(call, up_reader)
        except Refused as refused:
            raise Refused(500, str(refused)) from None


class TriesAgain(AsksTwice):
    """What the provider refuses with some status is asked once more."""

    on_status: int = 0
    is_for_jobs: bool = False

    async def answer_head(self, call: Call, up_reader: asyncio.StreamReader) -> tuple[Head, asyncio.StreamReader]:
        head, up_reader = await super().answer_head(call, up_reader)
        is_job = call.path.endswith(":predictLongRunning")
        if head.status == self.on_status and is_job == self.is_for_jobs and not call.is_live:
            return await self.ask(call)
        return head, up_reader


def _again(status: int, *more: str) -> type[Gateway]:
    name, sentence = f"tries-again-after-{status}", f"It tries again by itself after {status}."
    return variant(TriesAgain, name, sentence, "ERR-5/no-retry", *more, on_status=status)


TABLE: Final = (
    _again(401),
    _again(429, "BODY-1/library-bodies"),
    _again(500),
    _again(503),
    *(
        variant(
            TriesAgain,
            f"starts-again-after-{status}",
            f"It starts a job again after {status}.",
            "LRO-8/no-second-start",
            on_status=status,
            is_for_jobs=True,
        )
        for status in (429, 503)
    ),
)
