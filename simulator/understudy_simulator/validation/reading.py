"""Checks bodies against descriptions: a request as Google does it, an answer of our own as strictly as can be. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from understudy.rpc_status import bad_request
from understudy.scenario.json_subset import NOT_JSON, LazyJson

from ..google_errors import GoogleError, invalid_argument
from .described import Descriptions
from .fits import fitter_of
from .malformed import DEEPEST, malformed_message, too_deep
from .mistakes import Mistake, mistakes_in

_TOO_DEEP: Final = "Invalid JSON payload received. Message too deep. Max recursion depth reached for key '{key}'"
_MOST: Final = 200
"""So many violations are told at most, so that an answer is never larger than a careless request."""


def request_error(descriptions: Descriptions, message: str, body: LazyJson) -> GoogleError | None:
    """The refusal of a body that is no JSON or does not fit `message`; None for one that fits. No body is `{}`.

    Raises KeyError if there is no description of that name.
    """
    value, raw = body.value, body.raw
    if value is NOT_JSON:
        return invalid_argument(malformed_message(raw)) if raw.strip() else None
    if raw.count(b"{") + raw.count(b"[") > DEEPEST:
        key = too_deep(value)
        if key is not None:
            return invalid_argument(_TOO_DEEP.format(key=key))
    return check_request(descriptions, message, value)


def check_request(descriptions: Descriptions, message: str, value: Any) -> GoogleError | None:
    """The refusal of a decoded request that does not fit `message`, or None. Raises KeyError as above."""
    try:
        if value is not None and fitter_of(descriptions).message(message)(value):
            return None
        found = list(mistakes_in(descriptions, message, value))
    except RecursionError:
        return invalid_argument(_TOO_DEEP.format(key=""))
    return refusal(found[:_MOST]) if found else None


def refusal(mistakes: Sequence[Mistake]) -> GoogleError:
    """One 400 for all that is wrong."""
    message = "\n".join(mistake.text for mistake in mistakes)
    return GoogleError(400, message, (bad_request([(mistake.field, mistake.text) for mistake in mistakes]),))
