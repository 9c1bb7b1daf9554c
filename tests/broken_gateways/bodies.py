"""Gateways that do something to request bodies (requirements BODY)."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from .broken import RewritesAnswers, RewritesBodies, broken, variant
from .honest import Call
from .live import Gateway
from .refusals import Refused
from .wire import BrokenOff, Fields, Head

_MEMBERS: Final = (
    *("metadata", "tags", "ttl", "cache", "stream", "model", "custom_body", "query_params", "api_key", "api_base"),
    *("fallbacks", "mock_response", "headers", "id"),
)


def value_of(body: bytes) -> Any:
    """The JSON value of a body; None for what is none, and for null."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def written(value: Any) -> bytes:
    """JSON as another writer would write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


class ChangesText(RewritesBodies):
    """What is found in a body becomes something else."""

    found: bytes = b""
    becomes: bytes = b""
    kind: bytes = b"application/json"

    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        is_plain = not call.head.values(b"content-encoding")
        is_meant = is_plain and call.head.value(b"content-type").startswith(self.kind)
        return re.sub(self.found, self.becomes, body) if is_meant else body


@broken(
    "writes-json-anew",
    "It reads JSON and writes it anew.",
    *(f"BODY-1/{slug}" for slug in ("json-whitespace", "duplicate-keys", "big-integers", "floats", "escapes")),
    *("BODY-1/top-level-array", "BODY-1/bom", "BODY-1/library-bodies"),
    *("LRO-1/poll-path", "LRO-1/verbs"),
)
class WritesJsonAnew(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        try:
            return written(json.loads(body, parse_int=lambda digits: int(float(digits))))
        except ValueError:
            return body


@broken("drops-duplicate-keys", "It keeps the last of duplicate keys.", "BODY-1/duplicate-keys")
class DropsDuplicateKeys(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        seen: list[bool] = []

        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            seen.append(len(dict(pairs)) < len(pairs))
            return dict(pairs)

        try:
            value = json.loads(body, object_pairs_hook=members)
        except ValueError:
            return body
        return written(value) if any(seen) else body


@broken("takes-integers-for-floats", "It reads big integers as floats.", "BODY-1/big-integers")
class TakesIntegersForFloats(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        return re.sub(rb"(?<=:)[0-9]{16,}(?=[,}])", lambda found: b"%d" % int(float(found[0])), body)


@broken("orders-keys", "It puts the keys of a body in an order of its own.", "BODY-1/key-order")
class OrdersKeys(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        value = value_of(body)
        if not isinstance(value, dict) or "contents" not in value or next(iter(value)) == "contents":
            return body
        return written({"contents": value["contents"], **value})


@broken("opens-arrays", "It takes the first element of an array for the whole.", "BODY-1/top-level-array")
class OpensArrays(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        value = value_of(body)
        return written(value[0] if value else {}) if isinstance(value, list) else body


@broken("wants-objects", "It makes an object of whatever JSON is none.", "BODY-1/top-level-scalar")
class WantsObjects(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        is_scalar = body == b"null" or isinstance(value_of(body), bool | int | float | str)
        return written({"value": value_of(body)}) if is_scalar else body


@broken("refuses-invalid-json", "It refuses what is no JSON.", "BODY-1/invalid-json")
class RefusesInvalidJson(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        if call.head.value(b"content-type") == b"application/json" and not call.head.values(b"content-encoding"):
            try:
                json.loads(body or b"{}")
            except UnicodeDecodeError:
                return body
            except ValueError:
                raise Refused(400, "the body is no JSON") from None
        return body


@broken("mends-utf8", "It replaces what is no UTF-8.", "BODY-1/invalid-utf8")
class MendsUtf8(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        is_text = call.head.value(b"content-type").startswith(b"application/json")
        is_text = is_text and not call.head.values(b"content-encoding")
        return body.decode("utf-8", "replace").encode() if is_text else body


@broken("takes-bytes-for-text", "It replaces what is no UTF-8 in binary bodies.", "BODY-1/octet-stream")
class TakesBytesForText(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        is_binary = call.head.value(b"content-type") == b"application/octet-stream"
        return body.decode("utf-8", "ignore").encode() or b"\x01" if is_binary else body


@broken("writes-forms-anew", "It reads forms and writes them anew.", "BODY-1/urlencoded")
class WritesFormsAnew(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        is_form = call.head.value(b"content-type") == b"application/x-www-form-urlencoded"
        return urlencode(parse_qsl(body.decode("latin-1"))).encode() if is_form else body


@broken("opens-gzip", "It decompresses bodies of requests.", "BODY-1/gzip")
class OpensGzip(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        return gzip.decompress(body) if call.head.value(b"content-encoding") == b"gzip" else body

    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) and name.lower() != b"content-encoding"


class TakesMembers(RewritesBodies):
    """A member at the top of a body is taken for an instruction, and removed."""

    member: str = ""

    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        value = value_of(body)
        if not isinstance(value, dict) or self.member not in value or not self.is_meant(call, value):
            return body
        self.obey(call, value.pop(self.member))
        return written(value)

    def is_meant(self, call: Call, value: dict[str, Any]) -> bool:
        """Whether the body is one whose members it reads."""
        return True

    def obey(self, call: Call, instruction: Any) -> None:
        """Do what the member says: nothing."""


@broken("obeys-query-params", "It puts the member query_params into the URL, and leaves it.", "BODY-2/query_params")
class ObeysQueryParams(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        value = value_of(body)
        if isinstance(value, dict) and isinstance(value.get("query_params"), dict):
            call.target = f"{call.path}?{urlencode(value['query_params'])}"
        return body


@broken("obeys-headers", "It sends the member headers as header fields, and leaves it.", "BODY-2/headers")
class ObeysHeaders(RewritesBodies):
    def upstream_fields(self, call: Call) -> Fields:
        value = value_of(call.body)
        said = value.get("headers") if isinstance(value, dict) else None
        more = [(name.encode(), text.encode()) for name, text in said.items()] if isinstance(said, dict) else []
        return [*super().upstream_fields(call), *more]


@broken("obeys-mock-response", "It answers by the member mock_response.", "BODY-2/mock_response")
class ObeysMockResponse(RewritesBodies, RewritesAnswers):
    def rewrites(self, call: Call, answer: Head) -> bool:
        return b'"mock_response":' in call.body

    def rewrite_answer(self, call: Call, answer: Head, body: bytes) -> bytes:
        return written({"candidates": [{"content": {"parts": [{"text": value_of(call.body)["mock_response"]}]}}]})


@broken("types-empty-deletes", "It gives a DELETE without a body a content type.", "BODY-3/delete-without-body")
class TypesEmptyDeletes(Gateway):
    def upstream_fields(self, call: Call) -> Fields:
        is_bare = call.head.method == "DELETE" and not call.head.values(b"content-type")
        return [*super().upstream_fields(call), *([(b"Content-Type", b"application/json")] if is_bare else [])]


@broken("fills-empty-posts", "It sends {} for an empty body.", "BODY-3/empty-post")
class FillsEmptyPosts(RewritesBodies):
    def rewrite_body(self, call: Call, body: bytes) -> bytes:
        return body or b"{}" if call.head.method == "POST" else body


@broken("chunks-everything", "It sends every body in chunks.", "BODY-4/content-length")
class ChunksEverything(Gateway):
    def upstream_framing(self, call: Call) -> Fields:
        return [(b"Transfer-Encoding", b"chunked")] if super().upstream_framing(call) else []


@broken("loses-the-last-chunk", "It loses the last chunk of a body.", "BODY-4/chunked")
class LosesTheLastChunk(Gateway):
    def upload(self, call: Call, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        pieces = super().upload(call, reader)
        return all_but_last(pieces) if call.head.is_chunked else pieces


async def all_but_last(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece when the next has come."""
    held = b""
    async for piece in pieces:
        yield held
        held = piece


