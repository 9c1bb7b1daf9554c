"""What each exchange cost, from copies of what passed, written to a file of JSON lines: {id, cost, known}."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from understudy.pricing.book import PriceBook
from understudy.pricing.cost import Cost
from understudy.pricing.exchanges import cost_of
from understudy.pricing.sessions import cost_of_session
from understudy.pricing.videos import cost_of_videos
from understudy.surfaces import Place
from understudy.usage.live import LiveReader, SessionReading
from understudy.usage.operations import VeoRequest, veo_request
from understudy.usage.readers import reader_for
from understudy.usage.reading import Reading

FREE: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT"})
"""Methods of HTTP that nothing is billed for."""


@dataclass(frozen=True)
class Spend:
    """Where costs are written (None: nowhere), and by which prices."""

    file: Path | None
    prices: PriceBook


@dataclass(frozen=True)
class Seen:
    """One exchange as the books see it: copies, uncompressed by nobody; `fields` are the client's."""

    id: str
    place: Place | None
    method: str
    fields: tuple[tuple[bytes, bytes], ...]
    asked: bytes
    status: int
    kind: str
    coding: str
    answer: bytes
    is_whole: bool


class Books:
    """The gateway's books."""

    def __init__(self, spend: Spend) -> None:
        self._file = spend.file
        self.prices = spend.prices
        self._jobs: dict[str, tuple[Place, VeoRequest]] = {}
        self._settled: set[str] = set()

    # -- HTTP

    def exchange(self, seen: Seen) -> None:
        """Book one exchange; a video when its operation is first seen to be done."""
        self.write(seen.id, self.cost(seen))
        if seen.place is not None and seen.status == 200 and seen.is_whole:
            self.operation(seen, seen.place)

    def cost(self, seen: Seen) -> Cost:
        """What an exchange cost."""
        if seen.place is None or seen.method in FREE:
            return Cost()
        return self.price(seen, seen.place, self.reading(seen, seen.place))

    def reading(self, seen: Seen, place: Place) -> Reading:
        """What the answer says of usage."""
        reader = reader_for(place.method, seen.kind, self.coding(seen))
        reader.feed(self.legible(seen.answer))
        return reader.finish()

    def coding(self, seen: Seen) -> str:
        """How the answer is compressed."""
        return seen.coding

    def legible(self, answer: bytes) -> bytes:
        """What of an answer or a message is read: all."""
        return answer

    def price(self, seen: Seen, place: Place, reading: Reading) -> Cost:
        """What that usage costs."""
        return cost_of(
            self.prices,
            place.surface.provider,
            place.model or "",
            reading,
            method=place.method,
            date=today(),
            location=place.location,
            status=seen.status,
            complete=seen.is_whole,
        )

    # -- video

    def operation(self, seen: Seen, place: Place) -> None:
        """Note a job that starts, settle one that is done."""
        is_start = place.method == "predictLongRunning"
        if not (is_start or place.method == "fetchPredictOperation" or place.operation is not None):
            return
        try:
            value: Any = json.loads(seen.answer)
        except ValueError:
            return
        name = value.get("name", "") if isinstance(value, dict) else ""
        if is_start and name:
            self._jobs[name] = (place, veo_request(seen.asked))
        elif name in self._jobs and value.get("done") and not self.is_settled(name):
            self._settled.add(name)
            place, request = self._jobs[name]
            self.write(name, self.video_cost(place, request, self.delivered(value)))

    def is_settled(self, name: str) -> bool:
        """Whether a job was billed before."""
        return name in self._settled

    def delivered(self, done: dict[str, Any]) -> int:
        """How many videos a job that is done delivered."""
        response = done.get("response", {})
        samples = response.get("generateVideoResponse", {}).get("generatedSamples", [])
        return len(samples or response.get("videos", []))

    def video_cost(self, place: Place, request: VeoRequest, delivered: int) -> Cost:
        """What a job costs."""
        return cost_of_videos(self.prices, place.surface.provider, place.model or "", request, delivered, date=today())

    # -- Live

    def message(self, reader: LiveReader, payload: bytes) -> None:
        """Read one message of the provider."""
        reader.server_message(self.legible(payload))

    def session(self, id: str, provider: str, reading: SessionReading, was_closed: bool) -> None:
        """Book a session when it is over; `was_closed`: by a close frame."""
        self.write(id, cost_of_session(self.prices, provider, reading, date=today()))

    # -- the file

    def write(self, id: str, cost: Cost) -> None:
        """One line."""
        if self._file is None:
            return
        total = cost.total
        line = {"id": id, "cost": None if total is None else f"{total:f}", "known": cost.known.value}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def today() -> date:
    """The UTC day."""
    return datetime.now(UTC).date()
