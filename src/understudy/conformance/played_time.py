"""How long a scenario takes when it is played, and whether it can be played without taking time. Pure."""

from collections.abc import Sequence
from typing import Final

from ..scenario.model import Branch, Pause, Repeat, Scenario, SendAudio, Step

SPARE_S: Final = 15.0
"""What a session may take beyond its own waits."""


def is_timed(scenario: Scenario) -> bool:
    """Whether what happens depends on time: audio that the other side may interrupt while it is spoken."""
    return _has_interruption(scenario.server) or _has_interruption(scenario.client)


def session_limit_s(scenario: Scenario, speed: float) -> float:
    """How long a session may take at most: its waits at that speed (0: none) and a spare."""
    if speed <= 0:
        return SPARE_S
    return SPARE_S + (_waits_s(scenario.server) + _waits_s(scenario.client)) / speed


def _has_interruption(steps: Sequence[Step]) -> bool:
    for step in steps:
        match step:
            case SendAudio():
                if step.interrupt_on is not None:
                    return True
            case Repeat(inner):
                if _has_interruption(inner):
                    return True
            case Branch(cases, otherwise):
                if any(map(_has_interruption, (*(case.steps for case in cases), otherwise))):
                    return True
            case _:
                pass
    return False


def _waits_s(steps: Sequence[Step]) -> float:
    """All pauses and paced audio; of a branch the longest way. Steps without end count once."""
    whole = 0.0
    for step in steps:
        match step:
            case Pause(seconds):
                whole += seconds
            case SendAudio():
                whole += step.duration_s / step.pace if step.pace > 0 else 0.0
            case Repeat(inner, times):
                whole += _waits_s(inner) * (times or 1)
            case Branch(cases, otherwise):
                whole += max(map(_waits_s, (*(case.steps for case in cases), otherwise)))
            case _:
                pass
    return whole
