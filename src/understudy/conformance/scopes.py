"""How the suite's scope gets through the gateway: tried out once, surface by surface, before anything is judged."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..control import Control
from ..errors import TargetError
from ..surfaces import Surface
from .driver import Aim, Driver, ScopeCarrier
from .model import Ask, Converse, Probe
from .probes import GEMINI_MODEL, GENERATE, HELLO, VERTEX, Document, http_probe, live_probe, reply
from .target import SurfaceOrder

_ORDER: Final[tuple[ScopeCarrier, ...]] = ("header", "path")
"""A marker in the body, which the simulator knows too, is not used: it would change what is judged."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """By surface, what carries the scope (None: nothing does); `said` is what the gateway answered at first."""

    by_surface: Mapping[Surface, ScopeCarrier | None]
    said: Mapping[Surface, str]


def _trial(surface: Surface) -> Probe:
    """A request, or a handshake that is closed at once."""
    title = "does the scope get through?"
    if surface.is_live:
        server: list[Document] = [{"receive": "any"}, {"receive": "close"}]
        return live_probe("trial", title, Converse(()), server, surface=surface)
    path = f"{VERTEX}{GEMINI_MODEL}:generateContent" if surface.is_vertex else GENERATE
    return http_probe("trial", title, Ask(path, body=HELLO), server=[reply()], surface=surface)


async def found_carriers(aim: Aim, control: Control, run_id: str, stop: Callable[[], bool]) -> Carriers:
    """What carries the scope on each surface that the target claims; when `stop` says so, no more is tried.

    Raises TargetError if no request of the suite reached the simulator at all: then there is nothing to judge.
    """
    by_surface: dict[Surface, ScopeCarrier | None] = {}
    said: dict[Surface, str] = {}
    reached = False
    for surface in SurfaceOrder:
        if surface.value not in aim.target.features:
            continue
        by_surface[surface] = None
        for carrier in _ORDER:
            if stop():
                return Carriers(by_surface, said)
            scope = f"{run_id}-{surface.value}-{carrier}"
            answer, came = await _tried(replace(aim, scope=scope, carrier=carrier), control, _trial(surface))
            said.setdefault(surface, answer)
            if came == "scope":
                by_surface[surface] = carrier
            reached = reached or came != "nowhere"
            if came == "scope" or answer.startswith(_SILENT):
                break
    if by_surface and not reached:
        answers = "; ".join(f"{surface.value}: {answer}" for surface, answer in said.items())
        raise TargetError(
            f"nothing that was sent to {aim.address.authority} reached the simulator at {aim.upstream}: is it the "
            f"gateway's upstream, and is the key right? ({answers})"
        )
    return Carriers(by_surface, said)


_SILENT: Final = ("no connection", "no whole answer", "no handshake")
"""How answers of a gateway begin that would say no more to a second carrier."""


async def _tried(aim: Aim, control: Control, probe: Probe) -> tuple[str, str]:
    """What the gateway said, and where it came out: in the `scope`, `elsewhere`, or `nowhere`."""
    carrier = aim.carrier or "header"
    before = await asyncio.to_thread(_requests, control)
    await asyncio.to_thread(control.play, probe.document or {}, scope=aim.scope, carrier=carrier, times=None, speed=0.0)

    async def at_once() -> None:
        return

    driver = Driver(aim, at_once)
    await driver.play(probe)
    await asyncio.sleep(0.05)
    seen = await asyncio.to_thread(control.transcript, aim.scope)
    after = await asyncio.to_thread(_requests, control)
    await asyncio.to_thread(control.reset, aim.scope)
    # A gateway that takes a handshake for a plain request has brought the scope, but no session.
    if seen.sessions if probe.surface.is_live else seen.exchanges:
        return _answer(driver), "scope"
    return _answer(driver), "elsewhere" if after > before else "nowhere"


def _requests(control: Control) -> int:
    """How many requests the simulator has seen outside every scope of ours."""
    return sum(scope.requests for scope in control.scopes() if scope.name == "")


def _answer(driver: Driver) -> str:
    """What the gateway said, in a few words."""
    for asked in driver.asked:
        response = asked.exchange.response
        return f"HTTP {response.status}" if response is not None else str(asked.problem)
    for one in driver.conversed:
        return one.problem or f"HTTP {one.session.status}"
    return "nothing"
