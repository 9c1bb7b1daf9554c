"""`updateMask` of PATCH requests: which members of a resource a body changes (AIP-134). Pure."""

from collections.abc import Mapping
from typing import Any

from understudy.scenario.json_subset import camel_case


def mask_of(query: Mapping[str, str]) -> str:
    """The mask in the query of a PATCH, in either spelling of its name; empty without one."""
    return query.get("updateMask") or query.get("update_mask", "")


def masked(body: Mapping[str, Any], mask: str, changeable: frozenset[str]) -> dict[str, Any]:
    """The changes that a body (in lowerCamelCase) makes to `changeable` members; a value of None takes one away.

    Without a mask, or with `*`, what the body has is changed. A mask names members in either spelling, with commas
    between; of a path only its first part counts. Members that are named but absent are taken away.
    """
    named = {camel_case(path.strip().partition(".")[0]) for path in mask.split(",") if path.strip()}
    if not named or "*" in named:
        named = set(body)
    return {name: body.get(name) for name in sorted(named & changeable)}
