"""Bodies in Google's own spelling: what came in snake_case is kept, and shown, in lowerCamelCase. Pure.

Driven by the descriptions, so that free-form maps (labels, metadata, JSON schemas) stay as they came (wire-http 2).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, cast

from .call import Call
from .validation.described import Descriptions, Field
from .validation.loading import descriptions

_NO_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")


def canonical_body(call: Call, message: str) -> dict[str, Any]:
    """The members of a call's body, which fits `message`, in lowerCamelCase; members that are null are left out."""
    return canonical(descriptions(call.service, call.version), message, call.members)


def canonical(described: Descriptions, message: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The same message with the names of its description, at every level; unknown members stay as they are.

    `value` fits the description. Values get their own form too: wide integers are text, other numbers are numbers,
    times are UTC, bytes in the standard alphabet. Empty lists are left out, and so are enum values given by number,
    whose names the descriptions do not tell.
    """
    fields = _spellings(described, message)
    result: dict[str, Any] = {}
    for name, inner in value.items():
        field = fields.get(name)
        form = inner if field is None else _inner(described, field, inner)
        if form is not None:
            result[name if field is None else field.name] = form
    return result


def _inner(described: Descriptions, field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.shape == "many":
        # A single value stands for a list of one, as in requests.
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        forms = (_one(described, field.type, item) for item in items)
        return [form for form in forms if form is not None] or None
    if field.shape == "map" and isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _one(described, field.type, item) for name, item in members.items()}
    return _one(described, field.type, value)


def _one(described: Descriptions, kind: str, value: Any) -> Any:
    if kind in described.messages:
        return canonical(described, kind, cast("dict[str, Any]", value)) if isinstance(value, dict) else value
    if kind in described.enums:
        return value.upper() if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    return _FORMS[kind](value) if kind in _FORMS else value


def _wide(value: float | str) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _whole(value: float | str) -> int:
    return int(float(value)) if isinstance(value, str) else int(value)


def _real(value: float | str) -> float | str:
    return float(value) if isinstance(value, str) and value not in _NO_NUMBERS else value


def _bytes(value: float | str) -> str:
    text = str(value).rstrip("=").replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)


def _time(value: float | str) -> str:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        # A moment at the very edge of the calendar.
        return str(value)


_FORMS: Final[Mapping[str, Callable[[float | str], float | str]]] = {
    **dict.fromkeys(("int64", "uint64"), _wide),
    **dict.fromkeys(("int32", "uint32"), _whole),
    **dict.fromkeys(("float", "double"), _real),
    "bytes": _bytes,
    "Timestamp": _time,
}


@lru_cache(maxsize=1024)
def _spellings(described: Descriptions, message: str) -> Mapping[str, Field]:
    """The fields of a message by both of their names; none for a message that is not described."""
    fields = described.messages.get(message, {})
    return {spelling: field for field in fields.values() for spelling in (field.snake, field.name)}
