"""Checks of errors: the provider's pass as they are, the gateway's own are told from them (requirements ERR)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from ..messages import Exchange, Response
from ..scenario.json_subset import decode_json
from .evidence import answered, differing, differing_fields, exchanges, no_answer, shown, status_of
from .model import Ask, Asked, Case, Check, Finding, Probe
from .probes import GENERATE, HELLO, Document, http_probe, reply

_ASK: Final = Ask(GENERATE, body=HELLO)
_FIELDS: Final = (b"content-type", b"retry-after")
"""What clients act upon, beside status and body."""

_GOOGLE: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
NOT_SENT: Final = Finding("The client's request could not be sent.")
_PAGE: Final = b"<!DOCTYPE html>\r\n<html><title>502</title>\xc3\xa9</html>\r\n"


def google_error(status: int, **headers: str) -> Document:
    """A server step that refuses as Google does; in the names of `headers` an underscore stands for a hyphen."""
    return {
        "reply": {
            "status": status,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "rpc_status": {
                "code": _GOOGLE[status],
                "message": f"Refused on purpose: caf\u00e9 <{status}>",
                "details": [{"retry_info": {"retry_delay": "0.5s"}}],
            },
        }
    }


def _refused(status: int) -> Probe:
    return http_probe(
        f"err/google-{status}",
        f"The provider refuses with {status}",
        _ASK,
        server=[google_error(status, Retry_After="7") if status in (429, 503) else google_error(status)],
    )


_REFUSALS: Final = tuple(_refused(status) for status in _GOOGLE)
_HTML: Final = http_probe(
    "err/html-502",
    "A frontend of the provider answers with a page",
    _ASK,
    server=[reply(status=502, headers={"Content-Type": "text/html; charset=UTF-8"}, body=_PAGE)],
)
_EMPTY: Final = http_probe("err/empty-500", "An error without a body", _ASK, server=[reply(status=500, body=b"")])


def _once(status: int) -> Probe:
    return http_probe(
        f"err/once-{status}",
        f"The provider refuses once with {status}, and would answer a second time",
        _ASK,
        server=[google_error(status, Retry_After="0"), reply()],
    )


_ONCE: Final = tuple(_once(status) for status in (401, 429, 500, 503))
_RESET: Final = http_probe(
    "err/reset-before-head",
    "The provider's connection is reset before it said anything",
    _ASK,
    server=[{"fault": {"reset_peer": True}}, reply()],
)


def _last(case: Case) -> tuple[Asked, Exchange] | Finding:
    """The request beside the last that the provider saw of it: whether it was sent again is another check's."""
    if not case.asked:
        return NOT_SENT
    seen = exchanges(case)
    if not seen:
        return Finding("The request did not reach the provider.", (f"answer: {status_of(case.asked[0])}",))
    return case.asked[0], seen[-1]


def _passed(case: Case) -> Iterator[Finding]:
    pair = _last(case)
    if isinstance(pair, Finding):
        yield pair
        return
    for both in answered(*pair):
        if isinstance(both, Finding):
            yield both
            continue
        given, got = both
        if got.status != given.status:
            evidence = (f"provider: HTTP {given.status}", f"client: {status_of(pair[0])}", shown(got.body))
            yield Finding("The provider's error came with another status.", evidence)
            return
        changed = tuple(differing_fields(given.headers, got.headers, _FIELDS))
        if changed:
            yield Finding("Header fields of the provider's error were changed.", changed)
        if got.body != given.body or not got.complete:
            yield Finding("The body of the provider's error was changed.", differing(given.body, got.body))


def _answers(case: Case) -> Iterator[tuple[Asked, Response] | Finding]:
    """What the client got for each request, or the finding that it got nothing."""
    if not case.asked:
        yield NOT_SENT
    for asked in case.asked:
        got = asked.exchange.response
        yield no_answer(asked) if got is None else (asked, got)


def _not_again(case: Case) -> Iterator[Finding]:
    yield from (one for one in _answers(case) if isinstance(one, Finding))
    seen = exchanges(case)
    if len(seen) != len(case.asked):
        statuses = " ".join(str(one.response.status) if one.response else "none" for one in seen)
        evidence = (f"the client asked: {len(case.asked)} times", f"the provider answered: {statuses or 'nothing'}")
        yield Finding("The request was not sent to the provider exactly once.", evidence)


def _bad_gateway(case: Case) -> Iterator[Finding]:
    for one in _answers(case):
        if isinstance(one, Finding):
            yield one
        elif one[1].status != 502:
            evidence = (f"client: {status_of(one[0])}", shown(one[1].body))
            yield Finding("A provider that is lost before its answer was not shown as 502.", evidence)


def _google_shaped(case: Case) -> Iterator[Finding]:
    for one in _answers(case):
        if isinstance(one, Finding):
            yield one
            continue
        got = one[1]
        mistakes = tuple(shape_mistakes(got.status, got.body))
        if got.status >= 400 and mistakes:
            yield Finding("The gateway's own error has not the shape of Google's.", (*mistakes, shown(got.body)))


def shape_mistakes(status: int, body: bytes) -> Iterator[str]:
    """What is wrong with an error's body: `{"error": {"code", "message", "status"}}` is wanted, `code` the status."""
    value: Any = decode_json(body)
    error: Any = cast("dict[str, Any]", value).get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        yield "wanted: a JSON object with the member error"
        return
    members = cast("dict[str, Any]", error)
    if members.get("code") != status:
        yield f"error.code: wanted {status}, found {members.get('code')!r}"
    for name in ("message", "status"):
        if not isinstance(members.get(name), str) or not members[name]:
            yield f"error.{name}: wanted text, found {members.get(name)!r}"


CHECKS: Final = (
    Check(
        "ERR-1/google-errors",
        "The provider's errors pass as they are: status, type, Retry-After and body.",
        _passed,
        reference="RFC 9110 7.7; google.aip.dev/193",
        probes=_REFUSALS,
    ),
    Check(
        "ERR-1/html-502",
        "An error that is a page and no JSON passes as it is.",
        _passed,
        reference="RFC 9110 7.7",
        probes=(_HTML,),
    ),
    Check(
        "ERR-1/empty-500",
        "An error without a body stays without one.",
        _passed,
        reference="RFC 9110 7.7",
        probes=(_EMPTY,),
    ),
    Check(
        "ERR-2/google-shaped",
        "The gateway's own errors have the shape of Google's, so that clients raise what they know.",
        _google_shaped,
        features=("relay", "keys"),
        reference="google.aip.dev/193",
        probes=(_RESET,),
    ),
    Check(
        "ERR-3/reset-before-head",
        "A provider that is lost before its answer is shown as 502.",
        _bad_gateway,
        features=("relay",),
        reference="RFC 9110 15.6.3",
        probes=(_RESET,),
    ),
    Check(
        "ERR-5/no-retry",
        "A POST that was refused is not sent again unless the operator asked for that.",
        _not_again,
        reference="RFC 9110 9.2.2",
        probes=_ONCE,
    ),
)
