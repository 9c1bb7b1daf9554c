"""Where a gateway shows what its requests cost, read as a stranger would; and what they should have cost."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol, cast

from ..errors import ConfigError, PriceError
from ..messages import Response, Transcript, header_value
from ..pricing.book import PriceBook
from ..pricing.cost import added
from ..pricing.explain import LIVE_METHOD, explain
from ..surfaces import place_of
from .model import Asked, Conversed, Figure, Probe
from .target import CostSource

_AMOUNT: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)


class LinesFile:
    """A file to which the gateway appends one JSON object a line; read on as it grows, by several threads at once."""

    def __init__(self, source: CostSource) -> None:
        self._source = source
        self._path = Path(source.file)
        self._offset = 0
        self._lock = Lock()
        self._figures: dict[str, list[Figure]] = {}

    def figures(self, ids: Iterable[str]) -> tuple[Figure, ...]:
        """All figures of these ids so far, in the order of `ids`. Raises ConfigError if the file cannot be read."""
        with self._lock:
            self._read_on()
            return tuple(figure for id in ids for figure in self._figures.get(id, ()))

    def _read_on(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(f"{self._path}: the file of costs cannot be read: {error.strerror}") from error
        whole, _, _ = data.rpartition(b"\n")
        self._offset += len(whole) + bool(whole)
        for line in whole.splitlines():
            figure = _figure(line, self._source)
            if figure is not None:
                self._figures.setdefault(figure.id, []).append(figure)


class Ledger(Protocol):
    """Where the figures of requests are looked up."""

    def figures(self, ids: Iterable[str]) -> tuple[Figure, ...]:
        """All figures of these ids so far, in the order of `ids`."""
        ...


def _figure(line: bytes, source: CostSource) -> Figure | None:
    try:
        value: Any = json.loads(line, parse_float=Decimal)
    except ValueError:
        return None
    return figure_of(cast("dict[str, Any]", value), source) if isinstance(value, dict) else None


def figure_of(entry: Mapping[str, Any], source: CostSource) -> Figure | None:
    """What one entry of a gateway's books says; None if it names no request."""
    id = entry.get(source.id)
    return Figure(str(id), _amount(entry.get(source.amount)), entry.get(source.known) == "estimated") if id else None


def _amount(value: Any) -> Decimal | None:
    """The exact amount; None for what is no finite number in plain digits."""
    text = "" if value is None or isinstance(value, bool) else str(value)
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def ids_of(asked: Iterable[Asked], conversed: Iterable[Conversed], source: CostSource) -> tuple[str, ...]:
    """The ids by which the gateway's books know what the client did."""
    name = source.id_header.encode()
    answers = [one.exchange.response.headers for one in asked if one.exchange.response is not None]
    values = [header_value(headers, name) for headers in (*answers, *(one.session.answer_headers for one in conversed))]
    return tuple(dict.fromkeys(value.decode("latin-1") for value in values if value))


def operation_names(upstream: Transcript) -> tuple[str, ...]:
    """The names of the operations that were started: each is an entry of its own in the books."""
    names: list[str] = []
    for exchange in upstream.exchanges:
        if exchange.request.path.endswith(":predictLongRunning") and exchange.response is not None:
            try:
                value: Any = json.loads(exchange.response.body)
                names.append(str(value["name"]))
            except (ValueError, KeyError, TypeError):
                continue
    return tuple(names)


def figures_in_headers(asked: Iterable[Asked], source: CostSource) -> tuple[Figure, ...]:
    """The figures that stand in the answers themselves."""
    found: list[Figure] = []
    for number, one in enumerate(asked):
        response = one.exchange.response
        value = header_value(response.headers, source.header.encode()) if response is not None else None
        if value is not None:
            found.append(Figure(f"answer {number}", _amount(value.decode("latin-1"))))
    return tuple(found)


def cost_by(book: PriceBook, probe: Probe, upstream: Transcript) -> Decimal | None:
    """What the wire says it cost by another book than the one the scenario's literal is worked out with.

    None if the scenario names no cost, or the book has no price for it.
    """
    if probe.scenario.expect.cost is None:
        return None
    if probe.scenario.expect.cost == 0:
        return Decimal(0)
    provider, model = probe.surface.provider, probe.scenario.model
    priced = list(_priced(upstream))
    today = datetime.now(UTC).date()
    try:
        totals = [
            explain(
                *(book, provider, model, one.method, one.body, one.content_type),
                date=today,
                location=one.location,
                request=one.request,
                served_tier=one.tier,
            ).total
            for one in priced
        ]
    except PriceError:
        return None
    if not totals or None in totals:
        return None
    return added(total for total in totals if total is not None)


@dataclass(frozen=True, slots=True)
class _Priced:
    """An answer, or a session, that is priced: as `explain` takes it."""

    method: str
    body: bytes
    content_type: str = ""
    location: str | None = None
    tier: str | None = None
    request: bytes | None = None


def _priced(upstream: Transcript) -> Iterable[_Priced]:
    """All that is priced: a video job by the first answer that says it is done."""
    started: dict[str, tuple[bytes, str | None]] = {}
    for session in upstream.sessions:
        yield _Priced(LIVE_METHOD, b"\n".join(frame.payload for frame in session.sent_by("server")))
    for exchange in upstream.exchanges:
        place, response = place_of(exchange.request.path), exchange.response
        if place is None or response is None or response.status >= 400:
            continue
        body = _inflated(response)
        if place.method == "predictLongRunning":
            started[_named(body)] = exchange.request.body, place.location
        elif place.operation is not None or place.method == "fetchPredictOperation":
            job = started.pop(_named(body), None) if b'"done"' in body else None
            if job is not None:
                yield _Priced("fetchPredictOperation", body, "application/json", location=job[1], request=job[0])
        elif place.method not in ("countTokens", "download"):
            tier = header_value(response.headers, b"x-gemini-service-tier")
            words = None if tier is None else tier.decode("latin-1")
            yield _Priced(place.method, body, _type(response.headers), place.location, words)


def _named(body: bytes) -> str:
    """The name of the operation that an answer is about; empty if it is about none."""
    try:
        value: Any = json.loads(body)
        return str(value["name"])
    except (ValueError, KeyError, TypeError):
        return ""


def _inflated(response: Response) -> bytes:
    """The body without its gzip; as it stands if it is none, or another coding."""
    if header_value(response.headers, b"content-encoding") != b"gzip":
        return response.body
    try:
        return gzip.decompress(response.body)
    except (OSError, EOFError, zlib.error):
        return response.body


def _type(headers: tuple[tuple[bytes, bytes], ...]) -> str:
    return (header_value(headers, b"content-type") or b"").decode("latin-1")
