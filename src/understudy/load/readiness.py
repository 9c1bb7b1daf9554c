"""Before a run: scenarios are armed, each conversation is tried once in each arm."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from ..control import Control
from ..errors import TargetError
from ..library import load
from .addresses import address_of
from .conversations import conversation_of
from .failures import PlayFailure
from .plan import ArmPlan
from .playing import Player
from .schedule import ARMS, Arm


@contextmanager
def armed(control: Control, scenarios: Sequence[str], say: Callable[[str], None]) -> Generator[None, None, None]:
    """The scenarios are on, without end, in the default scope, while the block runs.

    A gateway may drop whatever would name another scope. A default scope that was untouched is made so again; one that
    was in use stays as it is, and `say` is told. Raises TargetError.
    """
    default = next((scope for scope in control.scopes() if not scope.name), None)
    is_untouched = default is None or not (default.armed or default.played_out or default.requests)
    if default is not None and default.armed:
        say(f"the simulator plays already {', '.join(default.armed)}; what fits those is answered by them")
    armed_before = default.armed if default is not None else ()
    for scenario in dict.fromkeys(scenarios):
        loaded = load(scenario)
        if loaded.id not in armed_before:
            control.play(loaded.id, times=None)
    try:
        yield
    finally:
        if is_untouched:
            control.reset("")
        else:
            say("the scenarios stay armed in the simulator's default scope, which was in use before")


def try_once(arms: Mapping[Arm, ArmPlan], scenarios: Sequence[str], ca: str | None, control: Control) -> None:
    """Play each conversation once in each arm.

    Raises TargetError if one does not come to its end, or if a gateway answers that did not ask the simulator.
    """
    for arm in ARMS:
        where = arms[arm]
        address, path = address_of(where.url, ca)
        before = _requests(control)
        with Player(address, where.target) as player:
            for scenario in scenarios:
                try:
                    player.play(conversation_of(load(scenario), where.target, path))
                except PlayFailure as failure:
                    raise TargetError(
                        f"{where.url}: {scenario} does not work there: {failure}{_hint(failure)}"
                    ) from None
        if arm == "through" and _requests(control) < before + len(scenarios):
            raise TargetError(
                f"{where.url}: answers, but the simulator was not asked: its upstream must be {arms['direct'].url}"
            )


def _requests(control: Control) -> int:
    return sum(scope.requests for scope in control.scopes())


def _hint(failure: PlayFailure) -> str:
    text = str(failure)
    if text.endswith(("HTTP 401", "HTTP 403")):
        return " (is --key right?)"
    if text.endswith("HTTP 404"):
        return " (is --target right? It says which prefixes the gateway has)"
    if text.endswith(("HTTP 502", "HTTP 503", "HTTP 504")):
        return " (is the simulator its upstream?)"
    return ""
