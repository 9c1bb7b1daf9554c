"""Plays probes through a gateway, eight at a time in scopes of their own, and has the checks judge what came of it.

for each probe: arm its scenario -> play the client -> wait for the provider's side to end -> both transcripts
and the books are a Case -> every check of the probe judges it -> Verdicts
"""

import asyncio
import json
import platform
import secrets
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, assert_never
from urllib.parse import urlsplit

from .. import __version__
from ..control import Control
from ..errors import UnderstudyError
from ..messages import Transcript
from ..price_books import price_book
from ..pricing.book import PriceBook
from ..secret import Secret
from ..surfaces import Surface
from .books import Ledger, LinesFile, cost_by, figures_in_headers, ids_of, operation_names
from .catalogue import Pair, missing_features
from .driver import Aim, Driver, ScopeCarrier, address_of
from .model import Books, Case, Check, Finding, Probe, Run, Verdict
from .scopes import found_carriers
from .spend_endpoint import SpendEndpoint
from .target import Target

JOBS: Final = 8
_LOOK_S: Final = 0.02
_ASK_S: Final = 0.2
"""How long to wait before a gateway is asked for a cost again."""
_LATE_S: Final = 0.7
"""How long after the last probe the books are read once more."""
_LEAVING_S: Final = 0.5
"""How long after its client left a request may still be on its way through the gateway."""

Progress = Callable[[int, int, str], None]
"""Called with how many probes are played, how many there are, and which was played last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be judged. `url` is the gateway's; `control` the simulator's admin address.

    `speed` None leaves each probe its own; `tls` is for an https URL whose CA the system does not know.
    """

    url: str
    target: Target
    pairs: tuple[Pair, ...]
    control: str
    control_key: Secret | None = None
    jobs: int = JOBS
    speed: float | None = None
    strict: bool = False
    tls: ssl.SSLContext | None = None
    command: tuple[str, ...] = ()


def run(plan: Plan, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False) -> Run:
    """Play and judge; from a thread without an event loop.

    When `stop` says so no more probes are played, and the run is a partial one. Raises TargetError if gateway or
    simulator cannot be reached.
    """
    done: list[Run] = []

    async def main() -> None:
        # Not returned: when it takes its signal handler away, asyncio.run writes out the task's whole result.
        done.append(await _run(plan, progress or (lambda done, total, id: None), stop))

    asyncio.run(main())
    return done[0]


async def _run(plan: Plan, progress: Progress, stop: Callable[[], bool]) -> Run:
    started, began = datetime.now(UTC), time.monotonic()
    with Control(plan.control, plan.control_key) as control:
        health = await asyncio.to_thread(control.health)
        upstream = str(health.get("http") or "")
        clock = await asyncio.to_thread(control.clock)
        aim = Aim(address_of(plan.url, plan.tls), urlsplit(plan.url).path.rstrip("/"), plan.target, "", None, upstream)
        run_id = "check-" + secrets.token_hex(4)
        carriers = await found_carriers(aim, control, run_id, stop)
        stage = _Stage(plan, aim, carriers.by_surface, run_id, progress, stop)
        cases = await stage.play_all(lambda: _since(control, clock.monotonic_s))
    verdicts = tuple(
        judged(pair, plan.target, cases.get(pair.probe.id), stage.errors.get(pair.probe.id)) for pair in plan.pairs
    )
    return Run(
        target=plan.target,
        url=plan.url,
        simulator=upstream,
        verdicts=verdicts,
        carriers=carriers.by_surface,
        cases=cases,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        versions={
            "understudy": __version__,
            "simulator": str(health.get("version", "")),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        },
        command=plan.command,
        strict=plan.strict,
        is_partial=stop(),
    )


def _since(control: Control, start: float) -> Transcript:
    """What the simulator saw outside every scope since then."""
    seen = control.transcript("")
    return Transcript(
        tuple(exchange for exchange in seen.exchanges if exchange.started >= start),
        tuple(session for session in seen.sessions if session.started >= start),
    )


