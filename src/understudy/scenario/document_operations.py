"""The form of a long-running operation in a scenario: how long it runs, and how it ends."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from .document_bodies import Doc, ErrorWord, exactly_one
from .scalars import Duration


class ErrorOutcomeDoc(Doc):
    """The google.rpc.Status that an operation ends with."""

    code: Annotated[int, Field(ge=1, le=16)]
    """A gRPC code, not an HTTP status."""
    message: str


class FilmDoc(Doc):
    """What the delivered videos are; what is not given is as the request asks for it."""

    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$")] | None = None
    """Width and height in pixels, both even: 640x360."""
    duration: Duration | None = None
    rate: Annotated[int, Field(ge=1, le=120)] | None = None
    """Pictures a second."""
    sound: bool | None = None

    @model_validator(mode="after")
    def _playable(self) -> Self:
        sides = [int(side) for side in (self.size or "").split("x") if side]
        if any(side % 2 or not SHORTEST_SIDE <= side <= LONGEST_SIDE for side in sides):
            raise ValueError(f"both sides of a film are even numbers from {SHORTEST_SIDE} to {LONGEST_SIDE}")
        if self.duration is not None and not 0 < self.duration <= LONGEST_FILM_S:
            raise ValueError(f"a film is longer than nothing and at most {LONGEST_FILM_S} seconds long")
        return self


SHORTEST_SIDE, LONGEST_SIDE = 16, 4096
OUTCOME_WORDS = ("videos", "response", "error")
LONGEST_FILM_S = 600
"""A film is made in memory; VEO's longest has 148 seconds."""


class ThenDoc(Doc):
    """How an operation ends: exactly one of its words, and beside `videos` what there is to say of them."""

    videos: Annotated[int, Field(ge=0, le=4)] | None = None
    """That many videos are delivered."""
    filtered: Annotated[int, Field(ge=0, le=4)] = 0
    """That many more were made and withheld (raiMediaFilteredCount)."""
    reasons: list[str] | None = None
    """raiMediaFilteredReasons; without them the service's own."""
    film: FilmDoc | None = None
    response: dict[str, Any] | None = None
    """This response member, literally."""
    error: ErrorOutcomeDoc | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, OUTCOME_WORDS, "the end of an operation")
        beside = {"filtered", "reasons", "film"} & self.model_fields_set
        if self.videos is None and beside:
            raise ValueError(f"{sorted(beside)[0]} stands beside videos")
        if self.videos == 0 and not self.filtered:
            raise ValueError("an operation that delivers no video has some filtered, or ends in an error")
        if self.reasons and not self.filtered:
            raise ValueError("reasons stand beside filtered")
        return self


class OperationDoc(Doc):
    """A long-running operation."""

    then: ThenDoc
    running_polls: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How many polls still say running."""
    running_for: Duration = 0.0
    """How long it is running, whatever the polls; less at a higher speed, not at all at speed 0."""
    gone_after: Duration | None = None
    """So long after its start it is not found any more, nor are its files; without it as the service does."""
    failing_polls: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The first N polls, which then count for nothing else, are answered by `poll_error`."""
    poll_error: ErrorWord | None = None

    @model_validator(mode="after")
    def _failing(self) -> Self:
        if (self.failing_polls is None) is not (self.poll_error is None):
            raise ValueError("failing_polls and poll_error stand together")
        return self
