"""Checks of the headers that come back: compression, the provider's fields, and what the gateway adds. Pure."""

import gzip
from collections.abc import Callable, Iterator
from typing import Final

from ..messages import Exchange, RawHeaders, Response, header_values
from .evidence import (
    PairRule,
    answered,
    differing,
    differing_fields,
    names_of,
    pairwise,
    shown,
    shown_values,
)
from .model import JSON_HEADERS, NO_KEY, Ask, Asked, Case, Check, Finding
from .probes import GENERATE, HELLO, Document, http_probe, reply

_LITELLM: Final = "seen on LiteLLM 1.109.1"
_HOPS: Final = "RFC 9110 7.6.1"
_OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"trailer", b"upgrade", b"via"}
)
"""Fields of one connection's own, the framing of the body among them; `Via` an intermediary may add anywhere."""

_JUDGED_ALONE: Final = frozenset({b"date", b"server", b"location", b"set-cookie", b"content-encoding"})
"""Fields that have checks of their own."""

_PLAIN: Final = b'{"candidates":[{"content":{"role":"model","parts":[{"text":"' + b"good day " * 40 + b'"}]}}]}'
_GZIPPED: Final = gzip.compress(_PLAIN, mtime=0)

AnswerRule = Callable[[Response, Response], Iterator[Finding]]
"""Judges the provider's answer against the one that the client got."""


