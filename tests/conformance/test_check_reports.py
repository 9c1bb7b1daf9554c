"""`understudy check` from its command line to its reports: files, exit statuses, the line that repeats a case."""

import json
import shlex
from pathlib import Path
from xml.etree import ElementTree

from command_line import understudy
from understudy.conformance.report import machine
from understudy.conformance.stands import simulator_for
from understudy.targets import load_target

ONLY = ("--check", "URL-1", "--check", "URL-2")


def test_a_run_that_holds_writes_its_reports_and_ends_with_0(tmp_path: Path):
    files = ("--report", "json=report.json", "--report", "junit=report.xml")
    done = understudy("check", "--target", "direct", *ONLY, *files, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all held"
    assert "\x1b" not in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["schema_version"] == machine.SCHEMA_VERSION
    assert report["command"][:3] == ["check", "--target", "direct"]
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert int(root.get("tests", "0")) == sum(len(check["cases"]) for check in report["checks"]) > 5


def test_a_report_on_standard_output_is_all_that_is_there(tmp_path: Path):
    done = understudy("check", "--target", "direct", *ONLY, "--report", "json=-", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["failed"] == 0
    assert "all held" in done.stderr


def test_a_run_in_which_nothing_is_judged_does_not_hold(tmp_path: Path):
    done = understudy("check", "--target", "direct", "--check", "AUTH", home=tmp_path)
    assert done.returncode == 1
    assert "nothing was judged: a skip is never a pass" in done.stdout


def test_the_last_line_of_a_failing_run_repeats_its_case(tmp_path: Path):
    """The simulator passed off as a gateway with keys: it lets everybody in, which the suite must see."""
    target = tmp_path / "all in.yaml"
    target.write_text("name: all-in\nfeatures: [gemini, keys]\n")
    with simulator_for("http://unused", load_target(str(target), {}), tmp_path, None, None, 0) as stand:
        options = ("--target", str(target), "--simulator", stand.control, "--key", "sk-of-the-test-4711")
        done = understudy("check", stand.simulator, *options, "--check", "AUTH-2", home=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "sk-of-the-test" not in done.stdout + done.stderr
        words = shlex.split(done.stdout.splitlines()[-1])
        assert words[:2] == ["understudy", "check"]
        assert words[-2:] == ["--check", "AUTH-2/missing-key"]
        assert words[words.index("--key") + 1] == "${UNDERSTUDY_KEY:?}"
        words[words.index("--key") + 1] = "sk-of-the-test-4711"
        again = understudy(*words[1:], home=tmp_path)
    assert again.returncode == 1
    assert "1 check on 1 probe" in again.stdout
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_a_target_that_says_where_its_gateway_is_needs_no_url(tmp_path: Path):
    (tmp_path / "away.yaml").write_text("name: away\nurl: http://127.0.0.1:1\nfeatures: [gemini]\n")
    done = understudy("check", "--target", "away.yaml", "--simulator-port", "0", *ONLY, home=tmp_path)
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_mistakes_of_a_target_file_are_told(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("name: bad\nfeatures: [gemini, relais]\ncarrier: cookie\n")
    done = understudy("check", "http://127.0.0.1:1", "--target", "bad.yaml", home=tmp_path)
    assert done.returncode == 2
    assert "bad.yaml:2: features[1]" in done.stderr
    assert "did you mean 'relay'?" in done.stderr
    assert "bad.yaml:3: carrier" in done.stderr
