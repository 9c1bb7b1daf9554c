"""Reads JSON that nobody vouches for, in both spellings of its names; what is not there is None or empty. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ..scenario.json_subset import snake_case


def json_of(data: bytes) -> Any:
    """The JSON value of bytes, None if they are none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def member(value: Any, name: str) -> Any:
    """The member `name` (given in camelCase) of an object, in either spelling."""
    if not isinstance(value, Mapping):
        return None
    members = cast("Mapping[str, Any]", value)
    return members[name] if name in members else members.get(snake_case(name))


def entries(value: Any, name: str) -> tuple[Any, ...]:
    """The entries of the list `name` of an object."""
    found = member(value, name)
    return tuple(cast("list[Any]", found)) if isinstance(found, list) else ()


def text(value: Any, name: str) -> str:
    """The text `name` of an object."""
    found = member(value, name)
    return found if isinstance(found, str) else ""


def objects_in(data: bytes) -> Iterator[Any]:
    """The JSON objects of an event stream or of an array, as many as are whole."""
    body = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    at = 0
    while (at := body.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(body, at)
        except (ValueError, RecursionError):
            return
        yield value
