"""Checks of request headers: what is end-to-end goes on, what belongs to one hop or to the gateway ends there. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..messages import Exchange, RawHeaders, header_values
from . import answer_headers, malformed
from .evidence import (
    came_malformed,
    differing_fields,
    each_pair,
    exchanges,
    names_of,
    no_answer,
    not_forwarded,
    one_pair,
    pairwise,
    request_line,
    shown,
    shown_values,
    status_of,
)
from .model import JSON_HEADERS, Ask, Asked, Case, Check, Finding, Probe
from .probes import GENERATE, HELLO, http_probe

_LITELLM: Final = "seen on LiteLLM 1.109.1"
_HOPS: Final = "RFC 9110 7.6.1"

_END_TO_END: Final[RawHeaders] = (
    (b"X-Goog-User-Project", b"billing-project"),
    (b"X-Goog-Api-Client", b"google-genai-sdk/1.52.0 gl-python/3.11.9"),
    (b"X-Goog-Request-Params", b"model=models%2Fgemini-2.5-flash"),
    (b"X-Goog-Upload-Protocol", b"resumable"),
    (b"X-Goog-Upload-Command", b"upload, finalize"),
    (b"X-Goog-Upload-Header-Content-Type", b"video/mp4"),
    (b"X-Server-Timeout", b"60"),
    (b"Accept", b"application/json, text/event-stream;q=0.5"),
    (b"Accept-Language", b"de-AT, en;q=0.7"),
    (b"Range", b"bytes=0-9"),
    (b"If-None-Match", b'"e-1"'),
    (b"If-Modified-Since", b"Sat, 21 Nov 2026 00:00:00 GMT"),
    (b"Content-Type", b'application/json; charset=utf-8; profile="a, b"'),
    (b"Anthropic-Beta", b"one-2025-01-01,two-2025-02-02"),
    (b"X-MiXeD-CaSe", b'one; two="three, four"  five'),
)
_REPEATED: Final[RawHeaders] = (
    *JSON_HEADERS,
    (b"X-Repeated", b"c"),
    (b"X-Between", b"1"),
    (b"X-Repeated", b"a"),
    (b"X-Repeated", b"b, d"),
    (b"X-Between", b"2"),
)


def _asked_fields(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    """Each field that the client named came with the same values in the same order."""
    sent, got = asked.ask.headers, exchange.request.headers
    lines = tuple(differing_fields(sent, got, names_of(sent)))
    if lines:
        yield Finding("Header fields of the client did not reach the provider as they were sent.", lines)


def _asked_names(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    """Names that came at all came in the client's spelling."""
    spelled = {name.lower(): name for name, _ in asked.ask.headers}
    other = [name for name, _ in exchange.request.headers if spelled.get(name.lower(), name) != name]
    if other:
        evidence = tuple(f"wanted {shown(spelled[name.lower()])}, found {shown(name)}" for name in other)
        yield Finding("Names of header fields came in another spelling.", evidence)


def _plain(slug: str, sentence: str, headers: RawHeaders, reference: str) -> Check:
    ask = Ask(GENERATE, headers=headers, body=HELLO)
    probe = http_probe(f"headers/{slug}", f"headers: {slug.replace('-', ' ')}", ask)
    return Check(f"HDR-1/{slug}", sentence, pairwise(_asked_fields), reference=reference, probes=(probe,))


_ALL_FIELDS: Final = _plain(
    "end-to-end-request-headers",
    "Every end-to-end header field of the client reaches the provider with the same value.",
    _END_TO_END,
    f"RFC 9110 7.6; {_LITELLM}",
)

_PASSED: Final = (
    _ALL_FIELDS,
    _plain(
        "order-and-repeats",
        "Repeated header fields stay repeated and keep their order.",
        _REPEATED,
        "RFC 9110 5.3",
    ),
    Check(
        "HDR-1/name-case",
        "The names of header fields keep the client's spelling.",
        pairwise(_asked_names),
        level="should",
        reference="RFC 9110 5.1 (names are case-insensitive; some servers are not)",
        probes=_ALL_FIELDS.probes,
    ),
    _plain(
        "cookie",
        "`Cookie` passes over HTTP.",
        (*JSON_HEADERS, (b"Cookie", b'a=1; b="2"; c=x=y')),
        "RFC 6265 5.4",
    ),
    _plain(
        "user-agent",
        "The client's `User-Agent` reaches the provider, and no other one.",
        (*JSON_HEADERS, (b"User-Agent", b"google-genai-sdk/1.52.0 (suite)")),
        f"RFC 9110 10.1.5; {_LITELLM}",
    ),
)


# -- HDR-2, HDR-3: what belongs to one hop

_NAMED: Final[RawHeaders] = (
    *JSON_HEADERS,
    (b"Connection", b"keep-alive, X-Hop"),
    (b"Connection", b"x-other-hop"),
    (b"X-Hop", b"1"),
    (b"X-Other-Hop", b"2"),
)
_HOP_FIELDS: Final[RawHeaders] = (
    (b"Keep-Alive", b"timeout=5, max=17"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"Proxy-Authorization", b"Basic cHJveHk6cHJveHk="),
    (b"TE", b"trailers, deflate;q=0.5"),
    (b"Trailer", b"X-Checksum"),
    (b"Upgrade", b"h2c"),
)


