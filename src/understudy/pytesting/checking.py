"""The conformance suite as a test uses it: one name is played through the gateway at hand and judged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from ..conformance.catalogue import CHECKS, Pair, named, paired
from ..conformance.model import Verdict
from ..conformance.report.veil import Veil
from ..conformance.runner import Plan, run
from ..conformance.target import Target
from ..errors import ConfigError
from ..library import load_all
from ..scenario.model import Scenario
from ..surfaces import Surface
from .gateway import Gateway
from .server import Server

_BAD: Final = ("failed", "errored")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: a line for each verdict, the text of a failure (empty: none), why nothing was judged."""

    lines: tuple[str, ...]
    failures: tuple[str, ...] = ()
    skip_reason: str = ""


class Suite:
    """The suite, aimed at `gateway` (None: there is none), whose upstream is the simulator at `server`."""

    def __init__(self, server: Server, gateway: Gateway | None) -> None:
        self.server = server
        self.gateway = gateway

    def judge(self, name: str, check: str | None = None, speed: float | None = None) -> Outcome:
        """Play and judge all that `name` names; `check` narrows the checks down.

        Raises ConfigError if there is no gateway or nothing is called so, TargetError if gateway or simulator cannot
        be reached.
        """
        gateway = self.gateway
        if gateway is None:
            raise ConfigError("no gateway to judge: give --understudy-gateway URL, or override `understudy_target`")
        pairs = self._pairs(name, check)
        plan = Plan(
            url=gateway.url,
            target=_narrowed(gateway.target, pairs),
            pairs=pairs,
            control=self.server.admin_url,
            control_key=self.server.control_key,
            speed=speed,
        )
        # In a thread of its own: the test may have an event loop that is running.
        with ThreadPoolExecutor(1, "understudy-check") as pool:
            done = pool.submit(run, plan).result()
        return outcome_of(name, gateway, done.verdicts, Veil(done).text)

    def _pairs(self, name: str, check: str | None) -> tuple[Pair, ...]:
        words = {word.lower() for check in CHECKS for word in (check.area, check.requirement, check.id)}
        if name.lower() in words:
            checks = named([name, *([check] if check else [])])
            return paired(checks, self._library)
        return paired(named([check] if check else []), self._library, [name])

    @cached_property
    def _library(self) -> tuple[Scenario, ...]:
        return load_all()


def _narrowed(target: Target, pairs: tuple[Pair, ...]) -> Target:
    """The target with no surfaces but those of `pairs`: the suite tries out how a scope gets through on each."""
    used = {feature for pair in pairs for feature in (*pair.probe.features, pair.probe.surface.value)}
    used |= {surface.removesuffix("-veo") for surface in used}
    unused = {surface.value for surface in Surface} - used
    return replace(target, features=target.features - unused)


def outcome_of(
    name: str, gateway: Gateway, verdicts: tuple[Verdict, ...], veiled: Callable[[str], str] = lambda line: line
) -> Outcome:
    """What verdicts come to: failed if one of them is failed or errored, skipped if all are.

    `veiled` takes the secrets out of a line that is shown; the gateway key is taken out in any case.
    """
    lines = tuple(
        f"{verdict.status} {verdict.check.id} {verdict.probe}" + (f" ({verdict.reason})" if verdict.reason else "")
        for verdict in verdicts
    )
    bad = [verdict for verdict in verdicts if verdict.status in _BAD]
    if bad:
        title = f"{name} through {gateway.url}: {len(bad)} of {len(verdicts)} verdicts are failures"
        told = [line for verdict in bad for line in _told(verdict)]
        return Outcome(lines, (title, "", *(_hidden(veiled(line), gateway.target) for line in told)))
    if all(verdict.status == "skipped" for verdict in verdicts):
        reasons = dict.fromkeys(verdict.reason for verdict in verdicts)
        return Outcome(lines, skip_reason="; ".join(reasons) or "no check is judged on it")
    return Outcome(lines)


def _told(verdict: Verdict) -> list[str]:
    """One failure: the rule, what was found, and the evidence."""
    check = verdict.check
    source = f" ({check.reference})" if check.reference else ""
    lines = [f"{verdict.status.upper()} {check.id} on {verdict.probe}", f"  {check.sentence}{source}"]
    if verdict.reason:
        lines.append(f"  {verdict.reason}")
    for finding in verdict.findings:
        lines.append(f"  - {finding.message}")
        lines += [f"      {line}" for line in finding.evidence]
    return [*lines, ""]


def _hidden(line: str, target: Target) -> str:
    """A line of evidence without the gateway key, fit for a terminal."""
    key = target.key.reveal() if target.key is not None else ""
    line = line.replace(key, "<key>") if key else line
    return "".join(char if char.isprintable() else "?" for char in line)
