"""A run as data and as tables. Pure; docs/how-to/put-load-on-a-gateway.md describes the JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .plan import Outcome, Plan, Use
from .recording import Outcomes
from .schedule import ARMS
from .statistics import CONFIDENCE
from .verdict import LatencyRow, Verdict

SCHEMA_VERSION: Final = 1
_MIB: Final = 1 << 20
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of a run. `command` is the command line without keys; `same_arms` the run with arms alike."""

    plan: Plan
    outcome: Outcome
    verdict: Verdict
    command: tuple[str, ...]
    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    same_arms: Outcome | None = None


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON: figures in milliseconds, and the histograms from which they can be worked out again."""
    plan, outcome, verdict = report.plan, report.outcome, report.verdict
    pace = plan.pace
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict.word,
        "exit_status": verdict.exit_status,
        "partial": not outcome.is_whole,
        "notes": list(verdict.notes),
        "command": list(report.command),
        "seed": plan.seed,
        "pace": {
            "pairs_per_s": pace.rate,
            "warmup_s": pace.warmup_s,
            "duration_s": pace.duration_s,
            "block_s": pace.block_s,
        },
        "scenarios": list(plan.scenarios),
        "arms": {arm: {"url": plan.arms[arm].url, "target": plan.arms[arm].target.name} for arm in ARMS},
        "machine": dict(report.machine),
        "versions": dict(report.versions),
        "confidence": CONFIDENCE,
        "latency": [_latency_json(row) for row in verdict.latency],
        "conversations": [
            {
                "kind": row.kind,
                "arm": row.arm,
                "ok": row.ok,
                "failed": row.failed,
                "incomplete": row.incomplete,
                "dropped": row.dropped,
                "failures": dict(row.failures),
                "share": row.share,
                "budget": row.budget,
                "verdict": row.word,
                "reason": row.reason,
            }
            for row in verdict.errors
        ],
        "memory": None
        if verdict.memory is None
        else {
            "growth_mib": round(verdict.memory.growth_mib, 3),
            "budget_mib": verdict.memory.budget_mib,
            "verdict": verdict.memory.word,
        },
        "lateness_ms": _lateness(outcome),
        "processes": {role: _use_json(role, use, outcome) for role, use in outcome.uses.items()},
        "recording": outcome.recording.as_json(),
        "same_arms": None if report.same_arms is None else report.same_arms.recording.as_json(),
    }


def _latency_json(row: LatencyRow) -> dict[str, Any]:
    found = row.estimate
    return {
        "kind": row.kind,
        "phase": row.phase,
        "quantile": row.quantile,
        "direct_ms": found.direct_us / _MS,
        "through_ms": found.through_us / _MS,
        "added_ms": found.added_us / _MS,
        "added_low_ms": found.low_us / _MS,
        "added_high_ms": found.high_us / _MS,
        "samples": found.samples,
        "blocks": found.blocks,
        "budget_ms": None if row.budget_us is None else row.budget_us / _MS,
        "verdict": row.word,
        "reason": row.reason,
    }


def _lateness(outcome: Outcome) -> dict[str, float | None]:
    late = outcome.recording.lateness()
    found = {name: late.quantile(quantile) for name, quantile in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {name: None if us is None else us / _MS for name, us in found.items()}


def _served(role: str, outcome: Outcome) -> int:
    """How many conversations a process had part in while it counted."""
    arms = ("through",) if role == "gateway" else ARMS
    found: list[Outcomes] = [outcome.recording.outcomes(kind, arm) for kind in outcome.recording.kinds for arm in arms]
    return sum(one.ok + one.failed for one in found)


def _use_json(role: str, use: Use, outcome: Outcome) -> dict[str, Any]:
    served = _served(role, outcome)
    return {
        "cpu_s": round(use.cpu_s, 6),
        "cpu_s_per_1000": round(use.cpu_s / served * 1000, 6) if served else None,
        "core_share": round(use.cpu_s / outcome.seconds, 4) if outcome.seconds else None,
        "conversations": served,
        "memory_begin_mib": round(use.memory_begin / _MIB, 3),
        "memory_end_mib": round(use.memory_end / _MIB, 3),
        "growth_mib_per_1000": round(use.growth_mib / served * 1000, 3) if served else None,
    }


# -- tables

Rows = list[tuple[str, ...]]

LATENCY_HEADINGS: Final = (
    "kind",
    "phase",
    "",
    "direct",
    "through",
    "added",
    "interval",
    "samples",
    "budget",
    "verdict",
)
CONVERSATION_HEADINGS: Final = ("kind", "arm", "ok", "failed", "incomplete", "dropped", "verdict")
PROCESS_HEADINGS: Final = ("process", "CPU s per 1000", "of a core", "memory", "growth")


def latency_table(verdict: Verdict) -> Rows:
    """The rows of the latency table, in milliseconds."""
    return [
        (
            row.kind,
            row.phase,
            row.quantile,
            _ms(row.estimate.direct_us),
            _ms(row.estimate.through_us),
            _signed(row.estimate.added_us),
            f"{_signed(row.estimate.low_us)} .. {_signed(row.estimate.high_us)}",
            str(row.estimate.samples),
            "" if row.budget_us is None else f"{row.budget_us / _MS:g}",
            f"{row.word}: {row.reason}" if row.reason else row.word,
        )
        for row in verdict.latency
    ]


def conversation_table(verdict: Verdict) -> Rows:
    """How the conversations ended; the last column says what failed, most frequent first."""
    rows: Rows = []
    for row in verdict.errors:
        said = f"{row.word}: {row.reason}" if row.reason else str(row.word)
        kinds = sorted(row.failures.items(), key=lambda item: (-item[1], item[0]))
        told = "; ".join(f"{word} x {count}" for word, count in kinds)
        counts = (row.ok, row.failed, row.incomplete, row.dropped)
        rows.append((row.kind, row.arm, *(str(count) for count in counts), f"{said} ({told})" if told else said))
    return rows


def process_table(outcome: Outcome, roles: Sequence[str] = ("gateway", "simulator", "generator")) -> Rows:
    """What each process that is known used."""
    rows: Rows = []
    for role in roles:
        if role not in outcome.uses:
            continue
        use = outcome.uses[role]
        served = _served(role, outcome)
        rows.append(
            (
                role,
                f"{use.cpu_s / served * 1000:.3f}" if served else "-",
                f"{use.cpu_s / outcome.seconds:.0%}" if outcome.seconds else "-",
                f"{use.memory_end / _MIB:.1f} MiB",
                f"{use.growth_mib:+.1f} MiB",
            )
        )
    return rows


def closing_lines(report: Report) -> list[str]:
    """What stands below the tables: lateness, notes, the verdict."""
    late = _lateness(report.outcome)
    lines: list[str] = []
    if late["p50"] is not None:
        told = ", ".join(f"{name} {value:.2f} ms" for name, value in late.items() if value is not None)
        lines.append(f"the generator began late by {told}; seed {report.plan.seed}")
    lines += report.verdict.notes
    if not report.outcome.is_whole:
        lines.append("PARTIAL RESULT")
    return [*lines, f"verdict: {report.verdict.word}"]


def _ms(us: float) -> str:
    return f"{us / _MS:.2f}"


def _signed(us: float) -> str:
    return f"{us / _MS:+.2f}"