def _named_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    got = exchange.request.headers
    passed = [name for name in (b"x-hop", b"x-other-hop") if header_values(got, name)]
    if passed:
        evidence = (f"passed: {shown(b', '.join(passed))}",)
        yield Finding("Fields that the client's Connection names reached the provider.", evidence)
    tokens = {token.strip().lower() for value in header_values(got, b"connection") for token in value.split(b",")}
    if tokens & {b"x-hop", b"x-other-hop"}:
        evidence = (f"connection: {shown_values(header_values(got, b'connection'))}",)
        yield Finding("The client's Connection field reached the provider.", evidence)


def _hop_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    got = exchange.request.headers
    lines = tuple(
        f"{name.decode()}: {shown(value)}" for name, value in _HOP_FIELDS if value in header_values(got, name)
    )
    if lines:
        yield Finding("Hop-by-hop fields of the client reached the provider.", lines)


def _judge_host(case: Case) -> Iterator[Finding]:
    if not case.asked:
        yield Finding("The client's request could not be sent.")
    for pair in each_pair(case):
        if isinstance(pair, Finding):
            yield pair
            continue
        values = header_values(pair[1].request.headers, b"host")
        port = case.origin.rpartition(":")[2].encode()
        if len(values) != 1 or (port and values[0].rpartition(b":")[2] != port):
            evidence = (f"wanted: {case.origin}", f"found: {shown_values(values)}")
            yield Finding("Host does not name the provider.", evidence)