class _Stage:
    """Plays the probes of one run."""

    def __init__(
        self,
        plan: Plan,
        aim: Aim,
        carriers: Mapping[Surface, ScopeCarrier | None],
        run_id: str,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._aim = aim
        self._carriers = carriers
        self._run_id = run_id
        self._progress = progress
        self._stop = stop
        self._ledger = _ledger(plan)
        self._book: PriceBook | None = price_book("shipped") if plan.target.price_book == "shipped" else None
        self._with_books = {pair.probe.id for pair in plan.pairs if pair.check.needs_books}
        self._done = 0
        self._cases: dict[str, Case] = {}
        self._wanted: dict[str, tuple[str, ...]] = {}
        self.errors: dict[str, str] = {}
        """What kept the suite from playing a probe, by its id."""

    async def play_all(self, elsewhere: Callable[[], Transcript]) -> dict[str, Case]:
        """All probes that the target claims the features of, by their ids: in parallel, those without a scope alone.

        `elsewhere` gives what the simulator saw outside every scope. It is asked before a probe is played there.
        """
        probes = {
            pair.probe.id: pair.probe for pair in self._plan.pairs if not missing_features(pair, self._plan.target)
        }
        scoped = [probe for probe in probes.values() if self._carrier(probe) is not None]
        alone = [probe for probe in probes.values() if self._carrier(probe) is None]
        waiting = iter(list(enumerate(scoped)))

        async def work() -> None:
            with Control(self._plan.control, self._plan.control_key) as control:
                for number, probe in waiting:
                    if self._stop():
                        return
                    await self._play(control, probe, f"{self._run_id}-{number}", len(probes))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(max(1, min(self._plan.jobs, len(scoped)))):
                    group.create_task(work())
        except* UnderstudyError as errors:
            # One is enough: when the simulator is gone, all say so.
            raise _first(errors) from None
        strays = await asyncio.to_thread(elsewhere)
        with Control(self._plan.control, self._plan.control_key) as control:
            for probe in alone:
                if self._stop():
                    break
                await asyncio.to_thread(control.reset, "")
                await self._play(control, probe, "", len(probes))
        await self._read_late_figures()
        return {id: replace(case, elsewhere=strays) for id, case in self._cases.items()}

    async def _read_late_figures(self) -> None:
        """Read the books once more at the end: what is billed twice may be billed late."""
        ledger = self._ledger
        if ledger is None or not self._wanted:
            return
        await asyncio.sleep(min(_LATE_S, self._plan.target.cost.within_s))
        for id, wanted in self._wanted.items():
            figures = await asyncio.to_thread(ledger.figures, wanted)
            self._cases[id] = replace(self._cases[id], books=Books(figures))

    def _carrier(self, probe: Probe) -> ScopeCarrier | None:
        surface = probe.surface
        if surface in (Surface.GEMINI_VEO, Surface.VERTEX_VEO):
            surface = Surface.VERTEX if surface.is_vertex else Surface.GEMINI
        return self._carriers.get(surface)

    async def _play(self, control: Control, probe: Probe, scope: str, total: int) -> None:
        if self._plan.speed is not None:
            probe = replace(probe, speed=self._plan.speed)
        carrier = self._carrier(probe)
        await asyncio.to_thread(
            control.play,
            probe.scenario.id if probe.document is None else self._filled(probe.document),
            scope=scope,
            carrier=carrier or "header",
            times=probe.times,
            speed=probe.speed,
        )
        began = time.monotonic()
        watch = _Watch(control, scope)
        driver = Driver(replace(self._aim, scope=scope, carrier=carrier), watch.until_seen)
        try:
            await driver.play(probe)
        except UnderstudyError:
            raise
        except Exception as error:
            # Whatever a gateway answers, the other probes are played all the same.
            self.errors[probe.id] = f"{type(error).__name__}: {error}"
        if any(asked.ask.leaves is not None for asked in driver.asked):
            await asyncio.sleep(_LEAVING_S)
        elif driver.conversed:
            # A session's transcript may be megabytes long: it is fetched when it is likely to be whole.
            await asyncio.sleep(_LOOK_S)
        upstream = await watch.settled(probe.settle_s)
        case = Case(
            probe,
            self._plan.target,
            tuple(driver.asked),
            tuple(driver.conversed),
            upstream,
            expected=self._expected(probe, upstream),
            origin=urlsplit(self._aim.upstream).netloc,
            scope=scope,
            seconds=time.monotonic() - began,
        )
        self._cases[probe.id] = replace(case, books=await self._books(case))
        await asyncio.to_thread(control.reset, scope)
        self._done += 1
        self._progress(self._done, total, probe.id)

    def _filled(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The scenario, with the simulator's own address where it says `{{upstream}}`."""
        return json.loads(json.dumps(document).replace("{{upstream}}", self._aim.upstream))

    def _expected(self, probe: Probe, upstream: Transcript) -> Decimal | None:
        return probe.scenario.expect.cost if self._book is None else cost_by(self._book, probe, upstream)

    async def _books(self, case: Case) -> Books | None:
        source = self._plan.target.cost
        if case.probe.id not in self._with_books:
            return None
        match source.kind:
            case "none":
                return None
            case "header":
                return Books(figures_in_headers(case.asked, source))
            case "json-lines" | "endpoint":
                return await self._from_ledger(case)
            case _:
                assert_never(source.kind)

    async def _from_ledger(self, case: Case) -> Books:
        """The figures of all that was asked, and of the operations that ended; what is late is waited for."""
        source, ledger = self._plan.target.cost, self._ledger
        assert ledger is not None
        calls = ids_of(case.asked, case.conversed, source)
        wanted = (*calls, *operation_names(case.upstream))
        self._wanted[case.probe.id] = wanted
        deadline = time.monotonic() + source.within_s
        while True:
            figures = await asyncio.to_thread(ledger.figures, wanted)
            if {figure.id for figure in figures}.issuperset(wanted) or time.monotonic() > deadline:
                return Books(figures)
            await asyncio.sleep(_LOOK_S if source.kind == "json-lines" else _ASK_S)


def _ledger(plan: Plan) -> Ledger | None:
    """Where the target's costs are looked up; None if they stand in its answers, or nowhere."""
    source = plan.target.cost
    match source.kind:
        case "json-lines":
            return LinesFile(source)
        case "endpoint":
            return SpendEndpoint(source, plan.url, plan.target.key, plan.tls)
        case "header" | "none":
            return None
        case _:
            assert_never(source.kind)


def _first(errors: BaseExceptionGroup[UnderstudyError]) -> UnderstudyError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Watch:
    """Looks at what the simulator has seen in one scope."""

    def __init__(self, control: Control, scope: str) -> None:
        self._control = control
        self._scope = scope

    async def until_seen(self) -> None:
        """Return once a request is under way there, or after five seconds."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            seen = await asyncio.to_thread(self._control.transcript, self._scope)
            if not _is_over(seen):
                return
            await asyncio.sleep(_LOOK_S)

    async def settled(self, within_s: float) -> Transcript:
        """The transcript once all in it has ended, or as it stands after that time."""
        deadline, look_s = time.monotonic() + within_s, _LOOK_S
        while True:
            seen = await asyncio.to_thread(self._control.transcript, self._scope)
            if _is_over(seen) or time.monotonic() > deadline:
                return seen
            await asyncio.sleep(look_s)
            look_s = min(look_s * 2, 0.2)


UNDER_WAY: Final = "not ended yet"
"""The failure of an exchange that goes on."""


def _is_over(seen: Transcript) -> bool:
    return all(exchange.failure != UNDER_WAY for exchange in seen.exchanges) and all(
        session.ended is not None for session in seen.sessions
    )


def judged(pair: Pair, target: Target, case: Case | None, error: str | None = None) -> Verdict:
    """The verdict of a check on a probe; `case` None: it was not played; `error`: what kept it from being played."""
    check, probe = pair.check, pair.probe
    missing = missing_features(pair, target)
    if missing:
        return Verdict(check, probe.id, "skipped", f"undeclared: {', '.join(missing)}")
    if case is None:
        return Verdict(check, probe.id, "skipped", "not played")
    if error is not None:
        return Verdict(check, probe.id, "errored", error, seconds=case.seconds)
    if check.needs_books and case.books is None:
        return Verdict(check, probe.id, "skipped", "undeclared: cost")
    if check.needs_books and case.expected is None and probe.scenario.expect.cost is not None:
        return Verdict(check, probe.id, "skipped", "the price book does not say what it costs")
    try:
        findings = tuple(check.judge(case))
    except Exception as mistake:
        # A mistake of the suite must neither pass nor be held against the gateway.
        return Verdict(check, probe.id, "errored", f"{type(mistake).__name__}: {mistake}")
    if not findings:
        return Verdict(check, probe.id, "passed", seconds=case.seconds)
    deviation = next((one for one in target.deviations if is_about(one.check, check)), None)
    if deviation is not None:
        return Verdict(check, probe.id, "skipped", f"known deviation: {deviation.reason}", findings, case.seconds)
    status = "failed" if check.level == "must" else "warned" if check.level == "should" else "passed"
    return Verdict(check, probe.id, status, _reason(findings), findings, case.seconds)


def is_about(word: str, check: Check) -> bool:
    """Whether a word names the check, its requirement or its area."""
    return word in (check.id, check.requirement, check.area)


def _reason(findings: Sequence[Finding]) -> str:
    return "timeout" if any(finding.is_timeout for finding in findings) else ""
