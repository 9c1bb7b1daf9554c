"""What a request must be for a scenario, or for one of its faults, to be for it: the words of `match`."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..errors import did_you_mean
from ..surfaces import Surface
from .document_bodies import Doc, one_or_many
from .scalars import Count


def _surface(value: str) -> str:
    names = [surface.value for surface in Surface]
    if value not in names:
        raise ValueError(f"unknown surface '{value}'{did_you_mean(value, names)}")
    return value


SurfaceName = Annotated[
    str, AfterValidator(_surface), Field(json_schema_extra={"enum": [surface.value for surface in Surface]})
]


class CallRangeDoc(Doc):
    """Which calls, counted from 1."""

    first: Count = Field(1, alias="from")
    last: Count | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError("'to' comes before 'from'")
        return self


def _call_word(value: Any) -> Any:
    return {"from": value, "to": value} if isinstance(value, int) and not isinstance(value, bool) else value


CallWord = Annotated[CallRangeDoc, BeforeValidator(_call_word, json_schema_input_type=Count | CallRangeDoc)]
SurfaceWord = Annotated[
    list[SurfaceName] | list[Literal["*"]],
    Field(min_length=1),
    BeforeValidator(
        one_or_many,
        json_schema_input_type=Literal["*"] | SurfaceName | Annotated[list[SurfaceName], Field(min_length=1)],
    ),
]


class MatchDoc(Doc):
    """What a request must be for this scenario to answer it; texts are globs (*, ?, [...])."""

    surface: SurfaceWord | None = None
    """"*" is all; absent: the scenario's own, with a path all that are, or are not, Live."""
    method: str | None = None
    """The verb after the colon."""
    model: str | None = None
    """Absent: the scenario's own."""
    path: str | None = None
    """The raw path. A scenario that names it answers any HTTP method, on paths of no API too."""
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    query: dict[str, str] = Field(default_factory=dict[str, str])
    json_: Any = Field(default=None, alias="json")
    """A subset of the body."""
    last_text: str | None = None
    """The text of the last user turn."""
    call: CallWord | None = None
    """A number, or {from, to}: which calls, counted in one scope."""
    scope: str | None = None
