"""`understudy load`: the same conversations straight to the simulator and through a gateway, and what that adds."""

import json
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..errors import ConfigError
from ..home import prepared_home
from ..secret import STARS, Secret
from .options import DEFAULT_CONTROL, ClientKey, RunningSimulator
from .signals import handled

if TYPE_CHECKING:
    from ..conformance.target import Target
    from ..control import Control
    from ..load.conversations import Kind
    from ..load.limits import Limits
    from ..load.plan import Outcome, Plan
    from ..load.report import Report
    from ..load.stand import Stand
    from ..scenario.model import Scenario

CONTROL_KEY_VARIABLE: Final = "UNDERSTUDY_CONTROL_KEY"
KINDS: Final = ("generate", "stream", "live", "audio")
USUAL_KINDS: Final = ("generate", "stream", "live")
"""Audio in real time takes its time: it is held if it is asked for."""

_Url = Annotated[str | None, typer.Argument(metavar="[URL]", help="The gateway. Without it our own is started.")]
_SimulatorPort = Annotated[
    int, typer.Option(min=0, max=65535, metavar="PORT", help="HTTP port of a simulator that is started.")
]
_TargetName = Annotated[str, typer.Option(metavar="NAME|FILE", help="The gateway's profile: prefixes and keys.")]
_Surface = Annotated[
    str | None, typer.Option(metavar="KINDS", help="Some of generate,stream,live,audio. [default: the first three]")
]
_Names = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="ID|FILE", help="Hold this conversation. May be repeated."),
]
_Rate = Annotated[float, typer.Option(min=0.01, metavar="N", help="Conversations a second in each arm.")]
_Duration = Annotated[float, typer.Option(min=0.1, metavar="S", help="Seconds that count.")]
_Warmup = Annotated[float, typer.Option(min=0, metavar="S", help="Seconds before them that do not.")]
_Block = Annotated[float, typer.Option(min=0.05, metavar="S", help="Seconds of a block; blocks are what is drawn.")]
_Seed = Annotated[int, typer.Option(min=0, metavar="N", help="What the schedule and the drawing follow from.")]
_GatewayPid = Annotated[
    int | None, typer.Option(min=1, metavar="PID", help="The gateway's process, to measure its CPU and memory.")
]
_LimitsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="What it may add. [default: the shipped file]")]
_SameArms = Annotated[
    bool, typer.Option("--a-a", help="First a run with both arms straight: can this machine tell at all?")
]
_JsonFile = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the report; `-` is stdout.")]
_Ca = Annotated[Path | None, typer.Option(metavar="FILE", help="CA certificates for an https URL, in PEM.")]


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What a run is asked to be, apart from where."""

    rate: float
    duration: float
    warmup: float
    block: float
    seed: int
    gateway_pid: int | None
    ca: str | None


def load(
    url: _Url = None,
    simulator: RunningSimulator = None,
    simulator_port: _SimulatorPort = 8900,
    target: _TargetName = "understudy",
    key: ClientKey = None,
    surface: _Surface = None,
    scenario: _Names = None,
    rate: _Rate = 20,
    duration: _Duration = 60,
    warmup: _Warmup = 5,
    block: _Block = 1,
    seed: _Seed = 1,
    gateway_pid: _GatewayPid = None,
    limits: _LimitsFile = None,
    a_a: _SameArms = False,
    json_file: _JsonFile = None,
    ca: _Ca = None,
) -> None:
    """Put load on a gateway, and hold what it adds to its limits.

    The same conversations are held straight with the simulator and through the gateway at URL, in shuffled pairs by a
    schedule that waits for nobody. The gateway must use the simulator as its upstream; its address is printed first.
    Locust makes the load: pip install 'understudy[load]'.

    \b
    Examples:
      understudy load
      understudy load http://localhost:4000 --key sk-mine --gateway-pid 4242
      understudy load http://localhost:4000 --surface stream,live --rate 50 --json load.json
      understudy load http://localhost:4000 --target litellm --limits limits.yaml --a-a

    \b
    Exit status: 0 the limits were held, 1 they were not, 2 wrong usage or configuration,
    3 the gateway or the simulator cannot be reached, 4 inconclusive.
    """
    from ..load.files import load_limits
    from ..load.runner import require_locust
    from ..targets import load_target

    require_locust()
    kinds = _kinds(surface, KINDS if scenario else USUAL_KINDS)
    budgets = load_limits(limits)
    known = load_target(target, os.environ)
    shown = _key(key)
    known = known if shown is None else replace(known, key=shown)
    scenarios = _scenarios(scenario or [], kinds, known, named=surface is not None or bool(scenario))
    if gateway_pid is not None:
        _check_pid(gateway_pid)
    wishes = _Wishes(rate, duration, warmup, block, seed, gateway_pid, None if ca is None else str(ca.absolute()))
    control_key = Secret(os.environ[CONTROL_KEY_VARIABLE]) if os.environ.get(CONTROL_KEY_VARIABLE) else None
    with _stand(url or known.url or None, known, simulator, control_key, simulator_port, wishes) as stand:
        report = _loaded(stand, scenarios, wishes, budgets, control_key, a_a)
    _print(report, json_file)
    raise SystemExit(report.verdict.exit_status)


def _kinds(surface: str | None, usual: Sequence[str]) -> "tuple[Kind, ...]":
    from ..errors import did_you_mean
    from ..load.conversations import DEFAULTS

    words = [word.strip() for word in surface.split(",")] if surface is not None else list(usual)
    for word in words:
        if word not in KINDS:
            raise ConfigError(f"--surface {word}: wanted some of {', '.join(KINDS)}{did_you_mean(word, KINDS)}")
    return tuple(kind for kind in DEFAULTS if kind in words)


def _key(text: str | None) -> Secret | None:
    if text is None:
        return None
    if not text.startswith("@"):
        return Secret(text)
    try:
        return Secret(Path(text[1:]).read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--key {text}: the file cannot be read: {error}") from error


def _scenarios(
    words: Sequence[str], kinds: "tuple[Kind, ...]", target: "Target", *, named: bool
) -> "tuple[tuple[str, Scenario], ...]":
    """What is played, with the word that names it: the named ones, or the usual ones that the target can."""
    from ..library import load as load_scenario
    from ..load.conversations import DEFAULTS, conversation_of, kind_of

    chosen = words or [word for kind in kinds for word in DEFAULTS[kind]]
    # Locust is started in another folder.
    absolute = [str(Path(word).absolute()) if word.endswith((".yaml", ".yml")) else word for word in chosen]
    found = [(word, load_scenario(word)) for word in absolute]
    for _, scenario in found:
        conversation_of(scenario, target)
    fitting = [(word, one) for word, one in found if kind_of(one) in kinds and (words or _can(target, one))]
    if not fitting:
        raise ConfigError(f"target {target.name} claims none of what would be played; --scenario names it all the same")
    left_out = [one.id for _, one in found if one.id not in {taken.id for _, taken in fitting}]
    if left_out and not named:
        _say(f"not played {', '.join(left_out)}: not claimed by the target {target.name}")
    return tuple(fitting)


def _can(target: "Target", scenario: "Scenario") -> bool:
    return target.claims((scenario.surface.value,))


def _check_pid(pid: int) -> None:
    from ..load.machine import sample

    if sys.platform == "linux" and sample(pid) is None:
        raise ConfigError(f"--gateway-pid {pid}: there is no such process")


@contextmanager
def _stand(
    url: str | None,
    target: "Target",
    simulator: str | None,
    control_key: Secret | None,
    port: int,
    wishes: _Wishes,
) -> "Generator[Stand, None, None]":
    from ..conformance.stands import answers_at
    from ..load.addresses import address_of
    from ..load.stand import own_stand, stand_for

    home = prepared_home(os.environ)
    made: AbstractContextManager[Stand]
    if url is None:
        made = own_stand(target, home)
    else:
        address_of(url, wishes.ca)
        if simulator is None and answers_at(DEFAULT_CONTROL, control_key):
            simulator = DEFAULT_CONTROL
        made = stand_for(url, target, home, simulator, control_key, port)
    with made as stand:
        _say(f"gateway    {stand.url} ({stand.target.name})")
        _say(f"simulator  {stand.simulator}, which must be the gateway's upstream")
        yield stand


def _loaded(
    stand: "Stand",
    scenarios: "tuple[tuple[str, Scenario], ...]",
    wishes: _Wishes,
    limits: "Limits",
    control_key: Secret | None,
    first_alike: bool,
) -> "Report":
    from ..control import Control
    from ..load.machine import machine, versions
    from ..load.readiness import armed, try_once
    from ..load.report import Report
    from ..load.verdict import judged

    plan = _plan(stand, tuple(word for word, _ in scenarios), wishes)
    with Control(stand.control, control_key) as control, armed(control, plan.scenarios, _say):
        try_once(plan.arms, plan.scenarios, plan.ca, control)
        same, outcome = _runs(plan, control, first_alike)
    gateway = outcome.uses.get("gateway")
    verdict = judged(
        outcome.recording,
        limits,
        wishes.seed,
        growth_mib=None if gateway is None else gateway.growth_mib,
        same_arms=None if same is None else same.recording,
        is_partial=not outcome.is_whole,
    )
    return Report(plan, outcome, verdict, _shown_command(sys.argv[1:]), machine(), versions(), same)


def _runs(plan: "Plan", control: "Control", first_alike: bool) -> "tuple[Outcome | None, Outcome]":
    """The run with both arms straight, if it is wanted and was not ended early, and the run itself."""
    from ..load.runner import run

    ended: list[int] = []
    key = plan.arms["through"].target.key
    with handled(ended.append):
        same = None
        if first_alike:
            alike = replace(plan, arms={**plan.arms, "through": plan.arms["direct"]}, pids={})
            with _shown_progress("both arms straight", plan.pace.whole_s) as tick:
                same = run(alike, key, tick, lambda: bool(ended))
            if not same.is_whole:
                return None, same
        with _shown_progress("straight and through", plan.pace.whole_s) as tick:
            return same, run(plan, key, tick, lambda: bool(ended))


def _plan(stand: "Stand", scenarios: tuple[str, ...], wishes: _Wishes) -> "Plan":
    from ..environment import DEVELOPMENT_KEY
    from ..load.plan import ArmPlan, Plan
    from ..load.schedule import Pace
    from ..targets import load_target

    straight = replace(
        load_target("direct", {}),
        key=Secret(DEVELOPMENT_KEY),
        project=stand.target.project,
        location=stand.target.location,
    )
    direct = ArmPlan(stand.simulator, straight, has_own_key=False)
    if stand.url.rstrip("/") == stand.simulator.rstrip("/"):
        # The gateway is the simulator itself: both arms are alike, and nothing is added.
        through = direct
    else:
        key = stand.target.key
        known = stand.target if key is not None else replace(stand.target, key=Secret(DEVELOPMENT_KEY))
        through = ArmPlan(stand.url, known, has_own_key=key is not None)
    pids = {**stand.pids} if wishes.gateway_pid is None else {**stand.pids, "gateway": wishes.gateway_pid}
    pace = Pace(wishes.rate, wishes.warmup, wishes.duration, wishes.block)
    return Plan(wishes.seed, pace, scenarios, {"direct": direct, "through": through}, pids, wishes.ca)


@contextmanager
def _shown_progress(what: str, whole_s: float) -> Generator[Callable[[float], None], None, None]:
    """A bar on a terminal; elsewhere a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        _say(f"{what}: {whole_s:.0f} s")
        last = [time.monotonic()]

        def tick(passed_s: float) -> None:
            if time.monotonic() - last[0] >= 15:
                last[0] = time.monotonic()
                _say(f"{what}: {min(passed_s, whole_s):.0f} of {whole_s:.0f} s")

        yield tick
        return
    with Progress(TextColumn(what), BarColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=whole_s)
        yield lambda passed_s: bar.update(task, completed=min(passed_s, whole_s))