def _of_answers(rule: AnswerRule) -> PairRule:
    def judge(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
        for both in answered(asked, exchange):
            if isinstance(both, Finding):
                yield both
            else:
                yield from rule(*both)

    return judge


def _with(*fields: tuple[bytes, bytes]) -> RawHeaders:
    return (*JSON_HEADERS, *fields)


# -- HDR-6: compression


def _accept_rule(asked: Asked, exchange: Exchange) -> Iterator[Finding]:
    wanted = header_values(asked.ask.headers, b"accept-encoding")
    found = header_values(exchange.request.headers, b"accept-encoding")
    if wanted != found and not (not wanted and found == (b"identity",)):
        evidence = (f"wanted: {shown_values(wanted)}", f"found: {shown_values(found)}")
        yield Finding("The provider got another Accept-Encoding than the client sent.", evidence)


def _untouched(given: Response, got: Response) -> Iterator[Finding]:
    before, after = (header_values(response.headers, b"content-encoding") for response in (given, got))
    if before != after:
        evidence = (f"provider: {shown_values(before)}", f"client: {shown_values(after)}")
        yield Finding("Content-Encoding was changed.", evidence)
    if given.body != got.body:
        yield Finding("The compressed body was changed.", differing(given.body, got.body))


def _gzipped(id: str, title: str, accepts: bytes, **words: Document) -> Check:
    sentences = {
        "gzip-untouched": "A compressed answer comes back as the provider compressed it, with its Content-Encoding.",
        "gzip-for-identity-client": "An answer that is compressed although the client did not ask for it stays so.",
    }
    step = reply(headers={"Content-Encoding": "gzip"}, body=_GZIPPED)
    sliced = reply(headers={"Content-Encoding": "gzip"}, body=_GZIPPED)
    sliced = {"reply": sliced["reply"], "fault": {"slice": 9}}
    ask = Ask(GENERATE, body=HELLO, headers=_with((b"Accept-Encoding", accepts)))
    return Check(
        f"HDR-6/{id}",
        sentences[id],
        pairwise(_of_answers(_untouched)),
        reference=f"RFC 9110 7.7, 8.4; {_LITELLM}",
        probes=(http_probe(f"headers/{id}", title, [ask, ask], server=[step, sliced]),),
    )


_COMPRESSION: Final = (
    Check(
        "HDR-6/accept-encoding",
        "Accept-Encoding goes on as the client sent it; where it sent none, none is added but `identity`.",
        pairwise(_accept_rule),
        reference=f"RFC 9110 12.5.3; {_LITELLM}",
        probes=(
            http_probe(
                "headers/accept-encoding",
                "Accept-Encoding in several forms",
                [
                    Ask(GENERATE, body=HELLO, headers=_with((b"Accept-Encoding", b"gzip;q=0.5, br"))),
                    Ask(GENERATE, body=HELLO, headers=_with((b"Accept-Encoding", b"identity"))),
                    Ask(GENERATE, body=HELLO),
                ],
            ),
        ),
    ),
    _gzipped("gzip-untouched", "gzip to a client that takes it, whole and in pieces", b"gzip"),
    _gzipped("gzip-for-identity-client", "gzip to a client that wants none", b"identity"),
)


# -- HDR-2, HDR-7: the provider's fields


def _hop_of_answer(given: Response, got: Response) -> Iterator[Finding]:
    if header_values(got.headers, b"x-hop"):
        yield Finding("A field that the provider's Connection names reached the client.", ("passed: x-hop",))
    tokens = {
        token.strip().lower() for value in header_values(got.headers, b"connection") for token in value.split(b",")
    }
    if b"x-hop" in tokens:
        evidence = (f"connection: {shown_values(header_values(got.headers, b'connection'))}",)
        yield Finding("The provider's Connection field reached the client.", evidence)


def _same_fields(given: Response, got: Response) -> Iterator[Finding]:
    if given.status != got.status:
        yield Finding("The status was changed.", (f"provider: {given.status}", f"client: {got.status}"))
    names = [name for name in names_of(given.headers) if name not in _OF_ONE_HOP and name not in _JUDGED_ALONE]
    lines = tuple(differing_fields(given.headers, got.headers, names))
    if lines:
        yield Finding("Header fields of the provider did not reach the client as they were sent.", lines)


def _same(*names: bytes) -> AnswerRule:
    """A rule that these fields (lower case) came back with the same values, repeated as they were."""

    def rule(given: Response, got: Response) -> Iterator[Finding]:
        lines = tuple(differing_fields(given.headers, got.headers, names))
        if lines:
            yield Finding("Header fields of the provider did not reach the client as they were sent.", lines)

    return rule


_FIELDS: Final[Document] = {
    "Content-Type": 'application/json; charset=UTF-8; profile="a, b"',
    "Retry-After": "17",
    "ETag": '"e-1"',
    "Cache-Control": ["private", "max-age=0"],
    "Server-Timing": "gfet4t7; dur=12",
    "Vary": ["Origin", "X-Origin", "Referer"],
    "Accept-Ranges": "bytes",
    "X-Goog-Upload-Status": "active",
    "X-Goog-Upload-Chunk-Granularity": "262144",
    "X-Suite-Word": ["One, two", "three"],
}


def _answer_check(
    id: str,
    sentence: str,
    rule: AnswerRule,
    step: Document,
    reference: str,
    features: tuple[str, ...] = (),
) -> Check:
    slug = id.partition("/")[2]
    probe = http_probe(
        f"headers/{slug}", f"an answer: {slug.replace('-', ' ')}", Ask(GENERATE, body=HELLO), server=[step]
    )
    return Check(id, sentence, pairwise(_of_answers(rule)), features=features, reference=reference, probes=(probe,))


_PROVIDERS: Final = (
    _answer_check(
        "HDR-2/connection-named-in-response",
        "The fields that an answer's Connection names are not passed on, nor is Connection itself.",
        _hop_of_answer,
        reply(headers={"Connection": "keep-alive, X-Hop", "X-Hop": "1"}),
        _HOPS,
        ("relay",),
    ),
    _answer_check(
        "HDR-7/response-headers",
        "Status and end-to-end header fields of an answer reach the client as the provider sent them.",
        _same_fields,
        reply(status=201, headers=_FIELDS),
        f"RFC 9110 5.3, 7.6; {_LITELLM}",
    ),
    _answer_check(
        "HDR-7/set-cookie-not-joined",
        "`Set-Cookie` fields are never joined into one.",
        _same(b"set-cookie"),
        reply(headers={"Set-Cookie": ["a=1; Path=/", "b=2; Expires=Sat, 21 Nov 2026 00:00:00 GMT"]}),
        f"RFC 9110 5.3; {_LITELLM}",
    ),
    _answer_check(
        "HDR-7/date-and-server",
        "`Date` and `Server` are the provider's; the gateway adds none of its own.",
        _same(b"date", b"server"),
        reply(headers={"Date": "Fri, 20 Nov 2026 10:11:12 GMT", "Server": "scaffolding on HTTPServer2"}),
        "RFC 9110 6.6.1, 10.2.4",
        ("relay",),
    ),
    Check(
        "HDR-7/location",
        "`Location` reaches the client as the provider wrote it.",
        pairwise(_of_answers(_same(b"location"))),
        features=("relay",),
        reference="RFC 9110 10.2.2",
        probes=(
            http_probe(
                "headers/location",
                "answers that name a place",
                [Ask(GENERATE, body=HELLO)] * 4,
                server=[
                    # The one that a reverse proxy takes for its own to rewrite: the provider's address as it knows it.
                    reply(status=201, headers={"Location": "{{upstream}}/v1beta/files/f1"}),
                    reply(
                        status=201, headers={"Location": "https://generativelanguage.googleapis.com/v1beta/files/f1"}
                    ),
                    reply(status=201, headers={"Location": "/v1beta/files/a%2Fb?alt=media#x"}),
                    reply(status=201, headers={"Location": "../files/f1"}),
                ],
            ),
        ),
    ),
)


# -- HDR-8, HDR-9: the gateway's own


def _judge_additions(case: Case) -> Iterator[Finding]:
    def rule(given: Response, got: Response) -> Iterator[Finding]:
        known = {*names_of(given.headers), *_OF_ONE_HOP}
        added = [name for name in names_of(got.headers) if name not in known and not case.target.adds(name)]
        if added:
            evidence = tuple(f"added: {shown(name)}" for name in added)
            yield Finding("The gateway added header fields that its target file does not name.", evidence)

    yield from pairwise(_of_answers(rule))(case)


def _judge_inside(case: Case) -> Iterator[Finding]:
    """Neither an answer that passed nor one of the gateway's own says where the provider is."""
    if not case.origin:
        return
    told = case.origin.encode()
    for asked in case.asked:
        got = asked.exchange.response
        if got is None:
            continue
        for name, value in got.headers:
            if told in value:
                evidence = (f"field: {shown(name)}",)
                yield Finding("A header field of the answer tells the provider's address.", evidence)
        if asked.ask.key.carrier == "none" and told in got.body:
            evidence = (f"body: {shown(got.body)}",)
            yield Finding("The gateway's own answer tells the provider's address.", evidence)


_OWN: Final = (
    Check(
        "HDR-8/only-documented-additions",
        "The gateway adds no header fields to an answer but those that its documentation (the target file) names.",
        _judge_additions,
        features=("relay",),
        reference="RFC 9110 7.7",
        probes=(http_probe("headers/additions", "a plain request", Ask(GENERATE, body=HELLO)),),
    ),
    Check(
        "HDR-9/no-upstream-address",
        "No answer tells the address by which the gateway reaches the provider.",
        _judge_inside,
        features=("keys",),
        reference=f"CWE-200; {_LITELLM}",
        probes=(
            http_probe(
                "headers/no-upstream-address",
                "an answer, and a refusal",
                [Ask(GENERATE, body=HELLO), Ask(GENERATE, body=HELLO, key=NO_KEY)],
            ),
        ),
    ),
)

CHECKS: Final[tuple[Check, ...]] = (*_COMPRESSION, *_PROVIDERS, *_OWN)
