"""Plays the whole suite against every gateway of this folder, and holds what fails against what must.

`python -m broken_gateways.matrix [NAME...]` prints which gateway fails which checks, and who fails each check; it exits
with 1 if a gateway fails a check that it should not, passes one that it should fail, or if a check is failed by none.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from understudy.conformance.catalogue import CHECKS, Pair, paired
from understudy.conformance.runner import Plan, run
from understudy.conformance.target import FEATURES, CostSource, Target
from understudy.environment import LOCATION, PROJECT
from understudy.errors import UnderstudyError
from understudy.library import load_all
from understudy.scenario.model import Scenario
from understudy.secret import Secret
from understudy.surfaces import Surface
from understudy.wiring import Ports, alone

from .table import GATEWAYS, MUTANTS

KEY: Final = "sk-broken-gateways-only"
SMALL: Final = 7
"""Scenarios of a folder of the library that are all played against each gateway in CI."""
SHARE: Final = 8
"""Of a larger folder one in so many is."""
OTHERS: Final = 12
"""Of the probes that a gateway should not fail one in so many is played against it in CI, each time others."""
PACED: Final = 96
"""Of those that take the provider's own time, which is longer than all else of a run, one in so many."""
ALWAYS: Final = frozenset({"live/closes/lost", "live/tools/cancellation", "veo/gemini-internal-error"})
"""Played in any case: some broken gateways fail on these alone."""
AT_ONCE: Final = 2
"""Runs of the whole suite at once before one simulator: they wait about as long as they work."""


@dataclass(frozen=True)
class Outcome:
    """What came of one gateway. `failed` has a finding for each check that failed or warned; `problem` is empty unless
    the suite could not judge."""

    name: str
    failed: Mapping[str, str]
    seconds: float
    problem: str = ""

    @property
    def missed(self) -> tuple[str, ...]:
        """The checks that should have failed and did not."""
        return tuple(sorted(GATEWAYS[self.name].kills - set(self.failed)))

    @property
    def unwanted(self) -> tuple[str, ...]:
        """The checks that failed and should not have."""
        gateway = GATEWAYS[self.name]
        return tuple(sorted(set(self.failed) - gateway.kills - gateway.may_fail))

    def deviations(self) -> tuple[str, ...]:
        """What is not as it should be, in words; empty if all is."""
        return (
            *((f"could not be judged: {self.problem}",) if self.problem else ()),
            *(f"did not fail {id}" for id in self.missed),
            *(f"failed {id}: {self.failed[id]}" for id in self.unwanted),
        )


@dataclass(frozen=True)
class Stand:
    """A simulator and gateways before it: their URLs by name, the simulator's admin address, the folder of costs."""

    urls: Mapping[str, str]
    control: str
    folder: Path

    def target(self, name: str) -> Target:
        """What the suite is told of a gateway: it claims everything.

        The suite's own requests show the key where no check of AUTH-1 looks, so that each carrier is judged alone.
        """
        prefixes = {
            **dict.fromkeys((Surface.GEMINI, Surface.GEMINI_LIVE), "/gemini"),
            **dict.fromkeys((Surface.VERTEX, Surface.VERTEX_LIVE), "/vertex_ai"),
        }
        return Target(
            name,
            frozenset(FEATURES),
            prefixes,
            key=Secret(KEY),
            carrier="x-litellm-api-key",
            project=PROJECT,
            location=LOCATION,
            cost=CostSource("json-lines", file=str(self.folder / f"{name}.jsonl")),
            response_headers=("x-litellm-*", "x-understudy-*"),
        )


@contextmanager
def stand_of(names: Sequence[str]) -> Generator[Stand]:
    """Start a simulator, and the gateways in one process; both end with the context."""
    with TemporaryDirectory(prefix="broken-gateways-") as name:
        folder = Path(name)
        options = [*Ports().options(), "--strict", "--auth", "any"]
        environ = {**os.environ, "UNDERSTUDY_HOME": str(folder / "home")}
        with (
            alone(folder, environ, options, folder / "service-account.json", quiet=True) as simulator,
            gateways(names, simulator.ready.http, folder) as urls,
        ):
            yield Stand(urls, simulator.ready.admin or "", folder)


