"""Checks of request bodies: whatever they hold goes on byte for byte, is whole, and instructs nobody. Pure."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ..messages import Exchange, header_value, header_values
from ..scenario.model import Scenario
from .evidence import (
    PairRule,
    answered,
    bare_target,
    differing,
    each_pair,
    exchanges,
    pairwise,
    request_line,
    shown,
    shown_values,
)
from .model import Ask, Asked, Case, Check, Finding
from .probes import GENERATE, HELLO, compact, http_probe

_LITELLM: Final = "seen on LiteLLM 1.109.1"
_PORTKEY: Final = "seen on Portkey and LiteLLM"
_JSON: Final = b"application/json"
_CACHE: Final = "/v1beta/cachedContents/c1"


def _same_body(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted, found = asked.ask.body, exchange.request.body
    if wanted != found:
        yield Finding("The provider got another body than the client sent.", differing(wanted, found))


# -- BODY-1: a body of any sort is the same upstream


def _sort(
    slug: str,
    what: str,
    bodies: Sequence[bytes],
    content_type: bytes = _JSON,
    *,
    reference: str = "RFC 9110 7.7",
    encoding: bytes = b"",
) -> Check:
    """A check that bodies of one sort reach the provider as they are."""
    headers = ((b"Content-Type", content_type), *(((b"Content-Encoding", encoding),) if encoding else ()))
    asks = [Ask(GENERATE, headers=headers, body=body) for body in bodies]
    return Check(
        f"BODY-1/{slug}",
        f"{what} reaches the provider byte for byte.",
        pairwise(_same_body),
        reference=reference,
        probes=(http_probe(f"bodies/{slug}", f"bodies: {slug.replace('-', ' ')}", asks),),
    )


def _texts(*texts: bytes) -> list[bytes]:
    """A request of the usual shape for each text (JSON, with its quotes)."""
    return [b'{"contents":[{"role":"user","parts":[{"text":%s}]}]}' % text for text in texts]


def _settings(*members: bytes) -> list[bytes]:
    """A request of the usual shape for each run of members of its generationConfig."""
    return [HELLO[:-1] + b',"generationConfig":{%s}}' % member for member in members]


_MULTIPART: Final = (
    b"preamble, to be ignored\r\n--a'b (c)/d=_?\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a;b.txt"\r\n'
    b"X-Part: one\r\ncontent-type: text/plain\r\n\r\nfirst\r\n\r\n--a'b (c)/d=_?\r\n"
    b'Content-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--a\'b (c)/d=_?--\r\nepilogue'
)

_SORTS: Final = (
    _sort(
        "json-whitespace",
        "JSON with unusual white space",
        [
            b' {\r\n\t"contents" : [ { "parts":[ {"text" :"hello"} ] , "role":"user" } ]\n}\r\n',
            b'{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}\n\n',
        ],
        reference=f"RFC 8259 2; {_LITELLM}",
    ),
    _sort(
        "duplicate-keys",
        "JSON with duplicate keys",
        [b'{"contents":[],"contents":[{"role":"user","parts":[{"text":"a","text":"b"}]}]}'],
        reference=f"RFC 8259 4; {_LITELLM}",
    ),
    _sort(
        "big-integers",
        "An integer beyond 53 or 64 bits",
        _settings(b'"seed":9223372036854775807', b'"seed":9007199254740993', b'"seed":123456789012345678901234567890'),
        reference=f"RFC 8259 6; {_PORTKEY}",
    ),
    _sort(
        "floats",
        "A number in unusual notation",
        _settings(
            b'"temperature":1.0,"topP":0.10,"topK":1E5',
            b'"temperature":-0.0,"topP":1e400',
            b'"temperature":NaN',
            b'"topP":0.30000000000000004441',
        ),
        reference="RFC 8259 6",
    ),
    _sort(
        "escapes",
        "JSON with escapes",
        _texts(
            b'"\\u00e9\\u0041\\/\\b\\f"', b'"\\uD83D\\ude00"', b'"\\ud800"', b'"\\u0000"', '"\u00e9\U0001f600"'.encode()
        ),
        reference="RFC 8259 7, 8.2",
    ),
    _sort(
        "key-order",
        "JSON whose keys are in no order",
        [b'{"z":1,"contents":[{"parts":[{"text":"hello"}],"role":"user"}],"a":{"y":1,"b":2},"m":[]}'],
        reference="RFC 8259 4",
    ),
    _sort(
        "top-level-array",
        "A JSON array",
        [b"[]", b'[{"contents":[]}, 1]'],
        reference=f"RFC 8259 2; {_PORTKEY}",
    ),
    _sort(
        "top-level-scalar",
        "A JSON text that is no object",
        [b"null", b"true", b"42", b'"hello"'],
        reference=f"RFC 8259 2; {_LITELLM}",
    ),
    _sort(
        "invalid-json",
        "A body that is no JSON although it says so",
        [b'{"contents":[{"role":"user",}]', b"{'contents': 1}", b"hello"],
        reference=f"RFC 9110 7.7; {_LITELLM}",
    ),
    _sort("bom", "JSON that begins with a byte order mark", [b"\xef\xbb\xbf" + HELLO], reference="RFC 8259 8.1"),
    _sort(
        "invalid-utf8",
        "A body that is no UTF-8",
        _texts(b'"\xff\xfe\xc3("', b'"caf\xe9"'),
        reference="RFC 8259 8.1",
    ),
    _sort(
        "octet-stream",
        "A binary body",
        [bytes(range(256)) * 3, b"\x00"],
        b"application/octet-stream",
        reference="RFC 9110 8.3",
    ),
    _sort(
        "urlencoded",
        "A form",
        [b"a=1&a=2&b=&c&d=x+y%20z&%e9=%C3%A9"],
        b"application/x-www-form-urlencoded",
        reference=f"WHATWG URL 5.1; {_LITELLM}",
    ),
    _sort(
        "multipart",
        "A multipart body with an unusual boundary",
        [_MULTIPART],
        b'multipart/form-data; boundary="a\'b (c)/d=_?"',
        reference=f"RFC 2046 5.1.1; RFC 7578; {_PORTKEY}",
    ),
    _sort(
        "gzip",
        "A compressed body",
        [gzip.compress(HELLO * 3, mtime=0)],
        encoding=b"gzip",
        reference="RFC 9110 8.4",
    ),
)


# -- BODY-2: no member of a body is an instruction to the gateway


def _same_target(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted, found = bare_target(asked.provider_target), bare_target(exchange.request.target)
    if wanted != found:
        evidence = (f"wanted: {shown(wanted)}", f"found: {shown(found)}")
        yield Finding("The member changed the URL.", evidence)


def _no_new_field(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    if header_value(exchange.request.headers, b"x-from-the-body") is not None:
        yield Finding("The member became a header field.", ("field: x-from-the-body",))


def _providers_answer(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
        elif both[0].body != both[1].body:
            yield Finding(
                "The client got another answer than the provider gave.", differing(both[0].body, both[1].body)
            )


_MEMBERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "metadata": {"user_id": "u1", "tags": ["a"]},
        "tags": ["team-a"],
        "ttl": "600s",
        "cache": {"no-cache": True},
        "stream": True,
        "model": "models/other-model",
        "custom_body": {"contents": []},
        "query_params": {"alt": "sse", "x": "1"},
        "api_key": "sk-in-the-body",
        "api_base": "http://127.0.0.1:9/elsewhere",
        "timeout": 0.001,
        "fallbacks": [{"gemini-2.5-flash": ["other-model"]}],
        "mock_response": "mocked",
        "headers": {"X-From-The-Body": "1"},
        "id": "chat-1",
    }
)
"""Members that gateways are known to take for themselves, each with a value that would have an effect."""

_EFFECTS: Final[Mapping[str, PairRule]] = MappingProxyType(
    {
        "query_params": _same_target,
        "headers": _no_new_field,
        "mock_response": _providers_answer,
        "stream": _providers_answer,
    }
)
"""What else a member could change, beside the body that it stands in."""


def _member(name: str, value: Any) -> Check:
    """A check that a member at the top of a body stays there, in a POST and in a PATCH."""
    effect = _EFFECTS.get(name)

    def rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
        yield from _same_body(asked, exchange)
        if effect is not None:
            yield from effect(asked, exchange)

    asks = [
        Ask(GENERATE, body=HELLO[:-1] + b"," + compact({name: value})[1:]),
        Ask(_CACHE, "PATCH", query=f"updateMask={name}", body=compact({name: value})),
    ]
    return Check(
        f"BODY-2/{name}",
        f"The member `{name}` of a body belongs to the provider: it stays, and the gateway does nothing by it.",
        pairwise(rule),
        reference=_LITELLM,
        probes=(http_probe(f"bodies/member-{name}", f"a body with the member {name}", asks),),
    )


_INSTRUCTIONS: Final = tuple(_member(name, value) for name, value in _MEMBERS.items())


# -- BODY-3, BODY-4, BODY-8: empty bodies, framing, uploads that end early


def _still_empty(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    got = exchange.request
    if got.body:
        yield Finding("An empty body was filled.", (f"found: {shown(got.body)}",))
    invented = header_values(got.headers, b"content-type")
    if invented:
        yield Finding("A request without a body got a content type.", (f"content-type: {shown_values(invented)}",))


def _same_length(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    lengths = header_values(exchange.request.headers, b"content-length")
    codings = header_values(exchange.request.headers, b"transfer-encoding")
    if lengths != (str(len(asked.ask.body)).encode(),) or codings:
        evidence = (f"content-length: {shown_values(lengths)}", f"transfer-encoding: {shown_values(codings)}")
        yield Finding("A body of known length did not go on with its Content-Length.", evidence)


def _whole_chunked(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    yield from _same_body(asked, exchange)
    lengths = header_values(exchange.request.headers, b"content-length")
    codings = [value.lower() for value in header_values(exchange.request.headers, b"transfer-encoding")]
    if codings != [b"chunked"] and lengths != (str(len(asked.ask.body)).encode(),):
        evidence = (f"content-length: {shown_values(lengths)}", f"transfer-encoding: {shown_values(codings)}")
        yield Finding("A chunked body went on neither chunked nor with its length.", evidence)


def _judge_abort(case: Case) -> Iterator[Finding]:
    """What the client did not finish the provider must not take for finished, nor wait for for ever."""
    if not case.asked:
        yield Finding("The client's request could not be sent.")
    for exchange in exchanges(case):
        if exchange.failure is None:
            evidence = (request_line(exchange.request), f"bytes of body: {len(exchange.request.body)}")
            yield Finding("The part of a body that came before the client left was presented as the whole.", evidence)
        elif exchange.failure == "not ended yet":
            evidence = (request_line(exchange.request),)
            yield Finding("The provider's side of an aborted upload was left open.", evidence, is_timeout=True)


_LONG: Final = HELLO[:-1] + b',"padding":"' + b"x" * 60_000 + b'"}'

_WHOLE: Final = (
    Check(
        "BODY-3/delete-without-body",
        "A DELETE without a body goes on without one, and without a content type.",
        pairwise(_still_empty),
        reference=f"RFC 9110 9.3.5; {_LITELLM}",
        probes=(
            http_probe(
                "bodies/delete-without-body",
                "a DELETE without a body",
                Ask(_CACHE, "DELETE", headers=(), framing="none"),
            ),
        ),
    ),
    Check(
        "BODY-3/empty-post",
        "An empty body of a POST stays empty: no `{}`, no content type.",
        pairwise(_still_empty),
        reference=f"RFC 9110 8.6; {_LITELLM}",
        probes=(http_probe("bodies/empty-post", "a POST with an empty body", Ask(GENERATE, headers=())),),
    ),
    Check(
        "BODY-4/content-length",
        "A body of known length goes on with the same Content-Length.",
        pairwise(_same_length),
        reference="RFC 9112 6.2",
        probes=(http_probe("bodies/content-length", "a body with its length", Ask(GENERATE, body=_LONG, pieces=3)),),
    ),
    Check(
        "BODY-4/chunked",
        "A chunked body goes on whole, chunked or with its right length.",
        pairwise(_whole_chunked),
        reference="RFC 9112 6.3, 7.1",
        probes=(
            http_probe("bodies/chunked", "a chunked body", Ask(GENERATE, body=_LONG, framing="chunked", pieces=5)),
        ),
    ),
    Check(
        "BODY-8/aborted-upload",
        "When the client leaves during its upload, the provider is not shown a part of the body as the whole.",
        _judge_abort,
        reference="RFC 9112 8",
        probes=(
            http_probe(
                "bodies/aborted-upload",
                "a client that leaves during its upload",
                [
                    Ask(GENERATE, body=_LONG, pieces=4, leaves="mid-upload"),
                    Ask(GENERATE, body=_LONG, framing="chunked", pieces=4, leaves="mid-upload"),
                ],
            ),
        ),
    ),
)


# -- BODY-1 on the library


def _judge_library(case: Case) -> Iterator[Finding]:
    for pair in each_pair(case):
        if isinstance(pair, Finding):
            yield pair
            continue
        yield from _same_body(*pair)
        given, got = pair[1].response, pair[0].exchange.response
        if given is None:
            continue
        found = b"" if got is None else got.body
        # Of an answer that breaks off on purpose, the end may be lost on the way.
        if found != given.body and (given.complete or not given.body.startswith(found)):
            yield Finding("The client got another body than the provider sent.", differing(given.body, found))
    wanted = case.probe.scenario.expect.upstream_requests
    count = len(exchanges(case))
    if wanted is not None and count != wanted:
        yield Finding("The provider got another number of requests.", (f"wanted: {wanted}", f"found: {count}"))


def _is_http(scenario: Scenario) -> bool:
    return not scenario.surface.is_live


_LIBRARY: Final = Check(
    "BODY-1/library-bodies",
    "In every conversation over HTTP the bodies of requests and answers pass byte for byte, each request once.",
    _judge_library,
    reference="RFC 9110 7.7",
    fits=_is_http,
)

CHECKS: Final[tuple[Check, ...]] = (*_SORTS, _LIBRARY, *_INSTRUCTIONS, *_WHOLE)
