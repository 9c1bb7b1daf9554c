"""Failures that a client asks for, to see what becomes of them: `x-mock-testing-*`, where switched on (ERR-8). Pure.

The names are LiteLLM's, as headers. In a body such words are data, and so are these headers where it is off.
"""

from typing import Final

from understudy.messages import RawHeaders

from .refusals import Reason

MOCK_PREFIX: Final = b"x-mock-testing-"
_PASSED: Final = b"x-pass-" + MOCK_PREFIX

MOCKS: Final = {
    b"rate-limit-error": Reason.MOCK_RATE_LIMIT,
    b"fallbacks": Reason.MOCK_UNAVAILABLE,
    b"context-fallbacks": Reason.MOCK_CONTEXT_WINDOW,
    b"content-policy-fallbacks": Reason.MOCK_CONTENT_POLICY,
}
"""What each header stands in for: an answer of the request's own account. Its fallbacks are asked for real."""


def mocked(headers: RawHeaders) -> Reason | None:
    """The failure that a request asks for with a `true`."""
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith(MOCK_PREFIX) and value.strip().lower() == b"true":
            found = MOCKS.get(lowered.removeprefix(MOCK_PREFIX))
            if found is not None:
                return found
    return None


def without_mocks(received: RawHeaders, sent: RawHeaders) -> RawHeaders | None:
    """What of `sent` goes up (HDR-5); None if `received` would set such a field by `x-pass-` (HDR-4)."""
    if any(name.lower().replace(b"_", b"-").startswith(_PASSED) for name, _ in received):
        return None
    if not any(name.lower().startswith(MOCK_PREFIX) for name, _ in sent):
        return sent
    return tuple(field for field in sent if not field[0].lower().startswith(MOCK_PREFIX))
