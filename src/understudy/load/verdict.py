"""Was the promise held? Decided by intervals, never by a single figure. Pure (harness-practice 11).

The upper end within the budget: held. The lower end beyond it: over. Else, or with too little to go by, or with a
generator that was later than what is to be measured: inconclusive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .limits import PHASES, QUANTILES, Limits
from .recording import Recording
from .schedule import ARMS, Arm
from .statistics import Estimate, estimates

Word = Literal["held", "over", "inconclusive", "reported"]

EXIT_STATUS: Final[Mapping[str, int]] = {"held": 0, "over": 1, "inconclusive": 4}

FEWEST_FAILURES: Final = 3
"""One or two failures happen by chance, in either arm."""
FEWEST_BLOCKS: Final = 12
FEWEST_SAMPLES: Final[Mapping[str, int]] = {"p50": 50, "p90": 100, "p99": 20_000}
"""How many samples an arm must have for a quantile to be judged."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One quantile of one phase, its budget in microseconds (None: none stated) and what is to be said of it."""

    kind: str
    phase: str
    quantile: str
    estimate: Estimate
    budget_us: int | None
    word: Word
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How the conversations of a kind ended in one arm; only the arm through the gateway is judged."""

    kind: str
    arm: Arm
    ok: int
    failed: int
    incomplete: int
    dropped: int
    failures: Mapping[str, int]
    share: float | None
    budget: float | None
    word: Word
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """How much the gateway's memory grew while it counted, in MiB."""

    growth_mib: float
    budget_mib: float | None
    word: Word


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rows and what follows from them. `notes` are whole sentences."""

    latency: tuple[LatencyRow, ...]
    errors: tuple[ErrorRow, ...]
    memory: MemoryRow | None
    word: Literal["held", "over", "inconclusive"]
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 held, 1 over, 4 inconclusive."""
        return EXIT_STATUS[self.word]


def judged(
    recording: Recording,
    limits: Limits,
    seed: int,
    *,
    growth_mib: float | None = None,
    same_arms: Recording | None = None,
    is_partial: bool = False,
) -> Verdict:
    """The verdict on a run.

    `growth_mib` is the gateway's growth if its process is known; `same_arms` a run with both arms straight to the
    simulator, which shows what this machine can tell apart; a partial run is never held and never over.
    """
    kinds = sorted(recording.kinds, key=_order)
    noise = _noise(same_arms, seed) if same_arms is not None else {}
    latency = tuple(row for kind in kinds for row in _latency_rows(recording, kind, limits, seed, noise))
    errors = tuple(row for kind in kinds for row in _error_rows(recording, kind, limits))
    memory = _memory_row(growth_mib, limits)
    words = [row.word for row in (*latency, *errors, *((memory,) if memory else ()))]
    word: Literal["held", "over", "inconclusive"] = "held"
    if is_partial or not latency or "inconclusive" in words:
        word = "inconclusive"
    if "over" in words and not is_partial:
        word = "over"
    return Verdict(latency, errors, memory, word, _notes(latency, is_partial, recording, limits))


def _order(kind: str) -> int:
    known = tuple(PHASES)
    return known.index(kind) if kind in known else len(known)


def _noise(same_arms: Recording, seed: int) -> dict[tuple[str, str, str], float]:
    """How far from zero the interval reaches where the truth is zero, in microseconds."""
    found: dict[tuple[str, str, str], float] = {}
    for kind in same_arms.kinds:
        for phase in same_arms.phases(kind):
            for name, estimate in _estimates(same_arms, kind, phase, seed):
                found[kind, phase, name] = max(abs(estimate.low_us), abs(estimate.high_us))
    return found


def _estimates(recording: Recording, kind: str, phase: str, seed: int) -> Sequence[tuple[str, Estimate]]:
    found = estimates(recording.blocks(kind, phase), tuple(QUANTILES.values()), seed)
    return list(zip(QUANTILES, found, strict=False))