@contextmanager
def gateways(names: Sequence[str], upstream: str, folder: Path) -> Generator[dict[str, str]]:
    """`python -m broken_gateways NAME...` as a child process; the URLs by name."""
    where = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (where, os.environ.get("PYTHONPATH"))))
    options = ["--upstream", upstream, "--key", KEY, "--folder", str(folder), "--until-stdin-ends"]
    with subprocess.Popen(
        [sys.executable, "-m", "broken_gateways", *names, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            lines = [json.loads(process.stdout.readline() or b"{}") for _ in names]
            yield {line["name"]: line["http"] for line in lines}
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@cache
def every_pair() -> tuple[Pair, ...]:
    """Every check on every probe that it is judged on."""
    return paired(CHECKS, load_all([]))


def all_pairs(name: str) -> tuple[Pair, ...]:
    """What is played against a gateway where time does not matter: everything."""
    return every_pair()


def some_pairs(name: str) -> tuple[Pair, ...]:
    """What is played against a gateway in CI: all that it should fail, and a share of the rest, each another share."""
    kills, number = GATEWAYS[name].kills, (*GATEWAYS,).index(name)
    pairs = _shortened()
    probes = {pair.probe.id: pair.probe for pair in pairs}
    chosen = {
        id
        for place, (id, probe) in enumerate(probes.items())
        if (place + number) % (PACED if probe.speed else OTHERS) == 0
    }
    chosen |= {pair.probe.id for pair in pairs if pair.check.id in kills}
    return tuple(pair for pair in pairs if pair.probe.id in chosen)


@cache
def _shortened() -> tuple[Pair, ...]:
    """Every check; of the library's scenarios, which the same checks judge, small folders and a share of large ones."""
    folders: dict[str, list[Scenario]] = {}
    for scenario in load_all([]):
        folders.setdefault(scenario.id.rpartition("/")[0], []).append(scenario)
    chosen = [
        one
        for scenarios in folders.values()
        for number, one in enumerate(scenarios)
        if len(scenarios) <= SMALL or number % SHARE == 0 or one.id in ALWAYS
    ]
    return paired(CHECKS, chosen)


def played(stand: Stand, name: str, pairs: Callable[[str], tuple[Pair, ...]] = all_pairs) -> Outcome:
    """Run the suite against one gateway."""
    try:
        done = run(Plan(stand.urls[name], stand.target(name), pairs(name), stand.control))
    except UnderstudyError as error:
        return Outcome(name, {}, 0.0, str(error))
    failed: dict[str, str] = {}
    problems: list[str] = []
    for verdict in done.verdicts:
        if verdict.status in ("failed", "warned"):
            said = [f"{one.message} {'; '.join(one.evidence)}" for one in verdict.findings[:2]]
            failed.setdefault(verdict.check.id, f"{verdict.probe}: {' | '.join(said)}")
        elif verdict.status != "passed":
            problems.append(f"{verdict.check.id} on {verdict.probe}: {verdict.status}, {verdict.reason}")
    return Outcome(name, failed, round(done.seconds, 1), "; ".join(problems))


def runs_at_once(count: int) -> ProcessPoolExecutor:
    """So many runs of the suite at once, in processes of their own: where time is judged, nobody may be in the way."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def whole_matrix(
    names: Sequence[str], workers: int, pairs: Callable[[str], tuple[Pair, ...]] = all_pairs
) -> Generator[Outcome]:
    """The outcomes, as they come. Each of the `workers` has a simulator and its share of the gateways."""
    shares = [share for number in range(workers) if (share := names[number::workers])]
    with ExitStack() as stack:
        stands = [stack.enter_context(stand_of(share)) for share in shares]
        pool = stack.enter_context(runs_at_once(AT_ONCE * len(stands)))
        where = {name: stand for stand in stands for name in stand.urls}
        playing: list[Future[Outcome]] = [pool.submit(played, where[name], name, pairs) for name in names]
        for one in as_completed(playing):
            yield one.result()


def killers(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """By check, the gateways that failed it and were meant to."""
    found: dict[str, list[str]] = {check.id: [] for check in CHECKS}
    for outcome in outcomes:
        for id in outcome.failed.keys() & GATEWAYS[outcome.name].kills:
            found.setdefault(id, []).append(outcome.name)
    return {id: sorted(names) for id, names in found.items()}


def unkilled_checks() -> tuple[str, ...]:
    """The checks, MAY ones aside, that no gateway is meant to fail: they have never been seen to notice anything."""
    meant = frozenset[str]().union(*(GATEWAYS[name].kills for name in MUTANTS))
    return tuple(check.id for check in CHECKS if check.level != "may" and check.id not in meant)


def unknown_checks() -> tuple[str, ...]:
    """What gateways are meant to fail and is no check."""
    known = {check.id for check in CHECKS}
    return tuple(
        f"{name}: {id}" for name in MUTANTS for id in sorted((GATEWAYS[name].kills | GATEWAYS[name].may_fail) - known)
    )


def main() -> None:
    """Print the matrix; exit with 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(
        prog="python -m broken_gateways.matrix", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="gateways; all if none is given")
    parser.add_argument("--json", type=Path, help="write the matrix to this file as well")
    parser.add_argument("--some", action="store_true", help="a share of the probes only, as in CI")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in GATEWAYS]
    if unknown:
        parser.error(f"no such gateway: {', '.join(unknown)}")
    names = options.names or list(GATEWAYS)
    outcomes: list[Outcome] = []
    for outcome in whole_matrix(names, options.workers, some_pairs if options.some else all_pairs):
        outcomes.append(outcome)
        _print_outcome(outcome, f"{len(outcomes)}/{len(names)}")
    wrong = [f"{outcome.name}: {one}" for outcome in outcomes for one in outcome.deviations()]
    wrong += [f"unknown check: {one}" for one in unknown_checks()]
    by_check = killers(outcomes)
    if not options.names:
        wrong += [f"no broken gateway fails {id}" for id in unkilled_checks()]
        print(f"\n{len(CHECKS)} checks, and the broken gateways that fail each:")
        for id, who in by_check.items():
            print(f"  {id}: {', '.join(who) or 'NONE'}")
    if options.json:
        options.json.write_text(json.dumps(_document(outcomes, by_check, wrong), indent=1) + "\n", "utf-8")
    print(f"\n{len(outcomes)} gateways, {len(wrong)} deviations", *(f"  {one}" for one in wrong), sep="\n")
    sys.exit(1 if wrong else 0)


def _print_outcome(outcome: Outcome, count: str) -> None:
    word = "as it should" if not outcome.deviations() else "WRONG"
    kills = ", ".join(sorted(outcome.failed)) or "nothing"
    print(f"[{count}] {outcome.name} ({word}, {outcome.seconds} s) fails {kills}", flush=True)


def _document(outcomes: list[Outcome], by_check: dict[str, list[str]], wrong: list[str]) -> dict[str, Any]:
    rows = [
        {**asdict(one), "sentence": GATEWAYS[one.name].sentence, "kills": sorted(GATEWAYS[one.name].kills)}
        for one in sorted(outcomes, key=lambda one: one.name)
    ]
    return {"schema_version": 1, "gateways": rows, "checks": by_check, "deviations": wrong}


if __name__ == "__main__":
    main()
