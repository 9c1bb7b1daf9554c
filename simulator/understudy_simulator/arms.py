"""One armed scenario: how often it is played, how far it was played in each scope, what it lays over answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from understudy.scenario.latency import Profile
from understudy.scenario.model import Scenario

from .layers import Layer
from .playback import Playback
from .single_reply import SingleReply, single_reply

Sort = Literal["any", "named", "placed", "exact"]
"""Which scenarios a request is for: any, those that name its method or path, only those that name its path, or (exact)
those that name it and not just any."""


class Performance(NamedTuple):
    """A scenario that answers: its playback and the speed of its pauses (None: the simulator's own).

    `layer` are the faults that befall its answers, if it has some; `latency` is how long they take, if not as long as
    all others.
    """

    scenario: Scenario
    playback: Playback | SingleReply
    speed: float | None
    layer: Layer | None = None
    latency: Profile | None = None


class Arm:
    """One armed scenario, and how far it was played in each scope: begun how often, and for HTTP what goes on."""

    def __init__(
        self, scenario: Scenario, times: int | None, speed: float | None, since: datetime, latency: Profile | None
    ) -> None:
        self.scenario = scenario
        self.times = times
        self.speed = speed
        self.latency = latency
        self.layer = Layer(scenario, since) if scenario.faults else None
        self._begun: dict[str, int] = {}
        self._playing: dict[str, Playback] = {}
        is_plain = not scenario.surface.is_live and not scenario.faults
        self._single = single_reply(scenario.server) if is_plain else None

    def is_over(self, scope: str) -> bool:
        """Whether it was played to its end, all its times. (A Live session counts once it has begun.)

        One that only lays faults over others' answers has no end.
        """
        if not self.scenario.server:
            return False
        playback = self._playing.get(scope)
        if playback is not None and not playback.finished:
            return False
        return self.times is not None and self._begun.get(scope, 0) >= self.times

    def names(self, sort: Sort) -> bool:
        """Whether its `match` names what requests of that sort would have named."""
        match = self.scenario.match
        if sort == "exact":
            return match.path is not None and match.path != "*"
        return sort == "any" or match.path is not None or (sort == "named" and match.method is not None)

    def perform(self, scope: str, values: Mapping[str, str]) -> Performance:
        """The performance that answers now: of an HTTP scenario the one that goes on, else a new one."""
        if self._single is not None:
            self._begun[scope] = self._begun.get(scope, 0) + 1
            return Performance(self.scenario, self._single, self.speed, self.layer, self.latency)
        playback = self._playing.get(scope)
        if playback is None or playback.finished:
            playback = Playback(self.scenario.server, values)
            self._begun[scope] = self._begun.get(scope, 0) + 1
            if not self.scenario.surface.is_live:
                self._playing[scope] = playback
        return Performance(self.scenario, playback, self.speed, self.layer, self.latency)

    def start_over(self, scope: str | None, now: datetime) -> None:
        """As if nothing had been played in a scope, or (None) in any."""
        if self.layer is not None:
            self.layer.start_over(scope, now)
        for played in (self._begun, self._playing):
            if scope is None:
                played.clear()
            else:
                played.pop(scope, None)