def _latency_rows(
    recording: Recording, kind: str, limits: Limits, seed: int, noise: Mapping[tuple[str, str, str], float]
) -> list[LatencyRow]:
    lateness = recording.lateness()
    rows: list[LatencyRow] = []
    for phase in recording.phases(kind):
        for name, estimate in _estimates(recording, kind, phase, seed):
            key = (kind, phase, name)
            late = lateness.quantile(QUANTILES[name]) or 0
            word, reason = latency_word(name, estimate, limits.added_us.get(key), late, noise.get(key, 0.0))
            rows.append(LatencyRow(kind, phase, name, estimate, limits.added_us.get(key), word, reason))
    return rows


def latency_word(
    name: str, estimate: Estimate, budget_us: int | None, lateness_us: int, noise_us: float = 0.0
) -> tuple[Word, str]:
    """What is to be said of one estimate, and why if that is not plain."""
    if budget_us is None:
        return "reported", ""
    if estimate.blocks < FEWEST_BLOCKS:
        return "inconclusive", f"{estimate.blocks} blocks; {FEWEST_BLOCKS} are needed"
    if estimate.samples < FEWEST_SAMPLES[name]:
        reason = f"{estimate.samples} samples an arm; {FEWEST_SAMPLES[name]} are needed"
        # The 99th percentile is shown in any case, and judged in long runs only.
        return ("reported" if name == "p99" else "inconclusive"), reason
    if noise_us > budget_us:
        return "inconclusive", f"this machine sees {noise_us / 1000:.2f} ms where there is nothing"
    if lateness_us > max(budget_us, abs(estimate.added_us)):
        return "inconclusive", f"the generator was {lateness_us / 1000:.2f} ms late"
    if estimate.high_us <= budget_us:
        return "held", ""
    if estimate.low_us > budget_us:
        return "over", ""
    return "inconclusive", "the interval holds the budget"


def _error_rows(recording: Recording, kind: str, limits: Limits) -> list[ErrorRow]:
    direct = recording.outcomes(kind, "direct").failed_share or 0.0
    rows: list[ErrorRow] = []
    for arm in ARMS:
        outcomes = recording.outcomes(kind, arm)
        budget = limits.error_share.get(kind) if arm == "through" else None
        share = outcomes.failed_share
        word: Word = "reported"
        reason = ""
        if budget is not None:
            straight = recording.outcomes(kind, "direct")
            excess = outcomes.failed + outcomes.dropped - straight.failed - straight.dropped
            word, reason = _error_word(share, budget, direct, excess)
        rows.append(
            ErrorRow(
                kind,
                arm,
                outcomes.ok,
                outcomes.failed,
                outcomes.incomplete,
                outcomes.dropped,
                dict(outcomes.failures),
                share,
                budget,
                word,
                reason,
            )
        )
    return rows


def _error_word(share: float | None, budget: float, direct: float, excess: int) -> tuple[Word, str]:
    """What is to be said of a share of failures; `excess` is how many more there were than without the gateway."""
    if share is None:
        return "inconclusive", "no conversation ended"
    if direct > budget:
        return "inconclusive", "they fail without the gateway too"
    if share <= budget:
        return "held", ""
    if excess < FEWEST_FAILURES:
        return "inconclusive", f"{excess} failures more than without the gateway; {FEWEST_FAILURES} are needed"
    return "over", ""


def _memory_row(growth_mib: float | None, limits: Limits) -> MemoryRow | None:
    if growth_mib is None:
        return None
    if limits.memory_growth_mib is None:
        return MemoryRow(growth_mib, None, "reported")
    return MemoryRow(growth_mib, limits.memory_growth_mib, "over" if growth_mib > limits.memory_growth_mib else "held")


def _notes(latency: Sequence[LatencyRow], is_partial: bool, recording: Recording, limits: Limits) -> tuple[str, ...]:
    notes: list[str] = []
    if is_partial:
        notes.append("The run was ended early: this is a part of it, and no verdict follows.")
    if not latency:
        notes.append("In no block did both arms see anything.")
    kinds = {kind for kind, _, _ in limits.added_us}
    unjudged = [kind for kind in recording.kinds if kind not in kinds]
    if unjudged:
        notes.append(f"The limits say nothing of {', '.join(unjudged)}: reported, not judged.")
    if any("where there is nothing" in row.reason for row in latency):
        notes.append("With both arms the same, the interval is wider than the budget: this machine cannot judge it.")
    return tuple(notes)
