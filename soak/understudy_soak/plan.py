"""What a soak is to be: how long, how many clients, and what they and the provider draw from the seed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Plan:
    """One soak. `seconds` is the time of load, `kills` how often the gateway is killed in it, `think_s` the mean pause
    of a client between two things that it does, `warm_s` the time of each life that slopes leave out."""

    seconds: float = 600.0
    clients: int = 200
    seed: int = 0
    kills: int = 2
    think_s: float = 1.0
    warm_s: float = 45.0

    @property
    def lives(self) -> tuple[float, ...]:
        """How long the gateway lives each time, in seconds: not quite evenly, so that kills meet no rhythm."""
        share = self.seconds / (self.kills + 1)
        shifts = [((self.seed * 37 + number * 53) % 21 - 10) / 100 for number in range(self.kills)]
        ends = [share * (number + 1 + shift) for number, shift in enumerate(shifts)] + [self.seconds]
        return tuple(end - begin for begin, end in zip([0.0, *ends], ends, strict=False))


SHARES: Final[Mapping[str, float]] = {
    "unary": 0.30,
    "stream": 0.25,
    "embedding": 0.14,
    "upload": 0.07,
    "live": 0.12,
    "video": 0.12,
}
"""How often a client does what."""

LEAVES: Final = 0.06
"""The share of requests and sessions that a client leaves in the middle."""


def faults(seed: int) -> dict[str, Any]:
    """The scenario of what the provider does wrong: about a tenth of its answers, drawn from the seed."""
    return {
        "id": "soak/faults",
        "title": "What a provider does wrong now and then",
        "surface": "gemini",
        "model": "*",
        "seed": seed,
        "match": {"surface": "*"},
        "faults": [
            {"fault": {"reset_peer": True}, "probability": 0.02},
            {"fault": {"truncate": 80}, "probability": 0.02},
            {"fault": {"latency": "700ms"}, "probability": 0.03},
            {"fault": {"hang_up": True}, "probability": 0.01},
            {"fault": {"half_close": True}, "probability": 0.01},
            {"error": "unavailable", "probability": 0.01},
            {"error": "quota-gemini", "probability": 0.01},
        ],
    }
