"""`understudy load` and the locustfile, run as a user runs them: against real servers, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from load_doubles import late_relay

from command_line import LIMIT_S, ROOT, environment, started, understudy
from understudy.conformance.target import Target
from understudy.control import Control
from understudy.errors import TargetError
from understudy.library import load
from understudy.load.addresses import address_of
from understudy.load.conversations import conversation_of
from understudy.load.failures import PlayFailure
from understudy.load.plan import ArmPlan
from understudy.load.playing import Player
from understudy.load.readiness import armed, try_once
from understudy.load.schedule import Arm
from understudy.secret import Secret
from understudy.targets import load_target
from understudy.wiring import Pair, Ports, alone, wired

KEY = "sk-visible-0123456789"
BRIEF = ("--duration", "1", "--warmup", "0.2", "--rate", "20", "--block", "0.25")
"""Enough to see that it runs; judged by nobody."""

ENOUGH = ("--duration", "6", "--warmup", "0.5", "--rate", "25", "--block", "0.5", "--surface", "generate")
LOOSE = "version: 1\ngenerate:\n  total: {added_p50_ms: 2000, added_p90_ms: 4000}\n"
TIGHT = "version: 1\ngenerate:\n  total: {added_p50_ms: 5, added_p90_ms: 5}\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("wired")
    environ = environment(folder)
    ports = Ports().options()
    with wired(folder, environ, (*ports, "--lenient"), ports, folder / "account.json", quiet=True) as both:
        yield both


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "report.json"


def control(pair: Pair) -> str:
    assert pair.simulator.ready.admin is not None
    return pair.simulator.ready.admin


def load_command(pair: Pair, *words: str, home: Path, url: str | None = None) -> "subprocess.CompletedProcess[str]":
    return understudy("load", url or pair.gateway.ready.http, "--simulator", control(pair), *words, home=home)


def test_it_runs_all_kinds_and_tells_everything_but_the_key(pair: Pair, tmp_path: Path, file: Path) -> None:
    words = (*BRIEF, "--key", KEY, "--gateway-pid", str(pair.gateway.ready.pid), "--json", str(file), "--seed", "5")
    done = load_command(pair, *words, home=tmp_path)
    # One second is too little for a verdict, and nothing failed.
    assert done.returncode == 4, done.stdout + done.stderr
    report = json.loads(file.read_text("utf-8"))
    assert (report["exit_status"], report["seed"], report["partial"]) == (4, 5, False)
    seen = {(row["kind"], row["phase"]) for row in report["latency"]}
    assert seen >= {("generate", "total"), ("stream", "first_byte"), ("stream", "gap")}
    assert seen >= {("live", phase) for phase in ("connect", "setup", "first_frame", "total")}
    assert {row["failed"] + row["incomplete"] + row["dropped"] for row in report["conversations"]} == {0}
    assert sum(row["ok"] for row in report["conversations"]) == 40
    assert report["arms"]["direct"]["url"] == pair.simulator.ready.http
    assert "--key" in report["command"] and "***" in report["command"]
    if sys.platform == "linux":
        assert {"gateway", "generator"} <= report["processes"].keys()
        assert report["processes"]["gateway"]["cpu_s"] > 0
    assert "verdict: inconclusive" in done.stdout
    assert KEY not in done.stdout + done.stderr + file.read_text("utf-8")


def test_the_default_scope_is_left_as_it_was_found(pair: Pair, tmp_path: Path) -> None:
    with Control(control(pair)) as simulator:
        simulator.reset()
        done = load_command(pair, *BRIEF, "--surface", "generate", home=tmp_path)
        assert done.returncode == 4, done.stderr
        assert [(scope.armed, scope.requests) for scope in simulator.scopes() if not scope.name] == [((), 0)]


def test_what_was_armed_before_stays_and_is_told(pair: Pair) -> None:
    said: list[str] = []
    with Control(control(pair)) as simulator:
        simulator.reset()
        simulator.play("gemini/generate", times=None)
        with armed(simulator, ("gemini/generate", "gemini/stream"), said.append):
            [scope] = [scope for scope in simulator.scopes() if not scope.name]
            assert scope.armed == ("gemini/generate", "gemini/stream")
        [scope] = [scope for scope in simulator.scopes() if not scope.name]
        assert "gemini/generate" in scope.armed
        simulator.reset()
    assert any("plays already gemini/generate" in line for line in said)
    assert any("stay armed" in line for line in said)


def test_a_relay_that_is_late_is_over_its_budget(pair: Pair, tmp_path: Path, file: Path) -> None:
    limits = tmp_path / "tight.yaml"
    limits.write_text(TIGHT, "utf-8")
    with late_relay(urlsplit(pair.simulator.ready.http).port or 0, 0.03) as port:
        words = (*ENOUGH, "--target", "direct", "--limits", str(limits), "--json", str(file))
        done = load_command(pair, *words, home=tmp_path, url=f"http://127.0.0.1:{port}")
    assert done.returncode == 1, done.stdout + done.stderr
    [p50] = [
        row
        for row in json.loads(file.read_text("utf-8"))["latency"]
        if (row["phase"], row["quantile"]) == ("total", "p50")
    ]
    assert p50["verdict"] == "over" and p50["added_low_ms"] > 5


def test_both_arms_straight_are_held_or_inconclusive(pair: Pair, tmp_path: Path) -> None:
    done = load_command(pair, *ENOUGH, home=tmp_path, url=pair.simulator.ready.http)
    assert done.returncode in (0, 4), done.stdout + done.stderr


def test_a_gateway_within_loose_limits_is_held_and_the_pre_run_is_kept(pair: Pair, tmp_path: Path, file: Path) -> None:
    limits = tmp_path / "loose.yaml"
    limits.write_text(LOOSE, "utf-8")
    done = load_command(pair, *ENOUGH, "--a-a", "--limits", str(limits), "--json", str(file), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text("utf-8"))
    assert report["same_arms"]["histograms"]
    assert "both arms straight" in done.stderr


def test_our_own_gateway_is_started_when_no_url_is_given(tmp_path: Path) -> None:
    done = understudy("load", *BRIEF, "--json", "-", home=tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["arms"]["through"]["target"] == "understudy"
    assert {row["failed"] for row in report["conversations"]} == {0}
    assert "which must be the gateway's upstream" in done.stderr


def test_a_gateway_that_is_not_there_is_3(pair: Pair, tmp_path: Path) -> None:
    done = load_command(pair, *BRIEF, home=tmp_path, url="http://127.0.0.1:9")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("does not work there: connect: refused")


def test_a_gateway_with_another_upstream_is_3(pair: Pair, tmp_path: Path) -> None:
    with alone(tmp_path, environment(tmp_path), Ports().options(), tmp_path / "key.json", quiet=True) as other:
        done = load_command(pair, *BRIEF, "--target", "direct", home=tmp_path, url=other.ready.http)
    assert done.returncode == 3
    assert f"its upstream must be {pair.simulator.ready.http}" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--surface", "generate,strem"), "did you mean 'stream'?"),
        (("--target", "lightllm"), "target lightllm"),
        (("--scenario", "veo/text-to-video"), "veo/text-to-video"),
        (("--scenario", "gemini/generat"), "did you mean 'gemini/generate'?"),
        (("--gateway-pid", "4194305"), "there is no such process"),
        (("--limits", "none.yaml"), "none.yaml"),
        (("--key", "@none.key"), "the file cannot be read"),
    ],
)
def test_a_wrong_word_is_2(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = understudy("load", "http://127.0.0.1:9", *words, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_without_locust_it_says_how_to_get_it(tmp_path: Path) -> None:
    # None in sys.modules is how Python is told that there is no such module.
    code = "import sys; sys.modules['locust'] = None; from understudy.cli.command import main; main(['load'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("pip install 'understudy[load]'")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupt_ends_the_children_and_gives_what_was_seen_as_a_part(
    pair: Pair, tmp_path: Path, file: Path
) -> None:
    words = ("load", pair.gateway.ready.http, "--simulator", control(pair), "--duration", "300", "--warmup", "0")
    with started(*words, "--surface", "generate", "--json", str(file), home=tmp_path) as process:
        children = wait_for_load(process.pid, control(pair))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 4, out + err
    assert "PARTIAL RESULT" in out
    report = json.loads(file.read_text("utf-8"))
    assert report["partial"] is True
    assert sum(row["ok"] for row in report["conversations"]) > 0
    assert [child for child in children if child.is_running()] == []


def wait_for_load(pid: int, admin: str) -> list[psutil.Process]:
    """The processes below the command, once they have asked the simulator often enough."""
    limit = time.monotonic() + LIMIT_S
    with Control(admin) as simulator:
        while time.monotonic() < limit:
            if sum(scope.requests for scope in simulator.scopes() if not scope.name) > 60:
                return psutil.Process(pid).children(recursive=True)
            time.sleep(0.1)
    raise AssertionError("no load came")


def locust(
    pair: Pair, *words: str, home: Path, more: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Locust itself, as in the locustfile's own text."""
    arguments = ("-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless", "-u", "4", "-r", "4", "-t", "4s")
    return subprocess.run(
        [sys.executable, "-m", "locust", *arguments, "--host", pair.gateway.ready.http, "--json", *words],
        env=environment(home, {"UNDERSTUDY_KEY": KEY, **(more or {})}),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


PLAIN = ("gemini/generate", "vertex/generate", "gemini/stream", "vertex/stream", "live/text-turn")


def test_the_locustfile_runs_plainly_and_reports_phases_of_their_own(pair: Pair, tmp_path: Path) -> None:
    audio = "live/turns/automatic-activity"
    with Control(control(pair)) as simulator, armed(simulator, ("gemini/stream", "live/text-turn", audio), print):
        done = locust(pair, home=tmp_path, more={"UNDERSTUDY_SCENARIOS": f"{','.join(PLAIN)},{audio}"})
    assert done.returncode == 0, done.stderr
    entries = {(entry["method"], entry["name"]): entry for entry in json.loads(done.stdout)}
    assert {entry["num_failures"] for entry in entries.values()} == {0}
    assert {("generate", "gemini/generate"), ("stream", "gemini/stream"), ("live", "live/text-turn")} <= entries.keys()
    assert {("audio", audio), *(("audio", f"{audio} {phase}") for phase in ("first_frame", "gap"))} <= entries.keys()
    assert {("stream", f"gemini/stream {phase}") for phase in ("first_byte", "gap")} <= entries.keys()
    assert {("live", f"live/text-turn {phase}") for phase in ("connect", "setup", "first_frame")} <= entries.keys()
    assert KEY not in done.stdout + done.stderr


def test_the_locustfile_plays_the_scenarios_that_are_named_and_reports_failures(pair: Pair, tmp_path: Path) -> None:
    more = {"UNDERSTUDY_SCENARIOS": "vertex/generate", "UNDERSTUDY_TARGET": "direct"}
    done = locust(pair, "GenerateUser", home=tmp_path, more=more)
    # A gateway has no such path without its prefix.
    assert done.returncode == 1
    [entry] = json.loads(done.stdout)
    assert entry["name"] == "vertex/generate" and entry["num_failures"] == entry["num_requests"] > 0


# -- one conversation, in this process


def player(url: str, target: Target) -> Player:
    return Player(address_of(url, None)[0], target)


@pytest.mark.parametrize(
    ("scenario", "phases"),
    [
        ("gemini/generate", ["first_byte", "total"]),
        ("vertex/stream", ["first_byte", "gap", "gap", "total"]),
        ("live/text-turn", ["connect", "setup", "first_frame", "gap", "gap", "total"]),
        ("live/gemini-text-turn", ["connect", "setup", "first_frame", "gap", "gap", "gap", "total"]),
    ],
)
def test_a_conversation_has_its_phases(pair: Pair, scenario: str, phases: list[str]) -> None:
    target = load_target("understudy", {"LITELLM_MASTER_KEY": KEY})
    with Control(control(pair)) as simulator, player(pair.gateway.ready.http, target) as one:
        simulator.reset()
        simulator.play(scenario, times=None)
        timings = one.play(conversation_of(load(scenario), target))
        simulator.reset()
    assert [phase for phase, _ in timings] == phases
    assert all(seconds >= 0 for _, seconds in timings)


def test_a_conversation_that_speaks_has_the_same_phases(pair: Pair) -> None:
    target = load_target("understudy", {"LITELLM_MASTER_KEY": KEY})
    scenario = "live/turns/gemini-automatic-activity"
    with Control(control(pair)) as simulator, player(pair.gateway.ready.http, target) as one:
        simulator.reset()
        simulator.play(scenario, times=None)
        timings = one.play(conversation_of(load(scenario), target))
        simulator.reset()
    # Ten messages of 40 ms, then the two ends of the turn.
    assert [phase for phase, _ in timings] == ["connect", "setup", "first_frame", *["gap"] * 11, "total"]
    assert all(seconds >= 0 for _, seconds in timings)
    # Sixty messages of 20 ms at real time: no wait ends early.
    assert dict(timings)["total"] >= 59 * 0.02


@pytest.mark.parametrize(
    ("scenario", "from_due"),
    [("gemini/stream", {"first_byte", "total"}), ("live/text-turn", {"connect", "total"})],
)
def test_time_counts_from_when_a_conversation_was_due(pair: Pair, scenario: str, from_due: set[str]) -> None:
    target = load_target("understudy", {"LITELLM_MASTER_KEY": KEY})
    with player(pair.gateway.ready.http, target) as one:
        timings = one.play(conversation_of(load(scenario), target), time.perf_counter() - 1000)
    assert {phase for phase, seconds in timings if seconds >= 1000} == from_due


@pytest.mark.parametrize(
    ("scenario", "words"), [("gemini/generate", "HTTP 404"), ("live/text-turn", "handshake: HTTP 404")]
)
def test_a_refusal_is_told_by_its_status(pair: Pair, scenario: str, words: str) -> None:
    target = load_target("understudy", {"LITELLM_MASTER_KEY": KEY})
    with player(pair.gateway.ready.http, target) as one, pytest.raises(PlayFailure) as raised:
        one.play(conversation_of(load(scenario), target, "/nowhere"))
    assert str(raised.value) == words


def test_what_is_refused_before_the_run_gets_a_hint(pair: Pair) -> None:
    target = load_target("direct", {})
    straight = ArmPlan(pair.simulator.ready.http, Target("direct", frozenset(), key=Secret("any")), False)
    arms: dict[Arm, ArmPlan] = {"direct": straight, "through": ArmPlan(pair.gateway.ready.http, target, False)}
    with Control(control(pair)) as simulator, pytest.raises(TargetError, match="is --target right"):
        try_once(arms, ("gemini/generate",), None, simulator)