def _shown_command(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command line without the key."""
    shown: list[str] = []
    for index, word in enumerate(arguments):
        follows_key = index > 0 and arguments[index - 1] == "--key"
        if follows_key and not word.startswith("@"):
            word = STARS
        elif word.startswith("--key=") and not word.startswith("--key=@"):
            word = f"--key={STARS}"
        shown.append(word)
    return ("understudy", *shown)


def _print(report: "Report", json_file: str | None) -> None:
    from ..load.report import (
        CONVERSATION_HEADINGS,
        LATENCY_HEADINGS,
        PROCESS_HEADINGS,
        as_json,
        closing_lines,
        conversation_table,
        latency_table,
        process_table,
    )
    from .tables import print_rows

    if json_file is not None:
        text = json.dumps(as_json(report), indent=1) + "\n"
        if json_file == "-":
            sys.stdout.write(text)
            for line in closing_lines(report):
                _say(line)
            return
        try:
            Path(json_file).write_text(text, "utf-8")
        except OSError as error:
            raise ConfigError(f"--json {json_file}: cannot be written: {error.strerror}") from error
    styles = {"held": "green", "over": "bold red"}
    print_rows(latency_table(report.verdict), LATENCY_HEADINGS, styles)
    print()
    print_rows(conversation_table(report.verdict), CONVERSATION_HEADINGS, styles)
    processes = process_table(report.outcome)
    if processes:
        print()
        print_rows(processes, PROCESS_HEADINGS)
    print()
    for line in closing_lines(report):
        print(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
