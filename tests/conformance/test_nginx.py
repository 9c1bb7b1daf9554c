"""The control of the suite: on nginx, a plain reverse proxy that many rely on, only its real faults fail."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from understudy.conformance.catalogue import CHECKS, paired
from understudy.conformance.model import Run
from understudy.conformance.report.summary import outcomes
from understudy.conformance.runner import Plan, run
from understudy.conformance.stands import simulator_for
from understudy.library import load_all
from understudy.secret import Secret
from understudy.targets import load_target

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "src/understudy/_targets/nginx/nginx.conf"

REAL_FAULTS = {
    "URL-12/trace-refused": "the 405 has no Allow field (RFC 9110 15.5.6)",
    "HDR-2/connection-named-in-request": "what Connection names is passed on (RFC 9110 7.6.1)",
    "HDR-2/connection-named-in-response": "the same on the way back",
    "HDR-2/hop-by-hop-in-request": "Proxy-Connection, Proxy-Authorization and Trailer are passed on",
    "HDR-7/date-and-server": "both are replaced by nginx's own",
    "HDR-7/location": "a Location with the provider's address is rewritten (proxy_redirect default)",
}
"""As docs/scoreboard/nginx.md says."""


def nginx() -> str:
    """The program, or the test is skipped; where it must be there (CI), its absence is a failure."""
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        said = "nginx is not installed: scripts/install-nginx installs it"
        if os.environ.get("CI") or os.environ.get("UNDERSTUDY_NEEDS_NGINX"):
            pytest.fail(said)
        pytest.skip(said)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(program: str, folder: Path, port: int, upstream: str) -> Iterator[None]:
    """nginx on that port, in front of `upstream`."""
    config = CONFIG.read_text("utf-8")
    assert config.count("127.0.0.1:8080") == config.count("http://127.0.0.1:8900") == 1
    text = config.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("http://127.0.0.1:8900", upstream)
    (folder / "nginx.conf").write_text(text)
    said = folder / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen([program, "-p", folder, "-c", "nginx.conf"], stderr=errors)
    try:
        wait_for(process, port, said)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, said.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"nginx does not listen: {said.read_text()}")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    program, folder, home = nginx(), tmp_path_factory.mktemp("nginx"), tmp_path_factory.mktemp("home")
    port = free_port()
    target = load_target("nginx", {})
    with (
        simulator_for(f"http://127.0.0.1:{port}", target, home, None, None, 0) as stand,
        running(program, folder, port, stand.simulator),
    ):
        known = replace(target, key=Secret("a-key-of-the-provider"))
        return run(Plan(stand.url, known, paired(CHECKS, load_all([])), stand.control))


def test_only_its_real_faults_fail(judged: Run):
    failed = {outcome.check.id: outcome.worst for outcome in outcomes(judged) if outcome.status == "failed"}
    assert set(failed) == set(REAL_FAULTS), [
        (id, finding.message, finding.evidence)
        for id in set(failed) ^ set(REAL_FAULTS)
        for finding in (failed[id].findings if id in failed else ())
    ]
    assert not [outcome.check.id for outcome in outcomes(judged) if outcome.status in ("errored", "warned")]


def test_it_passes_what_a_plain_proxy_passes(judged: Run):
    passed = [outcome.check for outcome in outcomes(judged) if outcome.status == "passed"]
    assert {check.area for check in passed} == {"URL", "HDR", "BODY", "STR", "WS", "LRO", "ERR"}
    assert len(passed) > 120


def test_the_page_names_the_same_faults():
    page = Path(__file__).parents[2].joinpath("docs/scoreboard/nginx.md").read_text("utf-8")
    assert {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")} == set(REAL_FAULTS)
