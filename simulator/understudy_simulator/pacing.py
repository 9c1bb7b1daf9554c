"""How long answers take by a latency profile: waits put into HTTP answers and before messages of Live sessions. Pure.

Each wait is drawn for its own place (purpose and number) in its own request, so that what else is drawn, or answered
at the same time, does not change it; only the load does, on purpose.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from understudy.scenario.latency import NONE, Distribution, Profile, quantile
from understudy.scenario.model import Fault, Pause

from .draws import Draws
from .ids import Identity
from .injecting import is_chunk
from .replies import Outgoing, Part

_TEXT: Final = re.compile(rb'"(?:text|content|delta)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_BYTES_A_TOKEN: Final = 4
_USAGE: Final = re.compile(
    rb'"(?:candidatesTokenCount|responseTokenCount|completion_tokens|output_tokens)"\s*:\s*([0-9]{1,9})'
)


@dataclass(slots=True)
class UnderWay:
    """How many answers are being given at this moment, in all scopes."""

    count: int = 0


class Pace:
    """The waits of one request or session."""

    def __init__(self, profile: Profile, identity: Identity, under_way: UnderWay) -> None:
        self._profile = profile
        self._identity = identity
        self._under_way = under_way

    def drawn(self, word: str, place: int = 0) -> float:
        """The wait of that word of the profile, the one at that place, under the load of this moment, in seconds."""
        distribution: Distribution = getattr(self._profile, word)
        if distribution == NONE:
            return 0.0
        share = Draws(self._identity, f"latency {word} {place}").next()
        load = self._profile.load
        factor = 1.0 if load is None else load.times(self._under_way.count)
        return quantile(distribution, share) * factor

    @property
    def counts_input(self) -> bool:
        """Whether the tokens of the request matter."""
        return self._profile.per_token_in != NONE

    def first(self, tokens_in: int) -> float:
        """The wait before an answer to so many tokens."""
        return self.drawn("first_token") + tokens_in * self.drawn("per_token_in")

    def chunk(self, place: int, data: bytes) -> float:
        """The wait that the chunk or message of that place takes, by its own tokens and (after the first) its gap."""
        gap = self.drawn("gap", place) if place else 0.0
        per_token = self.drawn("per_token_out", place)
        return gap + (per_token * tokens_out(data) if per_token else 0.0)


def tokens_out(data: bytes) -> int:
    """About how many tokens of output a body or chunk brings: as it says itself, else by the length of its texts."""
    texts = sum(len(found) for found in _TEXT.findall(data))
    by_length = -(-texts // _BYTES_A_TOKEN)
    if by_length:
        return by_length
    said = _USAGE.findall(data)
    return int(said[-1]) if said else 0


def slowed(outgoing: Outgoing, pace: Pace, *, tokens_in: int | None, is_new: bool) -> Outgoing:
    """The answer with the waits of a profile. `tokens_in` None: it is no model's answer, and only `is_new` matters:
    that it is the first on its connection."""
    before = pace.drawn("connect") if is_new else 0.0
    parts: list[Part] = []
    place = 0
    for part in outgoing.parts if tokens_in is not None else ():
        if is_chunk(part):
            wait = pace.chunk(place, part if isinstance(part, bytes) else b"")
            if place == 0:
                before += wait
            elif wait > 0:
                parts.append(Pause(wait))
            place += 1
        parts.append(part)
    if tokens_in is None:
        parts.extend(outgoing.parts)
    else:
        before += pace.first(tokens_in)
    waits: tuple[Pause | Fault, ...] = (Pause(before),) if before > 0 else ()
    return replace(outgoing, before=(*waits, *outgoing.before), parts=tuple(parts))


class LivePace:
    """The waits before the messages of one session."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._sent = 0
        self._answers = 0
        self._tokens_in = 0
        self._heard = False

    def heard(self, payload: bytes) -> None:
        """A message of the client came."""
        self._heard = True
        if self._pace.counts_input:
            self._tokens_in += tokens_out(payload)

    def before(self, payload: bytes) -> float:
        """How long the next message of the server takes, in seconds."""
        place, self._sent = self._sent, self._sent + 1
        own = self._pace.drawn("per_token_out", place) * tokens_out(payload)
        if place == 0:
            self._heard, self._tokens_in = False, 0
            return self._pace.drawn("connect") + self._pace.drawn("setup") + own
        if not self._heard:
            return self._pace.drawn("gap", place) + own
        tokens, self._heard, self._tokens_in = self._tokens_in, False, 0
        answer, self._answers = self._answers, self._answers + 1
        first = self._pace.drawn("first_token", answer) + tokens * self._pace.drawn("per_token_in", answer)
        return first + own
