"""The small words of the format: durations, money, names, header fields; each with its JSON Schema for editors."""

import re
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, cast

from pydantic import BeforeValidator, Field, WithJsonSchema

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_MONEY: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,24})?")
_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,80}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
DAY_S: Final = 24 * 3600.0


def duration_s(value: Any) -> float:
    """Seconds of a text like `120ms`, `2s` or `1m`; at most a day. Raises ValueError."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"a duration is a number with its unit, like 120ms, 2s or 1m; found {_brief(value)}")
    # A binary float of the written decimal, not of its product: 120ms is 0.12.
    seconds = float(Decimal(found[1]) * Decimal(str(_UNIT_S[found[2]])))
    if seconds > DAY_S:
        raise ValueError("a duration is at most a day")
    return seconds


def money(value: Any) -> Decimal:
    """US dollars of a quoted decimal like `"0.000016"`. Raises ValueError."""
    if not isinstance(value, str) or not _MONEY.fullmatch(value):
        raise ValueError(f'money is a decimal in quotes, like "0.000016"; found {_brief(value)}')
    return Decimal(value)


def name_path(value: Any) -> str:
    """A relative path or id whose every part is a plain name (S-66). Raises ValueError."""
    if not isinstance(value, str) or not all(_NAME.fullmatch(part) for part in value.split("/")):
        raise ValueError(f"every part is made of letters, digits, '.', '_' and '-'; found {_brief(value)}")
    return value


def header_fields(value: Any) -> dict[str, list[str]]:
    """Header fields of a mapping of name to text or list of texts. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError(f"headers are a mapping of name to text; found {_brief(value)}")
    fields: dict[str, list[str]] = {}
    for name, given in cast("Mapping[Any, Any]", value).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{_brief(name)} is no header name")
        texts = cast("list[Any]", given) if isinstance(given, list) else [given]
        for text in texts:
            if not isinstance(text, str) or not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text):
                raise ValueError(f"the value of '{name}' is no header text; found {_brief(text)}")
        fields[name] = [str(text) for text in texts]
    return fields


def base64_bytes(value: Any) -> bytes:
    """The bytes of a base64 text; white space between its lines is allowed. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"base64 is a text; found {_brief(value)}")
    try:
        return b64decode("".join(value.split()), validate=True)
    except ValueError:
        raise ValueError("this is no base64") from None


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _schema(**words: Any) -> WithJsonSchema:
    return WithJsonSchema(words)


Duration = Annotated[
    float,
    BeforeValidator(duration_s),
    _schema(type="string", pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m)$", description="A number with its unit: 120ms, 2s, 1m"),
]
Money = Annotated[
    Decimal,
    BeforeValidator(money),
    _schema(type="string", pattern=r"^[0-9]{1,12}(\.[0-9]{1,24})?$", description="US dollars, a decimal in quotes"),
]
NamePath = Annotated[
    str,
    BeforeValidator(name_path),
    _schema(type="string", pattern=r"^(?!\.)[A-Za-z0-9._-]{1,80}(/(?!\.)[A-Za-z0-9._-]{1,80})*$"),
]
Headers = Annotated[
    dict[str, list[str]],
    BeforeValidator(header_fields),
    _schema(
        type="object",
        additionalProperties={"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        description="Header fields in order; a list repeats the field",
    ),
]
Base64 = Annotated[bytes, BeforeValidator(base64_bytes), _schema(type="string", description="Bytes in base64")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
