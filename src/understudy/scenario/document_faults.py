"""The words of `faults`: what is laid over answers, whoever gives them, and which of them it befalls."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .document_bodies import Doc, ErrorWord, FaultDoc, ReplyDoc, exactly_one
from .document_match import MatchDoc
from .scalars import Count, Duration

_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""Close codes that may stand in a frame (RFC 6455 7.4)."""


class CloseDoc(Doc):
    """Close the session."""

    code: int | None = 1000
    """1000 to 1014 or 3000 to 4999; null: a close frame without a code."""
    reason: str = ""
    """At most 123 bytes."""

    @model_validator(mode="after")
    def _close(self) -> Self:
        code = self.code
        if code is not None and code not in _SENDABLE:
            raise ValueError(f"{code} is no close code that can be sent (1000 to 1014 but 1004 to 1006; 3000 to 4999)")
        if len(self.reason.encode()) > 123:
            raise ValueError("a close reason has at most 123 bytes")
        if code is None and self.reason:
            raise ValueError("a close frame without a code has no reason")
        return self


INJECTED_WORDS = ("fault", "reply", "error", "close")
TRIGGER_WORDS = ("always", "nth", "first", "until", "probability")


class InjectionDoc(Doc):
    """One fault laid over answers: exactly one of fault, reply, error and close, and when it comes."""

    fault: FaultDoc | None = None
    reply: ReplyDoc | None = None
    """This answer in the place of any other; on Live the handshake is refused with it."""
    error: ErrorWord | None = None
    """One of the services' errors, by its name; on Live the session is closed with it."""
    close: CloseDoc | None = None
    """Close the Live session in the place of a message."""
    at: Count | Literal["handshake"] | None = None
    """Over the chunk or message of that number, counted from 1; handshake: over that of a Live session, before it is
    answered; absent: over the whole."""
    always: Literal[True] | None = None
    """Each time, which is also what no trigger means."""
    nth: Count | None = None
    """The request (on Live: the session) of that number, counted in one scope."""
    first: Count | None = None
    """That many requests."""
    until: Duration | None = None
    """Until that much time of the scenario clock has passed since the scenario was armed."""
    probability: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    """That share of the requests; at most one of the faults with a probability befalls a request."""
    weight: Count | None = None
    """Of all faults with a weight that would come, one does, in proportion."""
    match: MatchDoc | None = None
    """Only requests that fit this too."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, INJECTED_WORDS, "one of the faults")
        given = [word for word in TRIGGER_WORDS if word in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"one trigger at most, not {' and '.join(given)}")
        return self
