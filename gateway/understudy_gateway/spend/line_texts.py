"""A cost's lines as JSON text, put together from texts that are remembered, since most lines are of few kinds. Pure."""

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from understudy.pricing.cost import Line, plain

_MOST_KINDS: Final = 512
"""Kinds of lines that are remembered; what they are for may hold words of a client's."""


def lines_text(lines: Iterable[Line]) -> str:
    """The JSON text of `lines_json(lines)`, as `msgspec` would write it."""
    return "[" + ",".join([_line_text(line) for line in lines]) + "]"


def _line_text(line: Line) -> str:
    head, middle = _texts_of_kind(line.part, line.what, line.unit, str(line.unit_price))
    return f'{head}{plain(line.quantity)}{middle}{plain(line.amount)}"}}'


@lru_cache(_MOST_KINDS)
def _texts_of_kind(part: str, what: str, unit: str, price: str) -> tuple[str, str]:
    """What stands before the quantity, and between it and the amount."""
    return (
        f'{{"part":{json_text(part)},"what":{json_text(what)},"quantity":"',
        f'","unit":{json_text(unit)},"unit_price":"{plain(Decimal(price))}","amount":"',
    )


def json_text(value: object) -> str:
    """A value as JSON text. Raises TypeError for what is no JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):  # a number beyond 64 bits, a lone surrogate
        return json.dumps(value)
