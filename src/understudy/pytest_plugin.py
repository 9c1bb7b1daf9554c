"""The pytest plugin: a simulator for each test, environment variables for SDKs, and the suite for the gateway at hand.

It imports pytest and nothing else until a fixture is asked for; what the fixtures do stands in `pytesting`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from .pytesting.checking import Suite
    from .pytesting.gateway import Gateway
    from .pytesting.server import Server
    from .pytesting.simulator import SimulatorHandle

_MARKER: Final = (
    "understudy(*scenarios, speed=0, strict=True, verdicts=None): arm these scenarios on `understudy_simulator` for "
    "the test; play their pauses at that speed; strict=False lets the simulator answer by itself what no scenario "
    "answers; verdicts='failed' or 'warned' fails the test if the client did something as bad as that."
)
_SPEED: Final = 0.0
_HANDLE: Final = pytest.StashKey["SimulatorHandle"]()
_HAS_FAILED: Final = pytest.StashKey[bool]()
_PROPERTY: Final = "understudy"
_WORDS: Final = ("speed", "strict", "verdicts")
_LEVELS: Final = ("failed", "warned")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options, each with our prefix."""
    group = parser.getgroup("understudy", "understudy: rehearse AI gateways without Google")
    group.addoption("--understudy-gateway", metavar="URL", help="The gateway that `understudy_check` judges.")
    group.addoption(
        "--understudy-target",
        metavar="NAME|FILE",
        default="understudy",
        help="That gateway's profile: a shipped one or a file. [default: understudy]",
    )
    group.addoption(
        "--understudy-key",
        metavar="KEY|@FILE",
        help="What a client shows that gateway. [default: the variable UNDERSTUDY_KEY]",
    )
    group.addoption("--understudy-cost-file", metavar="FILE", help="Where that gateway writes its costs.")
    group.addoption(
        "--understudy-simulator",
        metavar="URL",
        help="Admin address of a simulator that is running, in place of one for each worker.",
    )
    group.addoption(
        "--understudy-simulator-port",
        metavar="PORT",
        type=int,
        default=0,
        help="HTTP port of the simulator that is started. [default: a free one]",
    )
    group.addoption(
        "--understudy-seed", metavar="N", type=int, default=0, help="The source of the simulator's ids. [default: 0]"
    )
    group.addoption(
        "--understudy-verdicts",
        choices=_LEVELS,
        help="Fail each test whose client did something as bad as that; a marker may say otherwise for its test.",
    )
    group.addoption(
        "--understudy-report",
        action="store_true",
        help="Print all verdicts at the end: those of `understudy_check`, and those about clients.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test whose marker arms scenarios needs the simulator, whether it asks for it or not."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None or "understudy_simulator" in names:
        return
    if any(mark.args for mark in item.iter_markers("understudy")):
        names.insert(0, "understudy_simulator")


# ---- fixtures


@pytest.fixture(scope="session")
def understudy_server(request: pytest.FixtureRequest) -> Generator[Server, None, None]:
    """Where the simulator of this session listens (`url`, `https_url`, `admin_url`), and its `key_file` and `bundle`.

    It is started by whoever asks first, one for each xdist worker. A gateway that is started for a session takes its
    upstream address from here.
    """
    from .pytesting.server import serving

    option = request.config.getoption
    port, seed = int(option("understudy_simulator_port") or 0), int(option("understudy_seed") or 0)
    with serving(option("understudy_simulator"), port=port, seed=seed) as server:
        yield server


@pytest.fixture
def understudy_simulator(
    request: pytest.FixtureRequest, understudy_server: Server
) -> Generator[SimulatorHandle, None, None]:
    """The simulator, reset for this test: `url`, `play(id_or_scenario)`, `requests`, `sessions`, `transcript`.

    At the end the test fails if a request was answered by no scenario, or a scenario was not played to its end; and if
    the client did something wrong, where marker or option ask for that (docs/reference/verdicts.md).
    """
    from .pytesting.simulator import SimulatorHandle

    ids, speed, strict = _wishes(request.node)
    handle = SimulatorHandle(understudy_server, _worker(request.config), speed=speed, strict=strict)
    request.node.stash[_HANDLE] = handle
    try:
        _arm(handle, ids)
        yield handle
        complaints = handle.complaints()
        complaints += _judge(request, handle)
    finally:
        handle.close()
    if complaints and not request.node.stash.get(_HAS_FAILED, False):
        pytest.fail("\n".join(complaints), pytrace=False)


@pytest.fixture(scope="session")
def understudy_target(request: pytest.FixtureRequest) -> object:
    """The gateway under test, by `--understudy-gateway`; to be overridden by whoever starts one.

    A URL, or a mapping with `url` and any of `target`, `key` and `cost_file`; None if there is no gateway.
    """
    return request.config.getoption("understudy_gateway")


@pytest.fixture(scope="session")
def understudy_suite(request: pytest.FixtureRequest, understudy_server: Server, understudy_target: object) -> Suite:
    """The conformance suite and the gateway that it is aimed at; `understudy_check` is what tests use of it."""
    from .pytesting.checking import Suite

    return Suite(understudy_server, _gateway(request.config, understudy_target))


@pytest.fixture
def understudy_env(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    understudy_server: Server,
    understudy_target: object,
) -> Mapping[str, str | None]:
    """Environment variables for this test, so that SDKs find base URL, key, CA and credentials; gives what was set.

    They lead to the gateway under test if there is one, else to the simulator.
    """
    from .pytesting.gateway import variables

    wanted = variables(understudy_server, _gateway(request.config, understudy_target))
    for name, value in wanted.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return wanted


@pytest.fixture
def understudy_check(request: pytest.FixtureRequest, understudy_suite: Suite) -> Callable[..., None]:
    """`understudy_check(name)`: play, drive and judge a scenario, probe, check, requirement or area by its name.

    `check=` takes only checks of that name, `speed=` plays pauses at another speed than each its own. It fails with the
    findings and the command that repeats the test; it skips if the target claims nothing of what is needed.
    """

    from .errors import UnderstudyError

    def check(name: str, *, check: str | None = None, speed: float | None = None) -> None:
        __tracebackhide__ = True
        try:
            outcome = understudy_suite.judge(name, check, speed)
        except UnderstudyError as error:
            # Without `from None` pytest would show the same sentence twice.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        request.node.user_properties.extend((_PROPERTY, line) for line in outcome.lines)
        if outcome.failures:
            pytest.fail("\n".join([*outcome.failures, f"repeat: {_repeat(request)}"]), pytrace=False)
        if outcome.skip_reason:
            pytest.skip(f"{name}: {outcome.skip_reason}")

    return check


# ---- reports


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the simulator saw, why no scenario answered, and the seed."""
    report = yield
    if report.when == "call":
        # A test that was skipped or broke off has not played its scenarios to the end, and need not have.
        item.stash[_HAS_FAILED] = call.excinfo is not None
    handle = item.stash.get(_HANDLE, None)
    if report.failed and handle is not None:
        report.sections.extend(handle.sections())
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With `--understudy-report`: all verdicts, also those of xdist's workers."""
    if not config.getoption("understudy_report"):
        return
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    lines = dict.fromkeys(
        str(value)
        for report in reports
        # What a client did is judged when its test has ended.
        if getattr(report, "when", None) in ("call", "teardown")
        for name, value in report.user_properties
        if name == _PROPERTY
    )
    terminalreporter.section("understudy verdicts")
    for line in lines or ("nothing was judged",):
        terminalreporter.write_line(line)


# ---- verdicts about the client


def _judge(request: pytest.FixtureRequest, handle: SimulatorHandle) -> tuple[str, ...]:
    """What the test fails for because of what its client did; all of it becomes properties of the report."""
    fatal = _fatal_levels(request)
    if not fatal and not request.config.getoption("understudy_report"):
        return ()
    verdicts = handle.judged()
    request.node.user_properties.extend((_PROPERTY, f"{verdict.line} ({request.node.nodeid})") for verdict in verdicts)
    return tuple(f"the client: {verdict.line}" for verdict in verdicts if verdict.level in fatal)


def _fatal_levels(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The levels for which a test fails: by the nearest marker that says so, else by the option."""
    wish = request.config.getoption("understudy_verdicts")
    for mark in request.node.iter_markers("understudy"):
        if "verdicts" in mark.kwargs:
            wish = mark.kwargs["verdicts"]
            break
    if wish is None:
        return ()
    if wish not in _LEVELS:
        pytest.fail(f"marker understudy: verdicts={wish!r}; it knows 'failed', 'warned' and None", pytrace=False)
    return _LEVELS[: _LEVELS.index(wish) + 1]


# ---- what tests wish


def _wishes(node: pytest.Item) -> tuple[list[str], float, bool]:
    """Scenarios to arm, outer markers first; speed and strictness by the nearest marker that says so."""
    marks = list(node.iter_markers("understudy"))
    for mark in marks:
        unknown = [name for name in mark.kwargs if name not in _WORDS]
        if unknown:
            known = ", ".join(_WORDS)
            pytest.fail(f"marker understudy: unknown word {unknown[0]!r}; it knows {known}", pytrace=False)
    ids = [name for mark in reversed(marks) for name in mark.args]
    speed = next((mark.kwargs["speed"] for mark in marks if "speed" in mark.kwargs), _SPEED)
    strict = next((mark.kwargs["strict"] for mark in marks if "strict" in mark.kwargs), True)
    return ids, float(speed), bool(strict)


def _arm(handle: SimulatorHandle, ids: list[str]) -> None:
    """Play what the markers name; a mistake there is told without our own traceback."""
    from .errors import UnderstudyError

    try:
        for name in ids:
            handle.play(name)
    except UnderstudyError as error:
        raise pytest.fail.Exception(f"marker understudy: {error}", pytrace=False) from None


def _gateway(config: pytest.Config, target: object) -> Gateway | None:
    """The gateway under test: what `understudy_target` says, and the options where it says nothing."""
    from .pytesting.gateway import gateway_of

    names = ("target", "key", "cost_file")
    return gateway_of(target, {name: config.getoption(f"understudy_{name}") for name in names})


def _worker(config: pytest.Config) -> str:
    """The xdist worker's id, or `main`."""
    return str(getattr(config, "workerinput", {}).get("workerid", "main"))


def _repeat(request: pytest.FixtureRequest) -> str:
    """The command that repeats this test; a key is never in it."""
    import shlex

    words = ["pytest", request.node.nodeid]
    for option in ("gateway", "target", "cost-file", "simulator", "simulator-port", "seed"):
        value = request.config.getoption("understudy_" + option.replace("-", "_"))
        if value not in (None, 0, "") and not (option == "target" and value == "understudy"):
            words += [f"--understudy-{option}", str(value)]
    return shlex.join(words)
