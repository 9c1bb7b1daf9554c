"""What the rules are asked about: one decoded request, and what is known of the model it names. Pure.

The request has passed its description, so values have the types that they should have. Reading is written for speed:
every request that is answered is held to the rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from understudy.scenario.json_subset import snake_case

from ..catalogue import Model

Members = dict[str, Any]

_NOTHING: Final[Members] = {}
GEMINI_PAGE: Final = "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `card` is the model's entry in the catalogue, None for one that it does not have (tuned, unknown).

    `contents` and `config` are read out of the body once; both may be empty.
    """

    is_vertex: bool
    method: str
    model: str
    card: Model | None
    body: Members
    contents: Sequence[Members]
    config: Members


Rule = Callable[[Asked], str | None]
"""Gives the message that refuses a request, or None."""


def got(value: Any, name: str) -> Any:
    """The member `name` (in lowerCamelCase) of an object, in either spelling; None if there is none."""
    if value.__class__ is not dict:
        return None
    found = value.get(name)
    return value.get(snake_case(name)) if found is None else found


def every(value: Any, name: str) -> Sequence[Members]:
    """The objects in the list `name` of an object; a single object counts as a list of one."""
    found = got(value, name)
    if found.__class__ is dict:
        return (found,)
    return [entry for entry in found if entry.__class__ is dict] if found.__class__ is list else ()


def texts(value: Any, name: str) -> Sequence[str]:
    """The texts in the list `name` of an object; a single text counts as a list of one."""
    found = got(value, name)
    if found.__class__ is str:
        return (found,)
    return [entry for entry in found if entry.__class__ is str] if found.__class__ is list else ()


def text(value: Any, name: str) -> str | None:
    """The member `name` if it is text."""
    found = got(value, name)
    return found if found.__class__ is str else None


def members_of(value: Any) -> Members:
    """The members of a JSON object; none for any other value."""
    return value if value.__class__ is dict else _NOTHING


def number(value: Any) -> float | None:
    """A number, written as one or as text; None for what is none."""
    kind = value.__class__
    if kind is str:
        try:
            return float(value)
        except ValueError:
            return None
    return value if kind is int or kind is float else None


def asked_of(is_vertex: bool, method: str, model: str, card: Model | None, body: Members) -> Asked:
    """A request as the rules want it; `contents` of countTokens may be inside `generateContentRequest`."""
    if method == "countTokens":
        body = members_of(got(body, "generateContentRequest")) or body
    config = members_of(got(body, "generationConfig"))
    return Asked(is_vertex, method, model, card, body, every(body, "contents"), config)
