"""What came of a run: by check, area and feature, which known deviations still hold, and the exit status. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ..model import Check, Run, Status, Verdict
from ..target import FEATURES, Deviation

STATUSES: Final[tuple[Status, ...]] = ("passed", "warned", "failed", "errored", "skipped")
KNOWN_DEVIATION: Final = "known deviation"

_WORST_FIRST: Final = ("failed", "errored", "warned", KNOWN_DEVIATION, "passed", "skipped")
"""A known deviation outweighs what passed beside it: a skip is never a pass."""

DeviationState = Literal["needed", "no longer needed", "not judged"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check on all its probes: the status is that of the worst."""

    check: Check
    status: Status
    verdicts: tuple[Verdict, ...]

    @property
    def worst(self) -> Verdict:
        """The first verdict of the worst ones; what the status and its reason are."""
        return min(self.verdicts, key=_rank)

    @property
    def reason(self) -> str:
        """Why it is what it is; empty if that is plain."""
        return self.worst.reason


def outcomes(run: Run) -> tuple[Outcome, ...]:
    """One outcome a check, in the order of the checks."""
    grouped: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:
        grouped.setdefault(verdict.check.id, []).append(verdict)
    return tuple(_outcome(tuple(verdicts)) for verdicts in grouped.values())


def _outcome(verdicts: tuple[Verdict, ...]) -> Outcome:
    worst = min(verdicts, key=_rank)
    return Outcome(worst.check, worst.status, verdicts)


def _rank(verdict: Verdict) -> int:
    return _WORST_FIRST.index(KNOWN_DEVIATION if is_deviation(verdict) else verdict.status)


def is_deviation(verdict: Verdict) -> bool:
    """Whether it would have failed, had the target file not said so."""
    return verdict.status == "skipped" and verdict.reason.startswith(KNOWN_DEVIATION)


def was_judged(verdict: Verdict) -> bool:
    """Whether its probe was played and looked at."""
    return verdict.status != "skipped" or is_deviation(verdict)


def counts(outcomes: Iterable[Outcome]) -> Mapping[Status, int]:
    """How many checks ended in each status; every status is there."""
    found = Counter(outcome.status for outcome in outcomes)
    return {status: found[status] for status in STATUSES}


def by_area(run: Run) -> Mapping[str, tuple[Outcome, ...]]:
    """The outcomes by area, in the order of the checks."""
    areas: dict[str, list[Outcome]] = {}
    for outcome in outcomes(run):
        areas.setdefault(outcome.check.area, []).append(outcome)
    return {area: tuple(found) for area, found in areas.items()}


@dataclass(frozen=True, slots=True)
class FeatureCount:
    """How the verdicts that need a feature ended. One that is not claimed has only skipped ones."""

    feature: str
    is_claimed: bool
    verdicts: Mapping[Status, int]


def by_feature(run: Run) -> tuple[FeatureCount, ...]:
    """The verdicts of each feature that a target can claim."""
    found: dict[str, Counter[Status]] = {feature: Counter() for feature in FEATURES}
    for verdict in run.verdicts:
        for feature in needed_features(run, verdict):
            found[feature][verdict.status] += 1
    return tuple(
        FeatureCount(feature, feature in run.target.features, {status: found[feature][status] for status in STATUSES})
        for feature in FEATURES
    )


def needed_features(run: Run, verdict: Verdict) -> tuple[str, ...]:
    """What a target must claim for a verdict's check on its probe."""
    probe = next((probe for probe in verdict.check.probes if probe.id == verdict.probe), None)
    if probe is None and verdict.probe in run.cases:
        # A check without probes of its own judges the library's scenarios.
        probe = run.cases[verdict.probe].probe
    features = (*(probe.features if probe is not None else ()), *verdict.check.features)
    return tuple(feature for feature in dict.fromkeys(features) if feature in FEATURES)


def deviations(run: Run) -> tuple[tuple[Deviation, DeviationState], ...]:
    """The target's known deviations, and whether they still deviate: one that does not should leave the file."""
    return tuple((deviation, _state(deviation, run)) for deviation in run.target.deviations)


def _state(deviation: Deviation, run: Run) -> DeviationState:
    about = [
        verdict
        for verdict in run.verdicts
        if deviation.check in (verdict.check.id, verdict.check.requirement, verdict.check.area)
    ]
    if any(is_deviation(verdict) for verdict in about):
        return "needed"
    return "no longer needed" if any(was_judged(verdict) for verdict in about) else "not judged"


def skips(run: Run) -> Mapping[str, tuple[str, ...]]:
    """The ids of the checks that were skipped, on all their probes or some, by the reason."""
    found: dict[str, dict[str, None]] = {}
    for verdict in run.verdicts:
        if verdict.status == "skipped" and not is_deviation(verdict):
            found.setdefault(verdict.reason, {})[verdict.check.id] = None
    return {reason: tuple(ids) for reason, ids in found.items()}


def broken(run: Run) -> tuple[Verdict, ...]:
    """The verdicts for which a run fails, in order: failed, errored, and warned ones if it is strict."""
    return tuple(verdict for verdict in run.verdicts if is_broken(run, verdict))


def is_broken(run: Run, verdict: Verdict) -> bool:
    """Whether the run fails for this verdict."""
    return verdict.status in ("failed", "errored") or (run.strict and verdict.status == "warned")


def exit_status(run: Run) -> int:
    """0 if all held; 1 if something failed, was cut short, or nothing was judged at all."""
    if broken(run) or run.is_partial or not any(was_judged(verdict) for verdict in run.verdicts):
        return 1
    return 0
