"""Both sides of a scripted session played against each other without a socket, in time that is only counted."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from understudy.messages import Sender
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.model import Scenario
from understudy_simulator.cues import (
    Abort,
    Action,
    Arrived,
    CloseWith,
    Elapsed,
    Event,
    Gone,
    Opened,
    SendMessage,
    Stall,
    Unexpected,
    Wait,
)
from understudy_simulator.playback import Playback

OTHER: Mapping[Sender, Sender] = {"client": "server", "server": "client"}
MOST_EVENTS = 100_000


@dataclass
class Played:
    """What passed between the two: messages in order, the times at which they were sent, and how it ended."""

    messages: list[tuple[Sender, bytes]] = field(default_factory=list[tuple[Sender, bytes]])
    times: list[float] = field(default_factory=list[float])
    mistakes: list[str] = field(default_factory=list[str])
    closed_by: Sender | None = None
    code: int | None = None
    reason: str = ""

    def said_by(self, sender: Sender) -> list[bytes]:
        return [message for one, message in self.messages if one == sender]


class _Play:
    def __init__(self, scenario: Scenario, values: Mapping[str, str]) -> None:
        self.sides: dict[Sender, Playback] = {
            "client": Playback(scenario.client, values, "client"),
            "server": Playback(scenario.server, values, "server"),
        }
        self.played = Played()
        self.now = 0.0
        self._due: dict[Sender, float] = {"client": 0.0, "server": 0.0}
        self._order = count()
        self._events: list[tuple[float, int, Sender, Event]] = []

    def run(self) -> Played:
        self._at(0.0, "client", Opened())
        self._at(0.0, "server", Opened())
        left = MOST_EVENTS
        while self._events and not all(side.finished for side in self.sides.values()):
            self.now, _, side, event = heapq.heappop(self._events)
            for action in self.sides[side].on(event):
                self._do(side, action)
            if self.sides[side].finished and self.played.closed_by is None:
                # Whoever is through closes in order, as simulator and driver do.
                self._close(side, 1000, "")
            left -= 1
            assert left, "the play does not end"
        self.played.mistakes += [f"the {side} is not through" for side, one in self.sides.items() if not one.finished]
        return self.played

    def _at(self, time: float, side: Sender, event: Event) -> None:
        heapq.heappush(self._events, (time, next(self._order), side, event))

    def _do(self, side: Sender, action: Action) -> None:
        match action:
            case SendMessage(_, payload):
                self.played.messages.append((side, payload))
                self.played.times.append(self.now)
                self._at(self.now, OTHER[side], Arrived(LazyJson(payload)))
            case Wait(seconds, id, paced):
                self._due[side] = (self._due[side] if paced else self.now) + seconds
                self._at(self._due[side], side, Elapsed(id))
            case Stall(seconds, id):
                self._at(self.now + seconds, side, Elapsed(id))
            case CloseWith(code, reason):
                self._close(side, code, reason)
            case Abort():
                self._close(side, None, "")
            case Unexpected():
                self.played.mistakes.append(f"{side}: {action}")
            case _:
                pass

    def _close(self, side: Sender, code: int | None, reason: str) -> None:
        if self.played.closed_by is None:
            self.played.closed_by, self.played.code, self.played.reason = side, code, reason
            self._at(self.now, OTHER[side], Gone(code))
            self._at(self.now, side, Gone(code))


def play_both(scenario: Scenario, values: Mapping[str, str]) -> Played:
    """Play the scenario's client against its server to the end."""
    return _Play(scenario, values).run()
