"""Which JSON values Google's parser takes for a field of a scalar or well-known type (wire-http 2). Pure.

Null is unset and taken everywhere. Numbers may come as text and text numbers as numbers, as in proto3's JSON mapping.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Taken = Callable[[Any], bool]

_STANDARD: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_INTEGER: Final = re.compile(r"-?[0-9]{1,30}(\.0+)?")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DURATION: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_MOST_SECONDS: Final = 315_576_000_000
_FLOAT_WORDS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_LARGEST_FLOAT: Final = 3.4028235677973366e38


def is_text(value: Any) -> bool:
    """Whether it is taken for a `string`."""
    return value.__class__ is str or value is None


def is_flag(value: Any) -> bool:
    """Whether it is taken for a `bool`."""
    return value.__class__ is bool or value is None or value in ("true", "false")


def _whole(least: int, most: int) -> Taken:
    def taken(value: Any) -> bool:
        kind = value.__class__
        if kind is int:
            return least <= value <= most
        if kind is float:
            return value.is_integer() and least <= value <= most
        if kind is str:
            return _INTEGER.fullmatch(value) is not None and least <= int(value.partition(".")[0]) <= most
        return value is None

    return taken


def _real(largest: float) -> Taken:
    def taken(value: Any) -> bool:
        kind = value.__class__
        if kind is float or kind is int:
            return -largest <= value <= largest
        if kind is str:
            return value in _FLOAT_WORDS or (
                _NUMBER.fullmatch(value) is not None and -largest <= float(value) <= largest
            )
        return value is None

    return taken


def one_of(names: frozenset[str]) -> Taken:
    """Whether it is taken for an enum: a name in any case (clients send `"type": "object"`), or a whole number."""
    known = names | {name.upper() for name in names}

    def taken(value: Any) -> bool:
        kind = value.__class__
        if kind is str:
            return value in known or value.upper() in known or SCALARS["int32"](value)
        return SCALARS["int32"](value)

    return taken


def is_base64(value: Any) -> bool:
    """Whether it is taken for `bytes`: base64 in either alphabet, padded or not."""
    if value.__class__ is not str:
        return value is None
    if not value.isascii():
        return False
    digits = value.encode().rstrip(b"=")
    return (
        len(digits) % 4 != 1
        and len(value) - len(digits) <= 2
        and not (digits.translate(None, _STANDARD) and digits.translate(None, _URL_SAFE))
    )


def is_standard_base64(value: Any) -> bool:
    """Whether it is base64 as Google writes it: standard alphabet, padded."""
    if value.__class__ is not str or len(value) % 4 or not value.isascii():
        return False
    digits = value.encode().rstrip(b"=")
    return len(value) - len(digits) <= 2 and not digits.translate(None, _STANDARD)


def is_duration(value: Any) -> bool:
    """Whether it is taken for a `Duration`: `"3.5s"`, or an object of seconds and nanos."""
    if value.__class__ is str:
        return _DURATION.fullmatch(value) is not None and abs(float(value[:-1])) <= _MOST_SECONDS
    return value is None or _is_seconds_and_nanos(value)


def is_timestamp(value: Any) -> bool:
    """Whether it is taken for a `Timestamp`: RFC 3339 with any offset, or an object of seconds and nanos."""
    if value.__class__ is str:
        return _TIMESTAMP.fullmatch(value) is not None
    return value is None or _is_seconds_and_nanos(value)


def _is_seconds_and_nanos(value: Any) -> bool:
    if value.__class__ is not dict:
        return False
    members: dict[str, Any] = value
    return (
        members.keys() <= {"seconds", "nanos"}
        and SCALARS["int64"](members.get("seconds"))
        and SCALARS["int32"](members.get("nanos"))
    )


def is_object(value: Any) -> bool:
    """Whether it is taken for a `Struct`."""
    return value.__class__ is dict or value is None


def is_list(value: Any) -> bool:
    """Whether it is taken for a `ListValue`."""
    return value.__class__ is list or value is None


def _is_nothing(value: Any) -> bool:
    return value is None or value == {}


def _is_anything(value: Any) -> bool:
    return True


SCALARS: Final[Mapping[str, Taken]] = {
    "string": is_text,
    "bool": is_flag,
    "int32": _whole(-(2**31), 2**31 - 1),
    "int64": _whole(-(2**63), 2**63 - 1),
    "uint32": _whole(0, 2**32 - 1),
    "uint64": _whole(0, 2**64 - 1),
    "float": _real(_LARGEST_FLOAT),
    "double": _real(math.inf),
    "bytes": is_base64,
}
"""The scalar types."""

WELL_KNOWN: Final[Mapping[str, Taken]] = {
    "Struct": is_object,
    "Value": _is_anything,
    "ListValue": is_list,
    "Any": is_object,
    "Empty": _is_nothing,
    "Duration": is_duration,
    "Timestamp": is_timestamp,
    "FieldMask": is_text,
}
"""The types of google.protobuf that have a JSON form of their own."""
