"""`understudy check`: the conformance suite, pointed at any gateway."""

import json
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..errors import ConfigError, did_you_mean
from ..home import prepared_home
from ..secret import Secret
from .options import DEFAULT_CONTROL, ClientKey, RunningSimulator
from .signals import handled

if TYPE_CHECKING:
    from ..conformance.catalogue import Pair
    from ..conformance.model import Run
    from ..conformance.stands import Stand
    from ..conformance.target import Target

CONTROL_KEY_VARIABLE: Final = "UNDERSTUDY_CONTROL_KEY"
DEFAULT_PORT: Final = 8900
REPORTS: Final = ("json", "junit")

_Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[URL] [SCENARIO]...", help="The gateway's URL, and what to play; see above."),
]
_Only = Annotated[
    list[str] | None,
    typer.Option("--check", metavar="ID", help="Only an area (HDR), a requirement (HDR-4) or a check."),
]
_TargetName = Annotated[str, typer.Option(metavar="NAME|FILE", help="The gateway's profile: a shipped one or a file.")]
_SimulatorPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, metavar="PORT", help="Start a simulator, with this HTTP port. [default: 8900]"),
]
_CostFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Where the gateway writes its costs, over the target's word.")
]
_Prices = Annotated[
    str | None, typer.Option(metavar="frozen|shipped", help="The gateway's prices, over the target's word.")
]
_Reports = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND=FILE", help="json or junit; `-` is standard output; may be repeated."),
]
_Speed = Annotated[
    float | None, typer.Option(min=0, metavar="X", help="1 as scripted, 0 without pauses. [default: each its own]")
]
_Jobs = Annotated[int, typer.Option(min=1, max=64, metavar="N", help="How many are played at once.")]
_Strict = Annotated[bool, typer.Option("--strict", help="Warnings fail too.")]
_Ca = Annotated[Path | None, typer.Option(metavar="FILE", help="CA certificates for an https URL, in PEM.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be played and judged.")]


def check(
    words: _Words = None,
    only: _Only = None,
    target: _TargetName = "understudy",
    simulator: RunningSimulator = None,
    simulator_port: _SimulatorPort = None,
    key: ClientKey = None,
    cost_file: _CostFile = None,
    price_book: _Prices = None,
    report: _Reports = None,
    speed: _Speed = None,
    jobs: _Jobs = 8,
    strict: _Strict = False,
    ca: _Ca = None,
    dry_run: _DryRun = False,
) -> None:
    """Judge a gateway: what went in against what came out.

    Scenarios are played through the gateway at URL. It must use the simulator as its upstream; the simulator's
    address is printed first. Without a URL our own gateway is started and judged. SCENARIO is an id or the start
    of one: live, veo/, probe/headers, gemini/quota-burst-then-success.

    \b
    Examples:
      understudy check
      understudy check http://localhost:4000 --key sk-mine --cost-file spend.jsonl
      understudy check http://localhost:4000 live veo --report junit=report.xml
      understudy check --target direct --check HDR --check BODY-1
      understudy check http://localhost:8080 --target nginx --report json=-

    \b
    Exit status: 0 all held, 1 something failed, 2 wrong usage or configuration,
    3 the gateway or the simulator cannot be reached.
    """
    from ..conformance.catalogue import CHECKS, named, paired
    from ..conformance.driver import address_of
    from ..library import load_all
    from ..targets import load_target

    outputs = _outputs(report or [])
    url, scenarios = _url_and_words(words or [])
    pairs = paired(named(only or [], CHECKS), load_all([]), scenarios)
    known = _adjusted(load_target(target, os.environ), _key(key), cost_file, price_book)
    if url is not None and known.key is None and "keys" in known.features:
        raise ConfigError(f"target {known.name} has keys: give one by --key KEY, --key @FILE or UNDERSTUDY_KEY")
    _check_deviations(known)
    if url is not None:
        address_of(url, None)
    if dry_run:
        _print_plan(pairs, known)
        return
    control_key = Secret(os.environ[CONTROL_KEY_VARIABLE]) if os.environ.get(CONTROL_KEY_VARIABLE) else None
    with _stand(url or known.url or None, known, simulator, control_key, simulator_port) as stand:
        run = _played(stand, pairs, control_key, speed, jobs, strict, ca)
    raise SystemExit(_reported(run, outputs))


def _check_deviations(target: "Target") -> None:
    """Raise ConfigError for a known deviation from no check that there is: a slip would never be noticed."""
    from ..conformance.catalogue import CHECKS

    words = {word for one in CHECKS for word in (one.id, one.requirement, one.area)}
    for deviation in target.deviations:
        if deviation.check not in words:
            hint = did_you_mean(deviation.check, words)
            raise ConfigError(f"{target.source}: deviations: {deviation.check}: there is no such check{hint}")


def _url_and_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    urls = [word for word in words if "://" in word]
    if len(urls) > 1:
        raise ConfigError(f"{urls[1]}: one gateway at a time; the first URL was {urls[0]}")
    return (urls[0] if urls else None), [word for word in words if "://" not in word]


