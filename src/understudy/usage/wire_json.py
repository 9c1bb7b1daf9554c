"""The edge where JSON from the wire becomes values: nothing here raises, whatever the bytes are."""

import json
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeGuard, cast

import msgspec

LARGEST_COUNT: Final = 2**53
"""Counts above this are no counts: JSON numbers are not exact beyond it in many programs."""

_WHOLE: Final = msgspec.json.Decoder(float_hook=Decimal)


def decoded(data: bytes | bytearray) -> object:
    """The JSON value of `data`, floats as Decimal; None if it is not JSON (or is `null`, which tells as little)."""
    try:
        return _WHOLE.decode(data)
    except (ValueError, ArithmeticError, RecursionError):
        return _tolerantly(data)


def _tolerantly(data: bytes | bytearray) -> object:
    """The same by the standard library: it takes lone surrogates, and bad UTF-8 is replaced."""
    try:
        return json.loads(data.decode("utf-8", "replace"), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether `value` is a JSON object."""
    return isinstance(value, dict)


def as_object(value: object) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if is_object(value) else {}


def as_array(value: object) -> list[Any]:
    """`value` if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_text(value: object) -> str:
    """`value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """A whole number, also as text or as `8.0` (proto JSON writes both); None if it is none or out of range."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        value = int(value) if digits.isascii() and digits.isdecimal() and len(digits) <= 16 else None
    elif isinstance(value, Decimal):
        # Compared, not computed with: an exponent of millions would overflow.
        value = int(value) if -LARGEST_COUNT <= value <= LARGEST_COUNT and value == value.to_integral_value() else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_COUNT:
        return value
    return None


def snake(name: str) -> str:
    """The proto spelling of a camelCase field name; custom upstreams send it (pricing 4)."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def field(message: dict[str, Any], name: str, other: str) -> Any:
    """A field by its camelCase `name` or else its snake_case `other` spelling; None if it is absent."""
    value = message.get(name)
    return message.get(other) if value is None else value