@broken("finishes-aborted-uploads", "It ends a body that its client did not end.", "BODY-8/aborted-upload")
class FinishesAbortedUploads(Gateway):
    async def upload(self, call: Call, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        try:
            async for piece in super().upload(call, reader):
                yield piece
        except BrokenOff:
            if not call.head.is_chunked:
                raise

    async def client_left(self, call: Call, answering: "asyncio.Future[None]") -> None:
        if call.head.is_chunked:
            await asyncio.wait({answering}, timeout=1.0)
        await super().client_left(call, answering)


def _text(name: str, sentence: str, found: bytes, becomes: bytes, check: str, **more: bytes) -> type[Gateway]:
    return variant(ChangesText, name, sentence, f"BODY-1/{check}", found=found, becomes=becomes, **more)


def _member(name: str, *more: str) -> type[Gateway]:
    return variant(
        TakesMembers,
        f"takes-the-member-{name.replace('_', '-')}",
        f"It takes the member {name} out of a body.",
        f"BODY-2/{name}",
        *more,
        member=name,
    )


TABLE: Final = (
    _text("strips-white-space", "It strips white space around JSON.", rb"\A\s+|\s+\Z", b"", "json-whitespace"),
    _text("writes-floats-anew", "It writes 1E5 as 100000.0.", rb":1E5\b", b":100000.0", "floats"),
    _text("resolves-escapes", "It writes escaped letters as they are.", rb"\\u00e9", "\u00e9".encode(), "escapes"),
    _text("drops-the-bom", "It drops a byte order mark.", rb"\A\xef\xbb\xbf", b"", "bom"),
    _text(
        "drops-the-preamble",
        "It drops what stands before the first part.",
        rb"\A[^-]*(?=--)",
        b"",
        "multipart",
        kind=b"multipart/",
    ),
    *map(_member, _MEMBERS),
    # Operations are waited for with a timeout in the body.
    _member("timeout", "LRO-1/verbs"),
)
