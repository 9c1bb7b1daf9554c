"""Checks of the URL: path and query go on byte for byte, whatever they look like, and by any method. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

from ..messages import Exchange, header_value
from ..surfaces import Surface
from .evidence import (
    CREDENTIAL_PARAMETERS,
    answer,
    answered,
    bare_target,
    differing,
    each_pair,
    exchanges,
    no_answer,
    one_pair,
    pairwise,
    request_line,
    shown,
    status_of,
)
from .model import Ask, Asked, Case, Check, Finding, Judge
from .probes import GENERATE, HELLO, STREAM, VERTEX, http_probe, reply

_MODELS: Final = "/v1beta/models/"
_PUBLISHED: Final = "/publishers/google/models/gemini-2.5-flash:generateContent"
_RFC_7_7: Final = "RFC 9110 7.7"
_LITELLM: Final = "seen on LiteLLM 1.109.1"
_CLIMBER: Final = "climbing-dots"
"""Stands in every path that climbs, so that what came of it is found wherever it went."""


def _same_target(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted, found = bare_target(asked.provider_target), bare_target(exchange.request.target)
    if wanted != found:
        evidence = (f"wanted: {shown(wanted)}", f"found: {shown(found)}")
        yield Finding("The provider got another path or query than the client sent.", evidence)


def _same_path(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted, found = asked.provider_target.partition("?")[0], exchange.request.path
    if wanted != found:
        yield Finding(
            "The provider got another path than the client sent.",
            (f"wanted: {shown(wanted)}", f"found: {shown(found)}"),
        )


def _same_query(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    targets = (asked.provider_target, exchange.request.target)
    wanted, found = (bare_target(target).partition("?")[2] for target in targets)
    if wanted != found:
        yield Finding(
            "The provider got another query than the client sent.",
            (f"wanted: {shown(wanted) or 'none'}", f"found: {shown(found) or 'none'}"),
        )


def _path(id: str, sentence: str, *paths: str, reference: str = _RFC_7_7) -> Check:
    """A check that paths are forwarded as they stand."""
    slug = id.partition("/")[2]
    asks = [Ask(path, body=HELLO) for path in paths]
    probe = http_probe(f"url/{slug}", f"paths: {slug.replace('-', ' ')}", asks)
    return Check(id, sentence, pairwise(_same_path), reference=reference, probes=(probe,))


def _query(id: str, sentence: str, *queries: str) -> Check:
    """A check that queries are forwarded as they stand."""
    slug = id.partition("/")[2]
    asks = [Ask(GENERATE, query=query, body=HELLO) for query in queries]
    probe = http_probe(f"url/{slug}", f"queries: {slug.replace('-', ' ')}", asks)
    return Check(id, sentence, pairwise(_same_query), reference=f"{_RFC_7_7}; {_LITELLM}", probes=(probe,))


_PATHS: Final = (
    _path(
        "URL-1/encoded-slash",
        "An encoded slash (`%2F`) in a path stays encoded.",
        f"{_MODELS}a%2Fb:generateContent",
        "/v1beta/files/a%2Fb%2Fc",
        reference=f"{_RFC_7_7}; {_LITELLM}",
    ),
    _path(
        "URL-1/double-encoding",
        "An encoded percent sign (`%25`) in a path is not decoded, not even once.",
        f"{_MODELS}m%2525x:generateContent",
        f"{_MODELS}m%25x:generateContent",
        reference=f"{_RFC_7_7}; {_LITELLM}",
    ),
    _path(
        "URL-1/double-slash",
        "Empty segments of a path (`//`) are kept.",
        "//v1beta/models/gemini-2.5-flash:generateContent",
        "/v1beta//models///gemini-2.5-flash:generateContent",
        reference=f"{_RFC_7_7}; {_LITELLM}",
    ),
    _path(
        "URL-1/hex-case",
        "The hex digits of percent-encoded bytes keep their case.",
        f"{_MODELS}m%c3%a9:generateContent",
        f"{_MODELS}m%e2%82%aC%3a1:generateContent",
        reference="RFC 9110 7.7; RFC 3986 2.1",
    ),
    _path(
        "URL-1/sub-delims",
        "Characters that may stand in a path as they are (`@;=,!$&'()*+~`) are neither encoded nor cut off.",
        f"{_MODELS}a@b;c=1,d!$&'()*+~:generateContent",
        reference="RFC 9110 7.7; RFC 3986 3.3",
    ),
    _path(
        "URL-1/trailing-slash",
        "A slash at the end of a path is kept, and none is added.",
        f"{_MODELS}m/",
        f"{_MODELS}m",
    ),
    _path(
        "URL-1/encoded-space-and-utf8",
        "Encoded spaces and encoded UTF-8 in a path go on as they came.",
        f"{_MODELS}my%20model:generateContent",
        f"{_MODELS}mod%C3%A9le:generateContent",
    ),
    _path(
        "URL-2/question-mark-and-hash",
        "An encoded `?` or `#` in a path (`%3F`, `%23`) stays part of the path.",
        f"{_MODELS}a%3Fb%23c:generateContent",
        reference=f"RFC 3986 2.2; {_LITELLM}",
    ),
)

_QUERIES: Final = (
    _query(
        "URL-3/order-and-repeats",
        "The parameters of a query keep their order, and repeated ones stay repeated.",
        "b=1&a=2&b=3&a=1",
    ),
    _query(
        "URL-3/encodings",
        "The parameters of a query keep their encoding: `%20` and `+`, commas, `%24alt`, lower-case hex digits.",
        "v=a%20b&w=a+b&updateMask=a,b.c&x=a%2Cb&%24fields=y&z=%c3%a9%2F/",
    ),
    _query("URL-3/blank-values", "A parameter without a value stays, with or without its `=`.", "a=&b&c=1&&d="),
)


def _judge_no_credential(case: Case) -> Iterator[Finding]:
    pair = one_pair(case)
    if isinstance(pair, Finding):
        yield pair
        return
    for name, _ in parse_qsl(pair[1].request.query, keep_blank_values=True):
        if name.lower() in CREDENTIAL_PARAMETERS:
            # The value is a secret: it is not evidence.
            yield Finding("The URL that the provider got carries a credential.", (f"parameter: {shown(name)}",))


def _judge_climbing(case: Case) -> Iterator[Finding]:
    went = [one for one in (*exchanges(case), *case.elsewhere.exchanges) if _CLIMBER in one.request.target]
    for exchange in went:
        yield Finding("A path that climbs above the base URL reached the provider.", (request_line(exchange.request),))
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif not 400 <= got.status < 500 and not went:
            evidence = (request_line(asked.exchange.request), f"answer: {status_of(asked)}")
            yield Finding("A path that climbs above the base URL was not refused.", evidence)


def _judge_short_path(case: Case) -> Iterator[Finding]:
    full = f"/projects/{case.target.project}/locations/{case.target.location}/publishers/"
    for pair in each_pair(case):
        if isinstance(pair, Finding):
            yield pair
            continue
        asked, exchange = pair
        completed = asked.provider_target.replace("/publishers/", full, 1)
        wanted = completed if completed.startswith("/v1") else f"/v1{completed}"
        if exchange.request.target != wanted:
            evidence = (f"wanted: {shown(wanted)}", f"found: {shown(exchange.request.target)}")
            yield Finding("A short Vertex path was not completed with version, project and location.", evidence)


def _same_alt(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted, found = (
        [value for name, value in parse_qsl(query, keep_blank_values=True) if name in ("alt", "$alt")]
        for query in (asked.provider_target.partition("?")[2], exchange.request.query)
    )
    if wanted != found:
        evidence = (f"wanted: {wanted or 'no alt'}", f"found: {shown(exchange.request.query) or 'no query'}")
        yield Finding("The gateway changed the parameter `alt`.", evidence)


_TARGETS: Final = (
    Check(
        "URL-4/no-credential-in-url",
        "The provider's credential is sent in a header field, never in the URL.",
        _judge_no_credential,
        features=("keys",),
        reference=f"RFC 9110 17.9; {_LITELLM}",
        probes=(http_probe("url/no-credential", "a request without a query", Ask(GENERATE, body=HELLO)),),
    ),
    Check(
        "URL-7/climbing-dots",
        "A path whose dot segments, plain or encoded, climb above the base URL is refused and not resolved.",
        _judge_climbing,
        features=("relay",),
        reference="RFC 3986 5.2.4, 7.3",
        probes=(
            http_probe(
                "url/climbing-dots",
                "paths that climb",
                [
                    Ask(f"/../../../v1beta/models/{_CLIMBER}:generateContent", body=HELLO),
                    Ask(f"/%2e%2e/%2E%2e/.%2e/v1beta/models/{_CLIMBER}:generateContent", body=HELLO),
                    Ask(f"/v1beta/../../../../{_CLIMBER}:generateContent", body=HELLO),
                ],
            ),
        ),
    ),
    Check(
        "URL-9/location-of-the-path",
        "Project and location in a Vertex path are not replaced by configured ones.",
        pairwise(_same_target),
        reference=f"the location says where data is processed; {_LITELLM}",
        probes=(
            http_probe(
                "url/location-of-the-path",
                "a location other than the default",
                Ask(f"/v1/projects/{{{{project}}}}/locations/europe-west4{_PUBLISHED}", body=HELLO),
                surface=Surface.VERTEX,
            ),
        ),
    ),
    Check(
        "URL-10/short-path-version",
        "A Vertex path without project and location is completed with the default ones, its version kept, else `v1`.",
        _judge_short_path,
        features=("short-vertex-paths",),
        reference="Vertex AI REST: projects.locations.publishers.models",
        probes=(
            http_probe(
                "url/short-path-version",
                "short Vertex paths",
                [Ask(_PUBLISHED, body=HELLO), Ask(f"/v1beta1{_PUBLISHED}", body=HELLO)],
                surface=Surface.VERTEX,
            ),
        ),
    ),
    Check(
        "URL-11/alt-not-added",
        "`alt` is not added where the client sent none: a stream without it is a JSON array.",
        pairwise(_same_alt),
        reference=_LITELLM,
        probes=(
            http_probe(
                "url/alt-not-added",
                "a stream without a query",
                Ask(f"{VERTEX}gemini-2.5-flash:streamGenerateContent", body=HELLO),
                surface=Surface.VERTEX,
            ),
        ),
    ),
    Check(
        "URL-11/alt-kept",
        "`alt` is passed on as the client sent it, alone and among other parameters.",
        pairwise(_same_alt),
        reference="Google API system parameters",
        probes=(
            http_probe(
                "url/alt-kept",
                "alt in several forms",
                [
                    Ask(STREAM, query="alt=sse", body=HELLO),
                    Ask(STREAM, query="prettyPrint=false&alt=sse&x=1", body=HELLO),
                    Ask(GENERATE, query="%24alt=json", body=HELLO),
                ],
            ),
        ),
    ),
)


def _method_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    if exchange.request.method != asked.ask.method:
        evidence = (request_line(exchange.request),)
        yield Finding(f"The provider got another method than {asked.ask.method}.", evidence)
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
        elif both[0].status != both[1].status:
            evidence = (f"provider: {both[0].status}", f"client: {both[1].status}")
            yield Finding(f"The answer to {asked.ask.method} came with another status.", evidence)


def _head_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    yield from _method_rule(asked, exchange)
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            return
        given, got = (header_value(response.headers, b"content-length") for response in both)
        if both[1].body:
            yield Finding("The answer to HEAD has a body.", (f"body: {shown(both[1].body)}",))
        if given is not None and given != got:
            evidence = (f"provider: {shown(given)}", f"client: {shown(got or b'none')}")
            yield Finding("The answer to HEAD has not the provider's Content-Length.", evidence)


def _method(method: str, path: str, judge: Judge, body: bytes = b"") -> Check:
    slug = method.lower()
    ask = Ask(path, method, body=body) if body else Ask(path, method, headers=(), framing="none")
    # HEAD is answered with the length of what GET would bring, so that there is a length to keep.
    length = {"Content-Length": str(len(_FILE))}
    step = reply(headers={"Allow": "GET, POST"} if method == "OPTIONS" else length, body=_FILE)
    return Check(
        f"URL-12/{slug}",
        f"{method} is passed on like any other method, and so is its answer.",
        judge,
        reference=f"RFC 9110 9.1; {_LITELLM}" if method in ("HEAD", "OPTIONS") else "RFC 9110 9.1",
        probes=(http_probe(f"url/{slug}", f"a {method} request", ask, server=[step]),),
    )


def _judge_trace(case: Case) -> Iterator[Finding]:
    for exchange in exchanges(case):
        yield Finding("TRACE reached the provider.", (request_line(exchange.request),))
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif got.status != 405:
            yield Finding("TRACE was not refused with 405.", (f"answer: {status_of(asked)}",))
        elif header_value(got.headers, b"allow") is None:
            yield Finding("The 405 has no Allow field (RFC 9110 15.5.6).", (f"answer: {status_of(asked)}",))


def _judge_unknown_route(case: Case) -> Iterator[Finding]:
    for exchange in exchanges(case):
        yield Finding("A path of no route reached the provider.", (request_line(exchange.request),))
    for asked in case.asked:
        got = asked.exchange.response
        if got is None:
            yield no_answer(asked)
        elif got.status != 404:
            yield Finding("A path of no route was not answered with 404.", (f"answer: {status_of(asked)}",))


def _named_stream_rule(asked: Asked, exchange: Exchange) -> Iterable[Finding]:
    """A gateway that takes the name for a method streams: it asks, or answers, as for server-sent events."""
    yield from _same_target(asked, exchange)
    for both in answered(asked, exchange):
        if isinstance(both, Finding):
            yield both
            return
        given, got = (header_value(response.headers, b"content-type") for response in both)
        if given != got:
            evidence = (f"provider: {shown(given or b'none')}", f"client: {shown(got or b'none')}")
            yield Finding("The answer came with another content type.", evidence)
        if both[0].body != both[1].body:
            yield Finding("The answer came with another body.", differing(both[0].body, both[1].body))


_FILE: Final = b'{"name":"files/f1","sizeBytes":"3"}'

_METHODS: Final = (
    _method("HEAD", "/v1beta/files/f1", pairwise(_head_rule)),
    _method("OPTIONS", GENERATE, pairwise(_method_rule)),
    _method("PATCH", "/v1beta/cachedContents/c1", pairwise(_method_rule), b'{"ttl":"600s"}'),
    _method("DELETE", "/v1beta/files/f1", pairwise(_method_rule)),
    _method("PUT", "/v1beta/files/f1", pairwise(_method_rule), b'{"displayName":"f"}'),
    Check(
        "URL-12/trace-refused",
        "TRACE is refused with 405 and an Allow field, and does not reach the provider: it would show the credential.",
        _judge_trace,
        features=("relay",),
        reference="RFC 9110 9.3.8, 15.5.6",
        probes=(http_probe("url/trace", "a TRACE request", Ask(GENERATE, "TRACE", headers=(), framing="none")),),
    ),
    Check(
        "URL-13/model-named-stream",
        "What a request is, is told by its method after the last colon, not by words elsewhere in its URL.",
        pairwise(_named_stream_rule),
        reference="Google API custom methods (AIP-136)",
        probes=(
            http_probe(
                "url/model-named-stream",
                "a model whose name holds the words of other methods",
                [
                    Ask("/v1beta/models/stream-x:generateContent", body=HELLO),
                    Ask("/v1beta/tunedModels/streamGenerateContent-predict:generateContent", body=HELLO),
                ],
            ),
        ),
    ),
    Check(
        "URL-14/unknown-route",
        "A path that no route serves is answered with 404, without asking the provider.",
        _judge_unknown_route,
        level="should",
        features=("keys",),
        reference="RFC 9110 15.5.5",
        probes=(http_probe("url/unknown-route", "no such route", Ask("/no-such-route/x", body=HELLO, is_whole=True)),),
    ),
)

CHECKS: Final[tuple[Check, ...]] = (*_PATHS, *_QUERIES, *_TARGETS, *_METHODS)
