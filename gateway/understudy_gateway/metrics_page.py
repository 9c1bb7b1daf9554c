"""The Prometheus page: the numbers of this worker and, where there are several, of the others.

Each worker leaves its numbers in a file of its own twice a second; who is asked for the page adds them up. What a
worker that has ended has counted stays, so that no counter ever falls; what it had under way does not.
"""

import asyncio
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from understudy.errors import ConfigError

from .counts import Histogram
from .metrics import COUNTERS, GAUGES, HISTOGRAMS, Gauge, Labels, Metrics

_log = logging.getLogger(__name__)

PREFIX: Final = "understudy_gateway_"
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_LEAVE_EVERY_S: Final = 0.5


class Shared:
    """The folder in which workers leave their numbers for one another."""

    def __init__(self, folder: Path, metrics: Metrics, gauges: Mapping[str, Gauge]) -> None:
        self._folder = folder
        # A process that ended may have had our id: its numbers must stay.
        self._own = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._metrics = metrics
        self._gauges = gauges
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._order = self._left = 0

    def start(self) -> None:
        """Leave the numbers from now on."""
        self._task = asyncio.get_running_loop().create_task(self._leave())

    async def close(self) -> None:
        """Leave them for the last time; nothing is under way any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._write, self._next(), {**self._metrics.snapshot(), "gauges": {}})

    def all(self) -> list[dict[str, Any]]:
        """What each worker left last, this one too: so no counter falls from one worker's page to another's."""
        found: list[dict[str, Any]] = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                numbers = json.loads(path.read_bytes())
                if not _runs(path.stem.partition("-")[0]):
                    numbers["gauges"] = {}
                found.append(numbers)
            except (OSError, ValueError):
                _log.warning("the numbers of a worker cannot be read")
        return found

    async def _leave(self) -> None:
        while True:
            gauges, snapshot = _read(self._gauges), self._metrics.snapshot()
            await asyncio.to_thread(self._write, self._next(), {**snapshot, "gauges": {**snapshot["gauges"], **gauges}})
            await asyncio.sleep(_LEAVE_EVERY_S)

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _write(self, order: int, numbers: Mapping[str, Any]) -> None:
        """Leave numbers, unless later ones were left meanwhile."""
        aside = self._own.with_suffix(".new")
        with self._lock:
            if order < self._left:
                return
            self._left = order
            try:
                aside.write_text(json.dumps(numbers), "utf-8")
                aside.replace(self._own)
            except OSError:
                _log.warning("the numbers of this worker cannot be left for the others")


def _runs(process: str) -> bool:
    """Whether a worker still runs, by its process id: one that was killed could not say that nothing is under way."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True
    return True


def page(snapshots: Iterable[Mapping[str, Any]], gauges: Mapping[str, Gauge]) -> bytes:
    """The page in Prometheus' text format: the sums of the workers' snapshots, and gauges that all workers share.

    Reads files, so it is not for the event loop.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    shared: dict[str, Any] = {"counters": {}, "histograms": {}, "gauges": _read(gauges)}
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector([shared, *snapshots]))
    return generate_latest(registry)


def _read(gauges: Mapping[str, Gauge]) -> dict[str, float]:
    """The gauges that can be read; a store that cannot be must not take the whole page away."""
    found: dict[str, float] = {}
    for name, gauge in gauges.items():
        try:
            found[name] = gauge()
        except ConfigError:
            _log.warning("the metric %s cannot be read", name)
    return found


class _Collector:
    """Gives prometheus_client the sums of several snapshots."""

    def __init__(self, snapshots: list[Mapping[str, Any]]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Any]:
        """Every family, those without a number too."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for name, (text, labels) in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=labels)
            for values, number in self._counter(name).items():
                counter.add_metric(values, number)
            yield counter
        for name, (text, labels, bounds) in HISTOGRAMS.items():
            family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
            for values, histogram in self._histogram(name, bounds).items():
                family.add_metric(values, buckets=_cumulated(histogram), sum_value=histogram.total)
            yield family
        for name, text in GAUGES.items():
            if not any(name in snapshot["gauges"] for snapshot in self._snapshots):
                continue
            value = sum(snapshot["gauges"].get(name, 0) for snapshot in self._snapshots)
            yield GaugeMetricFamily(PREFIX + name, text, value=value)

    def _counter(self, name: str) -> dict[Labels, float]:
        found: dict[Labels, float] = {}
        for snapshot in self._snapshots:
            for *labels, number in snapshot["counters"].get(name, ()):
                found[tuple(labels)] = found.get(tuple(labels), 0) + number
        return found

    def _histogram(self, name: str, bounds: tuple[float, ...]) -> dict[Labels, Histogram]:
        found: dict[Labels, Histogram] = {}
        for snapshot in self._snapshots:
            for *labels, counts, total in snapshot["histograms"].get(name, ()):
                found.setdefault(tuple(labels), Histogram(bounds)).add(counts, total)
        return found


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    sum_so_far = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        sum_so_far += count
        pairs.append((bound, sum_so_far))
    return pairs
