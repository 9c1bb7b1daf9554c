"""Plays the mutants of our gateway and prints which tests kill which, by requirement.

`python -m requirements.matrix [NAME...] [--only PREFIX]` exits with 1 if a test that a mutant names does not fail by
it, if one fails without a fault, or if a requirement has no mutant that was killed and nothing else that holds it.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from .model import Mutant, Row
from .playing import Outcome, control, fingerprint, played
from .table import MUTANTS, ROWS


def chosen(names: Sequence[str], only: Sequence[str]) -> tuple[Mutant, ...]:
    """The mutants of these names, and those of ids that are one of `only` or begin with one and a hyphen; all if none
    is given.
    """
    if not names and not only:
        return MUTANTS
    return tuple(one for one in MUTANTS if one.name in names or any(is_meant(id, only) for id in one.ids))


def is_meant(id: str, only: Sequence[str]) -> bool:
    """Whether an id is meant by `HDR` or `HDR-4`."""
    return any(id == word or id.startswith(f"{word}-") for word in only)


def kill_matrix(rows: Iterable[Row], outcomes: Iterable[Outcome]) -> dict[str, dict[str, list[str]]]:
    """By id the mutants that were played, and the tests that killed each."""
    found: dict[str, dict[str, list[str]]] = {row.id: {} for row in rows}
    for outcome in outcomes:
        for id in outcome.ids:
            found.setdefault(id, {})[outcome.name] = list(outcome.killed_by)
    return found


def deviations(rows: Iterable[Row], outcomes: Sequence[Outcome], controls: Sequence[Outcome]) -> list[str]:
    """What is not as it should be, in words."""
    wrong = [f"{one.name}: {one.problem}" for one in (*controls, *outcomes) if one.problem]
    wrong += [f"fails without a fault, or did not run: {test}" for one in controls for test in one.survived]
    wrong += [f"{one.name}: not killed by {test}" for one in outcomes for test in one.survived]
    killed = {id for one in outcomes if one.is_killed for id in one.ids}
    for row in rows:
        if row.held_by is None and row.id not in killed:
            wrong.append(f"{row.id}: no mutant of it was killed")
        elif row.held_by is not None and row.held_by.kind == "open":
            wrong.append(f"{row.id}: open: {row.held_by.why}")
    return wrong


def main() -> None:
    """Print the matrix; exit with 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m requirements.matrix", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants; all if neither these nor --only are given")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="HDR, or HDR-4; may be repeated")
    parser.add_argument("--json", type=Path, help="write the matrix to this file as well")
    parser.add_argument("--resume", action="store_true", help="play only what changed since the matrix of --json")
    parser.add_argument("--no-control", action="store_true", help="do not run the tests without a fault first")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    mutants = chosen(options.names, options.only)
    rows = [row for row in ROWS if not options.names and (not options.only or is_meant(row.id, options.only))]
    if not mutants and not rows:
        parser.error("no such mutant or requirement")
    known = _known(options.json) if options.resume and options.json else {}
    outcomes = [
        known[one.name] for one in mutants if one.name in known and fingerprint(one) == known[one.name].fingerprint
    ]
    left = [one for one in mutants if one.name not in {outcome.name for outcome in outcomes}]
    with ThreadPoolExecutor(options.workers) as pool:
        controls: list[Outcome] = [] if options.no_control else list(pool.map(control, _shares(left, options.workers)))
        playing = [pool.submit(played, one) for one in left]
        for one in as_completed(playing):
            outcomes.append(one.result())
            _say(outcomes[-1], f"{len(outcomes)}/{len(mutants)}")
            if options.json:
                _write(options.json, rows, [*outcomes, *_others(known, mutants)], controls)
    _print_matrix(rows, outcomes)
    wrong = deviations(rows, outcomes, controls)
    if options.json:
        _write(options.json, rows, [*outcomes, *_others(known, mutants)], controls)
    print(f"\n{len(outcomes)} mutants, {len(wrong)} deviations", *(f"  {one}" for one in wrong), sep="\n")
    sys.exit(1 if wrong else 0)


def _shares(mutants: Sequence[Mutant], workers: int) -> list[list[str]]:
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    return [share for number in range(workers) if (share := tests[number::workers])]


def _say(outcome: Outcome, count: str) -> None:
    word = "killed" if outcome.is_killed else "NOT KILLED"
    by = ", ".join(outcome.killed_by) or outcome.problem or "none"
    print(f"[{count}] {outcome.name} ({' '.join(outcome.ids)}; {outcome.seconds} s) {word} by {by}", flush=True)
    for test in outcome.survived:
        print(f"    survived {test}", flush=True)


def _print_matrix(rows: Iterable[Row], outcomes: Sequence[Outcome]) -> None:
    held = {row.id: row.held_by for row in rows}
    for id, mutants in kill_matrix(rows, outcomes).items():
        if id not in held:
            continue
        other = held[id]
        if other is not None:
            print(f"{id}: {other.kind}: {' '.join(other.where)} ({other.why})")
        elif not mutants:
            print(f"{id}: NO MUTANT")
        for name, tests in mutants.items():
            print(f"{id}: {name}: {', '.join(tests) or 'NOT KILLED'}")


def _known(path: Path) -> dict[str, Outcome]:
    if not path.exists():
        return {}
    found = json.loads(path.read_text("utf-8"))["mutants"]
    outcomes = [Outcome(**{**one, **{name: tuple(one[name]) for name in _TUPLES}}) for one in found]
    return {one.name: one for one in outcomes if one.is_killed}


_TUPLES = ("ids", "killed_by", "survived")


def _others(known: dict[str, Outcome], mutants: Sequence[Mutant]) -> list[Outcome]:
    """What an earlier matrix has beside the mutants that are played now."""
    return [one for one in known.values() if one.name not in {mutant.name for mutant in mutants}]


def _write(path: Path, rows: Sequence[Row], outcomes: Sequence[Outcome], controls: Sequence[Outcome]) -> None:
    document = {
        "schema_version": 1,
        "mutants": [asdict(one) for one in sorted(outcomes, key=lambda one: one.name)],
        "requirements": kill_matrix(rows, outcomes),
        "deviations": deviations(rows, outcomes, controls),
    }
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    aside.replace(path)


if __name__ == "__main__":
    main()
