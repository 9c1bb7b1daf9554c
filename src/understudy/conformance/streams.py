"""Checks of answers that come in pieces: the same bytes at once, and an end that tells the truth (requirements STR)."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from ..messages import Exchange, RawHeaders, Response, header_values
from .errors import NOT_SENT
from .evidence import answer, answered, differing, differing_fields, exchanges, pairwise, shown, status_of
from .model import Ask, Asked, Case, Check, Finding, Probe
from .probes import GENERATE, HELLO, STREAM, Document, http_probe, reply

_ODD_EVENTS: Final = (
    b": a comment comes first\r\n\r\n",
    b'event: update\r\nid: 7\r\nretry: 1500\r\ndata: {"a" :  1}\r\n\r\n',
    b'data:{"no":"space"}\n\n',
    b'data: {"text":"caf\xc3',
    b"\xa9 \xf0\x9f",
    b'\x98\x80"}\n\ndata: two\ndata: lines\n\n',
    b"\n\n:bye\r\n\r\n",
)
"""What the grammar of server-sent events allows, cut inside of letters."""

_STEP: Final = "900ms"
_PLAYED_S: Final = 0.8
"""With less than that between first and last piece the provider made no pauses, and there is nothing to judge."""
_LEAD: Final = 0.62
"""How much of the provider's time between first and last piece must be left at the client: one that holds back a
piece until the next has half of it."""
_HEAD_PAUSE_S: Final = 0.5
_HEAD_LEAD_S: Final = 0.3
_LEAVE_WITHIN_S: Final = 2.0
"""A second is asked for; another is left to busy machines."""

_EVENT_STREAM: Final = "text/event-stream"
_REDIRECTS: Final = (301, 302, 303, 307, 308)


def event(text: str, **members: Any) -> Document:
    """One part of a stream in JSON, in the shape of Google's."""
    return {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}], **members}}