def _framing_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    got = exchange.request.headers
    lengths, codings = header_values(got, b"content-length"), header_values(got, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        evidence = (f"content-length: {shown_values(lengths)}", f"transfer-encoding: {shown_values(codings)}")
        yield Finding("The provider got more than one word on the length of the body.", evidence)


_CHUNKED: Final = http_probe(
    "headers/chunked-client", "a chunked body", Ask(GENERATE, body=HELLO, framing="chunked", pieces=3)
)

_HOP_BY_HOP: Final = (
    Check(
        "HDR-2/connection-named-in-request",
        "The fields that a request's Connection names are not passed on, nor is Connection itself.",
        pairwise(_named_rule),
        features=("relay",),
        reference=_HOPS,
        probes=(
            http_probe(
                "headers/connection-named", "a Connection that names", Ask(GENERATE, headers=_NAMED, body=HELLO)
            ),
        ),
    ),
    Check(
        "HDR-2/hop-by-hop-in-request",
        "Hop-by-hop fields of a request (Keep-Alive, Proxy-*, TE, Trailer, Upgrade) are not passed on.",
        pairwise(_hop_rule),
        features=("relay",),
        reference=f"{_HOPS}; RFC 9110 11.7.1",
        probes=(
            http_probe(
                "headers/hop-by-hop",
                "hop-by-hop fields",
                Ask(GENERATE, headers=(*JSON_HEADERS, *_HOP_FIELDS), body=HELLO),
            ),
        ),
    ),
    Check(
        "HDR-3/host",
        "`Host` is the provider's, once.",
        _judge_host,
        features=("relay",),
        reference="RFC 9112 3.2",
        probes=(http_probe("headers/host", "a plain request", Ask(GENERATE, body=HELLO)),),
    ),
    Check(
        "HDR-3/one-framing",
        "A request goes on with Content-Length or Transfer-Encoding, never with both, and with neither twice.",
        pairwise(_framing_rule),
        features=("relay",),
        reference=f"RFC 9112 6.1, 6.3, 11.2; {_LITELLM}",
        probes=(_CHUNKED,),
    ),
)


# -- HDR-4, HDR-5: fields for the gateway


def _judge_x_pass(case: Case) -> Iterator[Finding]:
    pair = one_pair(case)
    if isinstance(pair, Finding):
        yield pair
        return
    got = pair[1].request.headers
    values = header_values(got, b"x-suite-word")
    if values != (b"One, two",):
        yield Finding("`x-pass-x-suite-word` did not come as `x-suite-word`.", (f"found: {shown_values(values)}",))
    if header_values(got, b"x-pass-x-suite-word"):
        yield Finding("The field reached the provider with its prefix.")


def _forged(name: bytes, value: bytes) -> Callable[[Exchange], bool]:
    """Whether the provider saw the value that `x-pass-NAME` was to set."""

    def found(exchange: Exchange) -> bool:
        return any(value in one for one in header_values(exchange.request.headers, name))

    return found


def _doubly_framed(exchange: Exchange) -> bool:
    got = exchange.request.headers
    return len(header_values(got, b"content-length") + header_values(got, b"transfer-encoding")) > 1


def _denied(name: bytes, value: bytes, reference: str, is_set: Callable[[Exchange], bool] | None = None) -> Check:
    """A check that `x-pass-NAME: value` sets nothing: it is refused with a 4xx, or dropped."""
    field, was_set = name.decode(), is_set or _forged(name, value)

    def judge(case: Case) -> Iterator[Finding]:
        for exchange in exchanges(case):
            if was_set(exchange):
                yield Finding(f"`x-pass-{field}` set `{field}` upstream.", (request_line(exchange.request),))
            if header_values(exchange.request.headers, b"x-pass-" + name):
                yield Finding(f"`x-pass-{field}` reached the provider.", (request_line(exchange.request),))
        yield from _lost(case)

    ask = Ask(GENERATE, headers=(*JSON_HEADERS, (b"x-pass-" + name, value)), body=HELLO)
    return Check(
        f"HDR-4/x-pass-{field}",
        f"`x-pass-{field}` cannot set `{field}`: it is refused or dropped.",
        judge,
        features=("x-pass",),
        reference=reference,
        probes=(http_probe(f"headers/x-pass-{field}", f"x-pass-{field}", ask),),
    )


def _lost(case: Case) -> Iterator[Finding]:
    """A request that neither went on nor was refused in so many words."""
    if exchanges(case):
        return
    for asked in case.asked:
        got = asked.exchange.response
        if got is None:
            yield no_answer(asked)
        elif not 400 <= got.status < 500 or came_malformed(asked):
            yield not_forwarded(asked)


_CONTROLS: Final[RawHeaders] = (
    *JSON_HEADERS,
    (b"x-litellm-tags", b"team-a,suite"),
    (b"X-LiteLLM-Call-Id", b"suite-0001"),
    (b"x-litellm-customer-id", b"customer-1"),
)


def _control_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    names = names_of(exchange.request.headers)
    passed = tuple(f"passed: {shown(name)}" for name in names if name.startswith(b"x-litellm-"))
    if passed:
        yield Finding("Header fields that instruct the gateway reached the provider.", passed)


_FOR_GATEWAY: Final = (
    Check(
        "HDR-4/x-pass-forwarded",
        "`x-pass-NAME` reaches the provider as `NAME`, and not under its own name.",
        _judge_x_pass,
        features=("x-pass",),
        reference="LiteLLM pass-through endpoints",
        probes=(
            http_probe(
                "headers/x-pass",
                "a field to be forwarded",
                Ask(GENERATE, headers=(*JSON_HEADERS, (b"x-pass-x-suite-word", b"One, two")), body=HELLO),
            ),
        ),
    ),
    _denied(b"authorization", b"Bearer ya29.forged", f"RFC 9110 11.6.2; {_LITELLM}"),
    _denied(b"x-goog-api-key", b"AIza-forged-0000", _LITELLM),
    _denied(b"host", b"forged.example", f"RFC 9112 3.2; {_LITELLM}"),
    _denied(b"transfer-encoding", b"chunked", f"RFC 9112 6.1, 11.2; {_LITELLM}", _doubly_framed),
    _denied(b"content-length", b"3", f"RFC 9112 6.3, 11.2; {_LITELLM}"),
    _denied(b"cookie", b"forged=1", f"RFC 6265 5.4; {_LITELLM}"),
    Check(
        "HDR-5/control-headers-end-here",
        "`x-litellm-*` fields are instructions to the gateway and do not reach the provider.",
        pairwise(_control_rule),
        features=("control-headers",),
        reference="LiteLLM request headers",
        probes=(
            http_probe(
                "headers/control", "fields that instruct the gateway", Ask(GENERATE, headers=_CONTROLS, body=HELLO)
            ),
        ),
    ),
)


# -- HDR-12


def _expect_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    if exchange.request.body != asked.ask.body:
        evidence = (f"found: {shown(exchange.request.body) or 'nothing'}",)
        yield Finding("The body that waited for 100 Continue did not reach the provider whole.", evidence)
    if 100 not in asked.interim:
        evidence = (f"answer: {status_of(asked)}",)
        yield Finding("`Expect: 100-continue` was not answered: the client waited in vain.", evidence)


def _judge_expect(case: Case) -> Iterator[Finding]:
    yield from pairwise(_expect_rule)(case)
    if len(exchanges(case)) > len(case.asked):
        yield Finding("The request reached the provider more than once.", tuple(_lines(exchanges(case))))


def _lines(found: Sequence[Exchange]) -> Iterator[str]:
    return (request_line(exchange.request) for exchange in found)


def _expecting() -> Probe:
    ask = Ask(GENERATE, body=HELLO, expects_continue=True, continue_within_s=3.0)
    return http_probe("headers/expect-continue", "a body that waits for 100 Continue", ask)


_EXPECT: Final = Check(
    "HDR-12/expect-continue",
    "`Expect: 100-continue` is answered with 100 Continue or a final status, and the body goes on once.",
    _judge_expect,
    reference="RFC 9110 10.1.1",
    probes=(_expecting(),),
)

CHECKS: Final[tuple[Check, ...]] = (
    *_PASSED,
    *_HOP_BY_HOP,
    *_FOR_GATEWAY,
    *answer_headers.CHECKS,
    *malformed.CHECKS,
    _EXPECT,
)
