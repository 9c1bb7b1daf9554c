"""What judges have in common: which of the client's requests is which of the provider's, and short evidence. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast
from urllib.parse import unquote_plus

from ..messages import Exchange, RawHeaders, Request, Response, header_values
from ..redaction import redacted_target
from .model import Asked, Case, Finding, Judge

CREDENTIAL_PARAMETERS: Final = frozenset({"key", "access_token", "oauth_token"})
"""Query parameters that carry credentials of Google's."""

_LONGEST: Final = 150
"""Characters of one line of evidence, without its name."""

_SIDE: Final = 60
"""Characters of each of two things that stand in one line."""

_MALFORMED: Final = b'"MALFORMED_REQUEST"'
"""The reason by which the simulator refuses what is no HTTP; such requests are in no transcript."""

PairRule = Callable[[Asked, Exchange], Iterable[Finding]]
"""Judges one request: as the client sent it, and as the provider got it."""


def shown(data: bytes | str, longest: int = _LONGEST) -> str:
    """Bytes as one short line: what is no printable ASCII is escaped, what is too long cut, its size named."""
    text = data if isinstance(data, str) else data.decode("latin-1")
    line = text.encode("unicode_escape").decode("ascii")
    return line if len(line) <= longest else f"{line[:longest]}... ({len(data)} in all)"


def shown_values(values: Iterable[bytes], longest: int = _LONGEST) -> str:
    """The values of one header field, each in brackets so that joined ones can be told from repeated ones."""
    return shown(" ".join(f"[{value.decode('latin-1')}]" for value in values), longest) or "none"


def differing(wanted: bytes, found: bytes) -> tuple[str, ...]:
    """Evidence for two runs of bytes that should be the same: where they part, and what stands there."""
    at = next((index for index, (one, other) in enumerate(zip(wanted, found, strict=False)) if one != other), None)
    if at is None:
        at = min(len(wanted), len(found))
    start = max(0, at - 12)
    return (
        f"first difference: byte {at} ({len(wanted)} bytes wanted, {len(found)} found)",
        f"wanted: {shown(wanted[start : at + 60])}",
        f"found: {shown(found[start : at + 60])}",
    )


def bare_target(target: str) -> str:
    """A request target without the query parameters that carry a credential: they are judged by URL-4 and AUTH-5."""
    path, _, query = target.partition("?")
    kept = [one for one in query.split("&") if unquote_plus(one.partition("=")[0]).lower() not in CREDENTIAL_PARAMETERS]
    return f"{path}?{'&'.join(kept)}" if query and kept else path


def exchanges(case: Case) -> tuple[Exchange, ...]:
    """What the provider was asked in the case's scope, without requests for access tokens."""
    return tuple(exchange for exchange in case.upstream.exchanges if exchange.origin.surface != "oauth")


def status_of(asked: Asked) -> str:
    """How the client's request ended, in a few words."""
    response = asked.exchange.response
    if response is None:
        return shown(asked.problem or asked.exchange.failure or "no answer")
    return f"HTTP {response.status}" + ("" if response.complete else ", broken off")


def request_line(request: Request) -> str:
    """Evidence: method and target, without the values of credentials."""
    return f"request: {shown(request.method, 30)} {shown(redacted_target(request.target))}"


def no_answer(asked: Asked) -> Finding:
    """The finding that the client's request was not answered at all."""
    is_timeout = "no whole answer" in (asked.problem or "")
    return Finding("The client got no answer.", (request_line(asked.exchange.request), status_of(asked)), is_timeout)


def not_forwarded(asked: Asked) -> Finding:
    """The finding that a request should have reached the provider and did not."""
    if asked.exchange.response is None:
        return no_answer(asked)
    evidence = (request_line(asked.exchange.request), f"answer: {status_of(asked)}", *_body_line(asked))
    if came_malformed(asked):
        return Finding("The request reached the provider malformed.", evidence)
    return Finding("The request did not reach the provider.", evidence)


def came_malformed(asked: Asked) -> bool:
    """Whether the answer is the simulator's refusal of a request that it could not read."""
    response = asked.exchange.response
    return response is not None and response.status == 400 and _MALFORMED in response.body