def stream(chunks: Sequence[Document], framing: str = "auto", **headers: str) -> Document:
    """A server step that answers with these parts; in the names of `headers` an underscore stands for a hyphen."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"stream": {"chunks": list(chunks), "framing": framing, "headers": fields}}


def _raw(data: bytes) -> Document:
    return {"raw": {"base64": b64encode(data).decode()}}


_SSE: Final = Ask(STREAM, query="alt=sse", body=HELLO)
_ARRAY: Final = Ask(STREAM, body=HELLO)

_ODD_PROBE: Final = http_probe(
    "str/odd-events",
    "Server-sent events with all that their grammar allows",
    _SSE,
    server=[stream([_raw(part) for part in _ODD_EVENTS], "none", Content_Type=_EVENT_STREAM)],
)
_ARRAY_PROBE: Final = http_probe(
    "str/json-array",
    "A stream without alt=sse is a JSON array",
    _ARRAY,
    server=[stream([event("one "), event("two "), event("three")])],
)


def _paced(id: str, title: str, ask: Ask, parts: Sequence[Document], framing: str, **headers: str) -> Probe:
    """A stream with pauses between its parts."""
    chunks: list[Document] = [parts[0]]
    for part in parts[1:]:
        chunks += [{"pause": _STEP}, part]
    return http_probe(id, title, ask, server=[stream(chunks, framing, **headers)], speed=1.0)


_EVENTS: Final = (event("one "), event("two "), event("three"))
_SSE_PACED: Final = _paced("str/sse-paced", "Events half a second apart", _SSE, _EVENTS, "sse")
_ARRAY_PACED: Final = _paced("str/array-paced", "Elements of an array half a second apart", _ARRAY, _EVENTS, "array")
_ODD_PACED: Final = _paced(
    "str/unknown-type-paced",
    "Pieces of a type that nobody knows as streaming, half a second apart",
    Ask(GENERATE, body=HELLO),
    [_raw(b"first piece;"), _raw(b"second piece;"), _raw(b"last piece")],
    "none",
    Content_Type="application/x-pieces",
)
_LATE_BODY: Final = http_probe(
    "str/late-body",
    "The head comes at once, the body much later",
    _SSE,
    server=[stream([{"pause": "900ms"}, event("late")], "sse")],
    speed=1.0,
)
_BROKEN_CHUNKED: Final = http_probe(
    "str/broken-chunked",
    "The provider breaks off after two events, the length of the body unsaid",
    _SSE,
    server=[stream([event("one "), event("two "), {"fault": {"truncate": 0}}], "sse")],
)
_RESET_CHUNKED: Final = http_probe(
    "str/reset-chunked",
    "The provider's connection is reset after two events",
    _SSE,
    server=[stream([event("one "), event("two "), {"pause": "100ms"}, {"fault": {"reset_peer": True}}], "sse")],
    speed=1.0,
)
_BROKEN_LENGTH: Final = http_probe(
    "str/broken-length",
    "The provider sends less than the length that it named",
    Ask(GENERATE, body=HELLO),
    server=[reply(headers={"Content-Length": "2000"}, body=b"x" * 2000, fault={"truncate": 700})],
)
_LEFT_EARLY: Final = http_probe(
    "str/left-before-first-byte",
    "The client hangs up while the provider still thinks",
    Ask(GENERATE, body=HELLO, leaves="unanswered"),
    server=[{"pause": "4s"}, reply()],
    speed=1.0,
    settle_s=5.0,
)
_LEFT_LATE: Final = http_probe(
    "str/left-during-body",
    "The client hangs up after the first event",
    Ask(STREAM, query="alt=sse", body=HELLO, leaves="mid-answer", leaves_after=1),
    server=[stream([event("one "), {"pause": "4s"}, event("two")], "sse")],
    speed=1.0,
    settle_s=5.0,
)
_REDIRECTED: Final = http_probe(
    "str/redirects",
    "The provider answers with each kind of redirect",
    tuple(Ask(GENERATE, body=HELLO) for _ in _REDIRECTS),
    server=[reply(status=status, headers={"Location": "/v1beta/models/elsewhere"}, body=b"") for status in _REDIRECTS],
)
_NO_CONTENT: Final = http_probe(
    "str/no-content",
    "An answer that never has a body",
    Ask("/v1beta/cachedContents/c1", "DELETE", headers=(), framing="none"),
    server=[reply(status=204, body=b"")],
)
_NOT_MODIFIED: Final = http_probe(
    "str/not-modified",
    "The client's copy is still good",
    Ask("/v1beta/files/f1", "GET", headers=((b"If-None-Match", b'"e1"'),), framing="none"),
    server=[reply(status=304, headers={"ETag": '"e1"'}, body=b"")],
)
_PARTIAL: Final = http_probe(
    "str/partial-content",
    "Some bytes of a file",
    Ask("/v1beta/files/f1:download", "GET", "alt=media", ((b"Range", b"bytes=2-6"),), framing="none"),
    server=[
        reply(
            status=206,
            headers={"Content-Type": "video/mp4", "Content-Range": "bytes 2-6/10", "Content-Length": "5"},
            body=b"\x00\x01\xff\xfe\x02",
        )
    ],
)


# -- the same bytes


def _as_far(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    """As far as the provider's body goes; what comes behind it is another check's."""
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
        elif both[1].body[: len(both[0].body)] != both[0].body:
            given, got = both[0].body, both[1].body
            yield Finding("The body of a stream was changed.", differing(given, got[: len(given)]))


def _nothing_behind(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
        elif len(both[1].body) > len(both[0].body):
            rest = both[1].body[len(both[0].body) :]
            yield Finding("Something was put behind the provider's last byte.", (f"added: {shown(rest)}",))


def _same_body(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
        elif both[0].body != both[1].body:
            yield Finding("The body of the answer was changed.", differing(both[0].body, both[1].body))


# -- at once


def arrived_at(response: Response, size: int) -> float | None:
    """When the first `size` bytes of the body were all there; None if they never were."""
    sizes = accumulate(len(chunk.data) for chunk in response.chunks)
    return next((chunk.at for chunk, so_far in zip(response.chunks, sizes, strict=True) if so_far >= size), None)


def _unbuffered(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        took_s = given.chunks[-1].at - given.chunks[0].at if given.chunks else 0.0
        if took_s < _PLAYED_S:
            continue
        first, last = arrived_at(got, len(given.chunks[0].data)), arrived_at(got, len(given.body))
        if first is None or last is None:
            evidence = (f"bytes: {len(given.body)} given, {len(got.body)} came", f"answer: {status_of(asked)}")
            yield Finding("The pieces did not all arrive.", evidence)
        elif last - first < took_s * _LEAD:
            evidence = (f"provider, first to last piece: {took_s:.2f} s", f"client: {last - first:.2f} s")
            yield Finding("The first piece was held back until others had come.", evidence)


def _head_first(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        waited_s = given.chunks[0].at - exchange.started if given.chunks else 0.0
        if waited_s < _HEAD_PAUSE_S or asked.head_at is None:
            continue
        lead_s = got.chunks[0].at - asked.head_at if got.chunks else 0.0
        if lead_s < _HEAD_LEAD_S:
            evidence = (f"provider, request to body: {waited_s:.2f} s", f"client, head to body: {lead_s:.2f} s")
            yield Finding("The head of the answer was held back until the body came.", evidence)


# -- how it ends


def _visibly_broken(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    if asked.problem is not None and "no whole answer" in asked.problem:
        yield Finding("The client was left waiting after the provider had broken off.", (status_of(asked),), True)
        return
    got, given = asked.exchange.response, exchange.response
    if got is not None and got.complete and got.status < 500:
        evidence = (
            f"provider: {exchange.failure}, after {len(given.body) if given else 0} bytes",
            f"client: {status_of(asked)}, {len(got.body)} bytes, as if whole",
        )
        yield Finding("The client cannot tell that the provider broke off.", evidence)


def _left(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    stayed_s = asked.exchange.ended - asked.exchange.started
    if exchange.failure is None:
        took_s = exchange.ended - exchange.started
        evidence = (f"client, until it left: {stayed_s:.2f} s", f"provider, until its answer was read: {took_s:.2f} s")
        yield Finding("The provider's answer was read to its end, though the client had left.", evidence)
    elif exchange.failure == "not ended yet":
        yield Finding("The request to the provider goes on, though the client has left.", (), True)
    elif (late_s := exchange.ended - exchange.started - stayed_s) > _LEAVE_WITHIN_S:
        yield Finding("The request to the provider was given up late.", (f"after the client had left: {late_s:.1f} s",))


def _not_followed(case: Case) -> Iterator[Finding]:
    if not case.asked:
        yield NOT_SENT
    for asked, status in zip(case.asked, _REDIRECTS, strict=False):
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif got.status != status:
            evidence = (f"provider: HTTP {status}", f"client: {status_of(asked)}")
            yield Finding("A redirect did not come through as it is.", evidence)
    seen = exchanges(case)
    if len(seen) != len(case.asked):
        targets = " ".join(exchange.request.target for exchange in seen)
        evidence = (f"requests: {len(case.asked)} of the client, {len(seen)} at the provider", shown(targets))
        yield Finding("The provider saw another number of requests than the client made.", evidence)


# -- answers without a body, and parts


def _lengths(headers: RawHeaders) -> tuple[bytes, ...]:
    return header_values(headers, b"content-length")


def _empty(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        if got.status != given.status or got.body or not got.complete:
            evidence = (f"provider: HTTP {given.status}", f"client: {status_of(asked)}, {len(got.body)} bytes")
            yield Finding("An answer without a body came as another one.", evidence)
        invented = [value for value in _lengths(got.headers) if value not in _lengths(given.headers)]
        if invented or header_values(got.headers, b"transfer-encoding"):
            evidence = tuple(differing_fields(given.headers, got.headers, (b"content-length", b"transfer-encoding")))
            yield Finding("A length was invented for an answer that has no body.", evidence)


def _partial(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        changed = tuple(differing_fields(given.headers, got.headers, (b"content-range",)))
        if got.status != given.status or changed:
            yield Finding("A part of a file came as something else.", (f"client: {status_of(asked)}", *changed))
        elif got.body != given.body:
            yield Finding("The part of the file was changed.", differing(given.body, got.body))
    if header_values(exchange.request.headers, b"range") != header_values(asked.ask.headers, b"range"):
        yield Finding("The range that the client asked for did not reach the provider.")


CHECKS: Final = (
    Check(
        "STR-1/sse-bytes",
        "The events of a stream arrive byte for byte: line ends, comments, fields, spaces and cut letters.",
        pairwise(_as_far),
        reference="RFC 9110 7.7; WHATWG HTML 9.2.6",
        probes=(_ODD_PROBE,),
    ),
    Check(
        "STR-1/json-array",
        "A stream that is a JSON array arrives byte for byte.",
        pairwise(_same_body),
        reference="RFC 9110 7.7",
        probes=(_ARRAY_PROBE,),
    ),
    Check(
        "STR-1/nothing-appended",
        "Nothing is put behind the last byte of a stream; Google's end without a sentinel such as [DONE].",
        pairwise(_nothing_behind),
        reference="RFC 9110 7.7",
        probes=(_ODD_PROBE,),
    ),
    Check(
        "STR-2/sse-unbuffered",
        "Each server-sent event leaves when it comes.",
        pairwise(_unbuffered),
        reference="WHATWG HTML 9.2; maximhq/bifrost#4542",
        probes=(_SSE_PACED,),
    ),
    Check(
        "STR-2/array-unbuffered",
        "Each element of a JSON array that is streamed leaves when it comes.",
        pairwise(_unbuffered),
        reference="maximhq/bifrost#4542",
        probes=(_ARRAY_PACED,),
    ),
    Check(
        "STR-2/unknown-type-unbuffered",
        "Each piece of a body leaves when it comes, whatever its content type and method.",
        pairwise(_unbuffered),
        reference="maximhq/bifrost#4542",
        probes=(_ODD_PACED,),
    ),
    Check(
        "STR-3/head-before-body",
        "The head of an answer leaves when it comes, before there is any body.",
        pairwise(_head_first),
        reference="WHATWG HTML 9.2.2: a connection is open when its head is there",
        probes=(_LATE_BODY,),
    ),
    Check(
        "STR-4/broken-chunked",
        "When the provider breaks off a body of unsaid length, the client's ends without its last chunk.",
        pairwise(_visibly_broken),
        reference="RFC 9112 8",
        probes=(_BROKEN_CHUNKED, _RESET_CHUNKED),
    ),
    Check(
        "STR-4/broken-length",
        "When the provider sends less than the length it named, the client's connection ends short of it.",
        pairwise(_visibly_broken),
        reference="RFC 9112 8",
        probes=(_BROKEN_LENGTH,),
    ),
    Check(
        "STR-5/hang-up-before-first-byte",
        "A client that hangs up before there is an answer cancels the request to the provider within a second.",
        pairwise(_left),
        reference="BerriAI/litellm#37140",
        probes=(_LEFT_EARLY,),
    ),
    Check(
        "STR-5/hang-up-during-body",
        "A client that hangs up during the body cancels the request to the provider within a second.",
        pairwise(_left),
        reference="BerriAI/litellm#37140",
        probes=(_LEFT_LATE,),
    ),
    Check(
        "STR-11/redirect-not-followed",
        "Redirects come to the client as they are, and are not followed with the provider's credential.",
        _not_followed,
        features=("relay",),
        reference="RFC 9110 15.4",
        probes=(_REDIRECTED,),
    ),
    Check(
        "STR-12/no-content",
        "A 204 comes without a body and without a length.",
        pairwise(_empty),
        reference="RFC 9110 8.6, RFC 9112 6.1",
        probes=(_NO_CONTENT,),
    ),
    Check(
        "STR-12/not-modified",
        "A 304 comes without a body, and with no length but the provider's.",
        pairwise(_empty),
        reference="RFC 9110 15.4.5",
        probes=(_NOT_MODIFIED,),
    ),
    Check(
        "STR-12/partial-content",
        "A range goes up as it was asked for, and the 206 comes back with its Content-Range.",
        pairwise(_partial),
        reference="RFC 9110 15.3.7",
        probes=(_PARTIAL,),
    ),
)
