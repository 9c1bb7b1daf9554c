"""Reads decoded request bodies without trusting their shape; names in camelCase or snake_case (wire-http 2)."""

from collections.abc import Mapping
from typing import Any, cast

from understudy.scenario.json_subset import snake_case

Members = Mapping[str, Any]


def member(value: Any, name: str) -> Any:
    """The member `name` (given in camelCase) of a JSON object in either spelling; None if there is none."""
    if value.__class__ is dict:
        found = value.get(name)
        return value.get(snake_case(name)) if found is None else found
    if not isinstance(value, Mapping):
        return None
    members = cast("Members", value)
    return members[name] if name in members else members.get(snake_case(name))


def members_in(value: Any, name: str) -> tuple[Members, ...]:
    """The JSON objects in the list `name` of an object; a single object counts as a list of one."""
    found = member(value, name)
    if found is None:
        return ()
    if isinstance(found, list):
        return tuple([cast("Members", one) for one in cast("list[Any]", found) if isinstance(one, dict)])
    return (cast("Members", found),) if isinstance(found, Mapping) else ()


def text_in(value: Any, name: str) -> str | None:
    """The member `name` if it is text."""
    found = member(value, name)
    return found if isinstance(found, str) else None


def count_in(value: Any, name: str) -> int | None:
    """The member `name` if it is a whole number above zero, written as a number or (int64) as text."""
    found = member(value, name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 10:
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def whole_in(value: Any, name: str) -> int | None:
    """The member `name` if it is a whole number of any sign, written as a number or (int64) as text."""
    found = member(value, name)
    if isinstance(found, str) and len(found) < 10:
        sign, digits = (-1, found[1:]) if found.startswith("-") else (1, found)
        found = sign * int(digits) if digits.isascii() and digits.isdigit() else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def number_in(value: Any, name: str) -> float | None:
    """The member `name` if it is a number."""
    found = member(value, name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def flag_in(value: Any, name: str) -> bool:
    """Whether the member `name` is true."""
    return member(value, name) is True


def strings_in(value: Any, name: str) -> tuple[str, ...]:
    """The texts in the list `name` of an object."""
    found = member(value, name)
    if not isinstance(found, list):
        return ()
    return tuple(entry for entry in cast("list[Any]", found) if isinstance(entry, str))
