"""The `filter` of Vertex AI's lists, as far as clients use it (AIP-160): comparisons, joined by AND and OR. Pure.

`state="JOB_STATE_SUCCEEDED" AND display_name="x"`, `labels.tune-type:*`, `NOT name=...`; AND (or a space) binds
less than OR, as the AIP has it. Parentheses and functions are not read: such a filter is refused.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from .store import Resource, ResourceFilter

_COMPARISON: Final = re.compile(
    r"""(?P<not>NOT\s+|-)?(?P<path>[A-Za-z_][\w.-]*)\s*(?P<sign>!=|>=|<=|=|:|>|<)\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"()]+))"""
)
_JOINT: Final = re.compile(r"\s+(?:(AND|OR)\s+)?")

_SIGNS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    ":": lambda found, wanted: wanted.casefold() in found.casefold(),
}


def filter_of(text: str) -> ResourceFilter | None:
    """Which resources a filter leaves, by their values; None if it cannot be read. An empty one leaves all."""
    text = text.strip()
    if not text:
        return lambda resource: True
    groups: list[list[ResourceFilter]] = []
    at, joint = 0, "AND"
    while True:
        found = _COMPARISON.match(text, at)
        if found is None:
            return None
        if joint == "OR":
            groups[-1].append(_test(found))
        else:
            groups.append([_test(found)])
        if found.end() == len(text):
            return lambda resource: all(any(test(resource) for test in group) for group in groups)
        between = _JOINT.match(text, found.end())
        if between is None:
            return None
        at, joint = between.end(), between[1] or "AND"


def _test(found: re.Match[str]) -> ResourceFilter:
    path, sign, is_not = found["path"].split("."), found["sign"], found["not"] is not None
    wanted = found["quoted"] if found["quoted"] is not None else found["plain"]

    def holds(resource: Resource) -> bool:
        value = _value(resource.value, path)
        if sign == ":" and wanted == "*":
            return (value is not None) != is_not
        return (value is not None and _SIGNS[sign](value, wanted)) != is_not

    return holds


def _value(members: Mapping[str, Any], path: list[str]) -> str | None:
    """The text of a member by its path; the parts are in either spelling."""
    value: Any = members
    for name in path:
        if not isinstance(value, Mapping):
            return None
        inner = cast("Mapping[str, Any]", value)
        value = inner[name] if name in inner else inner.get(_camel(name))
    if value is None or isinstance(value, Mapping | list):
        return None if value is None else "*"
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
