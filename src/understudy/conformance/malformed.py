"""Checks of requests that two servers may read differently: they are refused and do not reach the provider. Pure."""

from collections.abc import Iterator
from typing import Final

from .evidence import answer, came_malformed, exchanges, not_forwarded, request_line, shown, status_of
from .model import Ask, Case, Check, Finding
from .probes import GENERATE, HELLO, http_probe

_LENGTH: Final = b"Content-Length: %d\r\n" % len(HELLO)
_CHUNKED: Final = b"5\r\nhello\r\n0\r\n\r\n"


def _judge_refused(case: Case) -> Iterator[Finding]:
    went = exchanges(case)
    for exchange in went:
        evidence = (request_line(exchange.request), f"body: {shown(exchange.request.body)}")
        yield Finding("The malformed request reached the provider.", evidence)
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif came_malformed(asked):
            yield not_forwarded(asked)
        elif not 400 <= got.status < 500 and not went:
            yield Finding("The malformed request was not refused with 400.", (f"answer: {status_of(asked)}",))


def _malformed(slug: str, what: str, reference: str, raw_lines: bytes, body: bytes = HELLO) -> Check:
    """A check that a head with these lines is refused; the body is whole however its length is read."""
    ask = Ask(GENERATE, body=body, framing="none", raw_lines=raw_lines, limit_s=5.0)
    return Check(
        f"HDR-10/{slug}",
        f"A request with {what} is refused with 400 and does not reach the provider.",
        _judge_refused,
        features=("relay",),
        reference=reference,
        probes=(http_probe(f"headers/{slug}", f"a request with {what}", ask),),
    )


CHECKS: Final[tuple[Check, ...]] = (
    _malformed(
        "length-and-transfer-encoding",
        "both Content-Length and Transfer-Encoding",
        "RFC 9112 6.1, 6.3, 11.2",
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(_CHUNKED),
        _CHUNKED,
    ),
    _malformed(
        "differing-lengths",
        "several differing Content-Length fields",
        "RFC 9112 6.3; RFC 9110 8.6",
        b"Content-Length: %d\r\n" % (len(HELLO) - 1) + _LENGTH,
    ),
    _malformed("obs-fold", "a folded header field", "RFC 9112 5.2", b"X-Folded: one\r\n two\r\n" + _LENGTH),
    _malformed("space-before-colon", "a space before a field's colon", "RFC 9112 5.1", b"X-Spaced : 1\r\n" + _LENGTH),
    _malformed("nul-in-value", "a NUL in a field's value", "RFC 9110 5.5", b"X-Nul: a\x00b\r\n" + _LENGTH),
)
