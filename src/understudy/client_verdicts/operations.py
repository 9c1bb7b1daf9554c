"""Rules about long-running operations: how often they are asked after. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from ..messages import Exchange
from ..surfaces import place_of
from .model import NAMED, Finding, Rule, shown_s
from .reading import json_of, member, text
from .seen import Seen

POLLS: Final = 5
"""So many polls in less than `POLLS_S` are too fast; two who watch one operation, each every few seconds, are not."""

POLLS_S: Final = 4.0

_OK: Final = 200


def _polled_too_fast(seen: Seen) -> Iterator[Finding]:
    polls: defaultdict[str, list[Exchange]] = defaultdict(list)
    for exchange in seen.calls:
        name = _operation(exchange)
        if name is not None:
            polls[name].append(exchange)
    for name, entries in polls.items():
        waits = {index for index, entry in enumerate(entries) if _is_running(entry)}
        fast = [
            entries[first : first + POLLS]
            for first in range(len(entries) - POLLS + 1)
            if entries[first + POLLS - 1].started - entries[first].started < POLLS_S
            and all(index in waits for index in range(first, first + POLLS - 1))
        ]
        if fast:
            took = fast[0][-1].started - fast[0][0].started
            shown = "".join(char if char.isprintable() else "?" for char in name)
            why = f"{POLLS} polls in {shown_s(took)}, while it was running: {shown}"
            yield Finding(why, tuple(dict.fromkeys(entry.id for part in fast for entry in part))[:NAMED])


def _operation(exchange: Exchange) -> str | None:
    """The name of the operation that a request asks after, None if it is no poll (wire-http 6.3)."""
    request = exchange.request
    place = place_of(request.path)
    if place is None:
        return None
    if place.method == "fetchPredictOperation":
        return text(json_of(request.body), "operationName") or None
    return place.operation if request.method == "GET" and place.method == "get" else None


def _is_running(exchange: Exchange) -> bool:
    response = exchange.response
    return response is not None and response.status == _OK and member(json_of(response.body), "done") is not True


RULES: Final = (
    Rule(
        "polled_too_fast",
        "warned",
        "It asked after an operation again and again in a short time.",
        "5 polls of one operation within 4 s, while it was running.",
        "Google's samples poll videos every 10 to 20 s",
        _polled_too_fast,
    ),
)
