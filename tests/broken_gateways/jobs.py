"""Gateways that do something to long-running operations (requirements LRO)."""

import asyncio
import re
from typing import Final

from .broken import AsksTwice, RewritesAnswers, RewritesBodies, broken
from .honest import Call
from .live import Gateway
from .refusals import Refused, error_body
from .wire import Head

_MARK: Final = "-ours"
_POLL: Final = re.compile(r"/v1beta/models/[^/]+/operations/[^/:]+")


def is_start(call: Call) -> bool:
    """Whether a request starts a job."""
    return call.path.endswith(":predictLongRunning")


def is_poll(call: Call) -> bool:
    """Whether a request asks for the state of a job."""
    is_get = call.head.method == "GET" and _POLL.fullmatch(call.path) is not None
    return is_get or call.path.endswith(":fetchPredictOperation")


@broken(
    "renames-operations",
    "It gives operations names of its own, and knows them again in polls.",
    *("LRO-1/operation-name", "LRO-1/poll-path", "BODY-1/library-bodies"),
)
class RenamesOperations(RewritesBodies, RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return is_start(call) and answer.status == 200

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return re.sub(rb'("name": *"[^"]+)"', rb'\1%b"' % _MARK.encode(), body)

    def provider_path(self, call: Call, path: str) -> str:
        return super().provider_path(call, path).replace(_MARK, "")

    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        return body.replace(_MARK.encode(), b"")


@broken("polls-at-v1", "It polls at another version than its client.", "LRO-1/poll-path")
class PollsAtV1(Gateway):
    def provider_path(self, call: Call, path: str) -> str:
        path = super().provider_path(call, path)
        is_get = call.head.method == "GET" and _POLL.fullmatch(path) is not None
        return path.replace("/v1beta/", "/v1/", 1) if is_get else path


@broken(
    "polls-twice",
    "It polls once more for each poll of its client, before it.",
    *("LRO-1/one-upstream-poll-per-poll", "LRO-1/library-operations", "BODY-1/library-bodies"),
)
class PollsTwice(AsksTwice):
    async def answer_head(self, call: Call, up_reader: asyncio.StreamReader) -> tuple[Head, asyncio.StreamReader]:
        head, up_reader = await super().answer_head(call, up_reader)
        return await self.ask(call) if is_poll(call) else (head, up_reader)


@broken("knows-no-verbs", "It has no route for the verbs of operations.", "LRO-1/verbs")
class KnowsNoVerbs(Gateway):
    def check_path(self, call: Call) -> None:
        super().check_path(call)
        if re.search("/operations/[^/]+:(cancel|wait)$", call.path):
            raise Refused(404, "no such route")


@broken("answers-unknown-polls", "It answers polls on unknown paths by itself.", "LRO-3/unknown-poll-path")
class AnswersUnknownPolls(RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return call.path.startswith("/v1beta/operations/")

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return error_body(Refused(404, "no such operation"))


class RewritesPolls(RewritesAnswers):
    """What a poll says is written anew."""

    def rewrites(self, call: Call, answer: Head) -> bool:
        return is_poll(call)


@broken(
    "moves-videos",
    "It writes the addresses of videos anew, as its own.",
    *("LRO-4/result-bodies", "BODY-1/library-bodies"),
)
class MovesVideos(RewritesPolls):
    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        own = b"http://%b/gemini/v1" % call.head.value(b"host")
        return re.sub(rb"https?://[^/\"]+/v1", own, body)


@broken(
    "hides-filtered-videos",
    "It does not say which videos were filtered.",
    "LRO-4/result-bodies",
    "BODY-1/library-bodies",
)
class HidesFilteredVideos(RewritesPolls):
    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return body.replace(b"raiMediaFilteredCount", b"filtered")


@broken(
    "cuts-downloads",
    "It loses the last byte of a file.",
    "LRO-5/download",
    "BODY-1/library-bodies",
)
class CutsDownloads(RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return call.path.endswith(":download") and answer.status == 200

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return body[:-1]


@broken("drops-if-range", "It drops If-Range.", "LRO-5/range")
class DropsIfRange(Gateway):
    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) and name.lower() != b"if-range"


TABLE: Final[tuple[type[Gateway], ...]] = ()