def _body_line(asked: Asked) -> tuple[str, ...]:
    response = asked.exchange.response
    return (f"body: {shown(response.body)}",) if response is not None and response.body else ()


def answer(asked: Asked) -> Response | Finding:
    """The answer that the client got, or the finding that there was none."""
    return asked.exchange.response or no_answer(asked)


def one_pair(case: Case) -> tuple[Asked, Exchange] | Finding:
    """The one request of a case as the client sent it and as the provider got it, or why there is no such pair."""
    if not case.asked:
        return Finding("The client's request could not be sent.")
    seen = exchanges(case)
    return (case.asked[0], seen[0]) if seen else not_forwarded(case.asked[0])


def each_pair(case: Case) -> Iterator[tuple[Asked, Exchange] | Finding]:
    """Each request of the client beside what the provider got for it; a finding in place of one that did not arrive.

    Which is which is told by order. Where not all arrived, or more did, those that are the same in target and body come
    first (of several the one that the client has the answer of), and what is left belongs to those that were answered.
    """
    seen = list(exchanges(case))
    if len(seen) == len(case.asked):
        yield from zip(case.asked, seen, strict=True)
        return
    has_spare = len(seen) > len(case.asked)
    found: dict[int, Exchange] = {}
    for number, asked in enumerate(case.asked):
        same = sorted((one for one in seen if _is_same(asked, one)), key=lambda one: not _has_answer_of(asked, one))
        if same:
            seen.remove(same[0])
            found[number] = same[0]
    for number, asked in enumerate(case.asked):
        response = asked.exchange.response
        was_answered = response is not None and response.status < 400
        if number not in found and seen and (was_answered or has_spare):
            found[number] = seen.pop(0)
    for number, asked in enumerate(case.asked):
        yield (asked, found[number]) if number in found else not_forwarded(asked)


def _is_same(asked: Asked, exchange: Exchange) -> bool:
    return exchange.request.target == asked.provider_target and exchange.request.body == asked.ask.body


def _has_answer_of(asked: Asked, exchange: Exchange) -> bool:
    given, got = exchange.response, asked.exchange.response
    return given is not None and got is not None and (given.status, given.body) == (got.status, got.body)


def pairwise(rule: PairRule) -> Judge:
    """A judge that applies `rule` to each request; one that did not reach the provider is a finding."""

    def judge(case: Case) -> Iterator[Finding]:
        if not case.asked:
            yield Finding("The client's request could not be sent.")
        for pair in each_pair(case):
            if isinstance(pair, Finding):
                yield pair
            else:
                yield from rule(*pair)

    return judge


def answered(asked: Asked, exchange: Exchange) -> Iterator[tuple[Response, Response] | Finding]:
    """The answer as the provider gave it and as the client got it; a finding if either is missing."""
    given, got = exchange.response, asked.exchange.response
    if got is None:
        yield no_answer(asked)
    elif given is None:
        yield Finding("The provider gave no answer.", (f"provider: {shown(exchange.failure or 'nothing')}",))
    else:
        yield given, got


def names_of(headers: RawHeaders) -> tuple[bytes, ...]:
    """The names of header fields in lower case, each once, in order."""
    return tuple(dict.fromkeys(name.lower() for name, _ in headers))


def differing_fields(wanted: RawHeaders, found: RawHeaders, names: Iterable[bytes]) -> Iterator[str]:
    """Evidence for each of the fields `names` (lower case) whose values are not the same ones in the same order."""
    for name in names:
        before, after = header_values(wanted, name), header_values(found, name)
        if before != after:
            sides = (shown_values(values, _SIDE) for values in (before, after))
            yield f"{shown(name, 30)}: wanted {next(sides)}, found {next(sides)}"


def google_error_flaw(body: bytes, status: int) -> str:
    """What keeps a body from being Google's `{"error": {code, message, status}}` (AIP-193); empty if nothing does."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return "not JSON"
    error: Any = cast("dict[str, Any]", value).get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return "no member `error` that is an object"
    members = cast("dict[str, Any]", error)
    if members.get("code") != status:
        return f"error.code is {shown(repr(members.get('code')))}, the HTTP status {status}"
    missing = [name for name in ("message", "status") if not isinstance(members.get(name), str)]
    return f"no text in error.{missing[0]}" if missing else ""
