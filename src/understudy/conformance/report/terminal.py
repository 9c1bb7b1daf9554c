"""The report for people: a line an area, then what is broken with its evidence, then the sum.

The last line of a run that failed is the command that repeats just its first case.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from ..model import Run, Status, Verdict
from ..target import FEATURES
from .repeat import repeat_command
from .summary import (
    STATUSES,
    Outcome,
    broken,
    by_area,
    by_feature,
    counts,
    deviations,
    exit_status,
    is_broken,
    outcomes,
    skips,
    was_judged,
)
from .veil import Veil

_STYLES: Final[dict[Status, str]] = {
    "passed": "green",
    "warned": "yellow",
    "failed": "red",
    "errored": "magenta",
    "skipped": "dim",
}
_TOLD: Final[tuple[Status, ...]] = ("failed", "errored", "warned")
_LONGEST_LIST: Final = 12
"""Ids of skipped checks that are named for one reason; the other reports name them all."""


def print_report(run: Run, console: Console) -> None:
    """Write the report; colours follow the console (none where it is no terminal, or NO_COLOR is set)."""
    for line in report_lines(run):
        # A folded line could not be pasted.
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def report_lines(run: Run) -> Iterator[Text]:
    """The lines of the report, without secrets and without control characters."""
    veil = Veil(run)
    for line in _lines(run):
        yield Text.assemble(*((_printable(veil.text(part.plain)), part.style) for part in line))


_Line = Sequence[Text]


def _lines(run: Run) -> Iterator[_Line]:
    yield from _areas(run)
    for status in _TOLD:
        yield from _cases(run, status)
    yield from _notes(run)
    yield from _skipped(run)
    yield from _deviations(run)
    yield from _sum(run)
    first = next(iter(broken(run)), None)
    if first is not None:
        yield _line("To repeat just the first case:")
        yield _line(repeat_command(run, first))


def _line(text: str = "", style: str = "") -> _Line:
    # Text drops some control characters by itself; here they are shown.
    return (Text(_printable(text), style),)


def _printable(text: str) -> str:
    """What a gateway sent must not steer the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _areas(run: Run) -> Iterator[_Line]:
    areas = by_area(run)
    width = max((len(area) for area in areas), default=0)
    for area, found in areas.items():
        yield (Text(f"{area:<{width}}  "), *_counted(found))
    if areas:
        yield _line()


def _counted(found: Sequence[Outcome]) -> Iterator[Text]:
    numbers: list[tuple[Status, int]] = [(status, number) for status, number in counts(found).items() if number]
    for index, (status, number) in enumerate(numbers):
        yield Text(("  " if index else "") + f"{number} {status}", _STYLES[status])


def _cases(run: Run, status: Status) -> Iterator[_Line]:
    """What ended so, check by check, each with its findings."""
    for outcome in outcomes(run):
        verdicts = [verdict for verdict in outcome.verdicts if verdict.status == status]
        if not verdicts:
            continue
        word = status if not verdicts[0].reason or status == "errored" else f"{status} ({verdicts[0].reason})"
        yield (Text(word, _STYLES[status]), Text(f"  {outcome.check.id}", "bold"))
        yield _line(f"  {outcome.check.sentence}")
        if outcome.check.reference:
            yield _line(f"  {outcome.check.reference}", "dim")
        for verdict in verdicts:
            yield from _verdict(run, verdict)
        yield _line()


def _verdict(run: Run, verdict: Verdict) -> Iterator[_Line]:
    yield _line(f"  on {verdict.probe}")
    if verdict.status == "errored":
        yield _line(f"    the suite could not judge: {verdict.reason}")
    for finding in verdict.findings:
        yield _line(f"    {finding.message}")
        for entry in finding.evidence:
            yield _line(f"      {entry}", "dim")
    for entry in verdict.evidence:
        yield _line(f"    {entry}", "dim")
    if is_broken(run, verdict):
        yield _line(f"    $ {repeat_command(run, verdict)}", "dim")


def _notes(run: Run) -> Iterator[_Line]:
    """Breaches of a MAY: they break nothing, and are told."""
    told = [verdict for verdict in run.verdicts if verdict.status == "passed" and verdict.findings]
    for verdict in told:
        yield _line(f"note  {verdict.check.id} on {verdict.probe}: {verdict.findings[0].message}")
    if told:
        yield _line()


def _skipped(run: Run) -> Iterator[_Line]:
    found = skips(run)
    for reason, ids in found.items():
        named = ", ".join(ids[:_LONGEST_LIST])
        more = f" and {len(ids) - _LONGEST_LIST} more" if len(ids) > _LONGEST_LIST else ""
        yield (Text("skipped", _STYLES["skipped"]), Text(f"  {reason or 'no reason given'}: {named}{more}"))
    if found:
        yield _line()


def _deviations(run: Run) -> Iterator[_Line]:
    for deviation, state in deviations(run):
        match state:
            case "needed":
                yield _line(f"known deviation  {deviation.check}: {deviation.reason}")
            case "no longer needed":
                text = f"known deviation  {deviation.check}: no longer needed, it holds; take it out of the target file"
                yield _line(text, "yellow")
            case "not judged":
                yield _line(f"known deviation  {deviation.check}: not judged in this run", "dim")
    if run.target.deviations:
        yield _line()


def _sum(run: Run) -> Iterator[_Line]:
    version = f" {run.target.version}" if run.target.version else ""
    yield _line(f"gateway    {run.target.name}{version} at {run.url}")
    yield _line(f"scope      {_carriers(run)}")
    claimed = [count for count in by_feature(run) if count.is_claimed]
    for count in claimed:
        numbers = ", ".join(f"{count.verdicts[status]} {status}" for status in STATUSES if count.verdicts[status])
        yield _line(f"feature    {count.feature}: {numbers or 'nothing judged'}")
    unclaimed = [feature for feature in FEATURES if feature not in run.target.features]
    if unclaimed:
        yield _line(f"unclaimed  {', '.join(unclaimed)}")
    total = outcomes(run)
    played = len({verdict.probe for verdict in run.verdicts if was_judged(verdict)})
    yield (Text(f"{_many(len(total), 'check')} on {_many(played, 'probe')} in {run.seconds:.1f} s: "), *_counted(total))
    if run.is_partial:
        yield _line("stopped before its end: what was not played is skipped", "yellow")
    if not any(was_judged(verdict) for verdict in run.verdicts):
        yield _line("nothing was judged: a skip is never a pass", "yellow")
    if not exit_status(run):
        yield _line("all held", "green")


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _carriers(run: Run) -> str:
    """How the suite's scope got through, surface by surface."""
    by_carrier: dict[str, list[str]] = {}
    for surface, carrier in run.carriers.items():
        by_carrier.setdefault(carrier or "not at all, so played one by one", []).append(surface.value)
    if not by_carrier:
        return "not needed"
    return "; ".join(
        f"by {carrier}: {', '.join(surfaces)}".replace("by not", "not") for carrier, surfaces in by_carrier.items()
    )