def _outputs(reports: Sequence[str]) -> list[tuple[str, str]]:
    """Kind and place of each report. Raises ConfigError for what is no such."""
    outputs: list[tuple[str, str]] = []
    for text in reports:
        kind, equals, place = text.partition("=")
        if kind not in REPORTS or not equals or not place:
            raise ConfigError(f"--report {text}: wanted KIND=FILE, where KIND is one of {', '.join(REPORTS)}")
        folder = Path(place).absolute().parent
        if place != "-" and (Path(place).is_dir() or not os.access(folder, os.W_OK)):
            raise ConfigError(f"--report {text}: nothing can be written there")
        outputs.append((kind, place))
    return outputs


def _key(text: str | None) -> Secret | None:
    if text is None:
        return None
    value, what = text, "--key"
    if text.startswith("@"):
        what = f"--key {text}"
        try:
            value = Path(text[1:]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{what}: the file cannot be read: {error}") from error
    if not value or not all("!" <= character <= "~" for character in value):
        raise ConfigError(f"{what}: a key is of visible ASCII characters, without spaces")
    return Secret(value)


def _adjusted(target: "Target", key: Secret | None, cost_file: Path | None, price_book: str | None) -> "Target":
    """The target, with what the command line says over it."""
    if key is not None:
        target = replace(target, key=key)
    if cost_file is not None:
        target = replace(target, cost=replace(target.cost, kind="json-lines", file=str(cost_file)))
    match price_book:
        case None:
            return target
        case "frozen" | "shipped":
            return replace(target, price_book=price_book)
        case _:
            raise ConfigError(f"--price-book {price_book}: wanted frozen or shipped")


@contextmanager
def _stand(
    url: str | None, target: "Target", simulator: str | None, control_key: Secret | None, port: int | None
) -> "Generator[Stand, None, None]":
    from ..conformance.stands import answers_at, own_stand, simulator_for

    home = prepared_home(os.environ)
    made: AbstractContextManager[Stand]
    if url is None:
        made = own_stand(target, home)
    else:
        if simulator is None and port is None and answers_at(DEFAULT_CONTROL, control_key):
            simulator = DEFAULT_CONTROL
        made = simulator_for(url, target, home, simulator, control_key, DEFAULT_PORT if port is None else port)
    with made as stand:
        found = " (running already)" if simulator is not None else ""
        _say(f"gateway    {stand.url} ({stand.target.name})")
        _say(f"simulator  {stand.simulator}{found}, which must be the gateway's upstream")
        yield _with_costs(stand)


def _with_costs(stand: "Stand") -> "Stand":
    """Without the file in which the gateway writes its costs, they cannot be judged: said, not passed over."""
    target = stand.target
    if target.cost.kind != "json-lines" or target.cost.file:
        return stand
    _say("costs      not judged: --cost-file FILE says where the gateway writes them")
    return replace(stand, target=replace(target, features=target.features - {"cost"}))


def _played(
    stand: "Stand",
    pairs: "tuple[Pair, ...]",
    control_key: Secret | None,
    speed: float | None,
    jobs: int,
    strict: bool,
    ca: Path | None,
) -> "Run":
    import ssl

    from ..conformance.runner import Plan, run

    try:
        tls = ssl.create_default_context(cafile=str(ca)) if ca is not None else None
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca {ca}: {error}") from error
    plan = Plan(
        url=stand.url,
        target=stand.target,
        pairs=pairs,
        control=stand.control,
        control_key=control_key,
        jobs=jobs,
        speed=speed,
        strict=strict,
        tls=tls,
        command=tuple(sys.argv[1:]),
    )
    ended: list[int] = []
    with handled(ended.append), _shown_progress() as show:
        return run(plan, show, lambda: bool(ended))


@contextmanager
def _shown_progress() -> Generator[Callable[[int, int, str], None], None, None]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("playing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, id: bar.update(task, completed=done, total=total, description=id)


def _print_plan(pairs: "tuple[Pair, ...]", target: "Target") -> None:
    from ..conformance.catalogue import missing_features
    from .tables import print_rows

    rows = [
        (pair.check.id, pair.check.level, pair.probe.id, ", ".join(missing_features(pair, target))) for pair in pairs
    ]
    print_rows(rows, ("check", "level", "scenario", f"not claimed by {target.name}"))


def _reported(run: "Run", outputs: list[tuple[str, str]]) -> int:
    """Write the reports; the exit status."""
    from rich.console import Console

    from ..conformance.report import junit, machine, terminal
    from ..conformance.report.summary import exit_status

    on_stdout = any(place == "-" for _, place in outputs)
    terminal.print_report(run, Console(stderr=on_stdout))
    problems: list[str] = []
    for kind, place in outputs:
        text = json.dumps(machine.as_json(run), indent=2) + "\n" if kind == "json" else junit.as_xml(run)
        if place == "-":
            sys.stdout.write(text)
            continue
        try:
            Path(place).write_text(text, "utf-8")
        except OSError as error:
            problems.append(f"--report {kind}={place}: cannot be written: {error.strerror}")
    if problems:
        raise ConfigError("\n".join(problems))
    return exit_status(run)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
