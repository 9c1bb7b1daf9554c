"""Environments for JavaScript clients, with stand-ins for Node and npm: no Node is needed here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.errors import TargetError
from understudy.node_clients import OLDEST_NODE, SESSION_PROGRAM, found_node, node_environment

# What npm leaves behind, in few words: the folder after --prefix gets the package that is named last. It writes down
# how it was called, and looks whether anything is at the final place yet.
NPM = """\
#!{python}
import json, sys
from pathlib import Path
prefix = Path(sys.argv[sys.argv.index("--prefix") + 1])
with Path(r"{log}").open("a") as log:
    print(json.dumps(dict(arguments=sys.argv[1:], beside=sorted(p.name for p in prefix.parent.iterdir()))), file=log)
package, _, version = sys.argv[-1].rpartition("@")
module = prefix / "node_modules" / package
module.mkdir(parents=True)
(module / "package.json").write_text(json.dumps(dict(version="9.9.9" if version == "latest" else version)))
"""


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """A folder that is the whole PATH, so that what it lacks is missing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(path: Path, name: str, text: str) -> None:
    program = path / name
    program.write_text(text, "utf-8")
    program.chmod(0o755)


def put_node(path: Path, said: str = "v20.20.2") -> None:
    put(path, "node", f"#!/bin/sh\necho {said}\n")


@pytest.fixture
def installer(path, tmp_path):
    """Node and an npm that works; gives what npm was called with."""
    log = tmp_path / "npm.log"
    put_node(path)
    put(path, "npm", NPM.format(python=sys.executable, log=log))
    return lambda: [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def test_an_environment_is_made_once_and_then_found(installer, path, tmp_path):
    said: list[str] = []
    made = node_environment("@google/genai", "2.32.0", tmp_path, said.append)
    again = node_environment("@google/genai", "2.32.0", tmp_path, said.append)
    assert made == again
    assert (made.package, made.version, made.node) == ("@google/genai", "2.32.0", path / "node")
    assert len(said) == len(installer()) == 1
    assert said[0] == f"installing @google/genai 2.32.0 into {made.folder}"


def test_no_version_is_the_newest_and_the_one_found_is_told(installer, tmp_path):
    made = node_environment("@google/genai", None, tmp_path)
    assert (made.version, made.folder.name) == ("9.9.9", "npm-@google+genai-newest")
    assert installer()[0]["arguments"][-1] == "@google/genai@latest"


def test_versions_stand_side_by_side(installer, tmp_path):
    folders = {node_environment("@google/genai", version, tmp_path).folder for version in ("2.32.0", "2.31.0", None)}
    assert len(folders) == 3


def test_npm_fills_another_folder_and_runs_nothing_that_it_downloads(installer, tmp_path):
    made = node_environment("@google/genai", "2.32.0", tmp_path)
    [call] = installer()
    assert "--ignore-scripts" in call["arguments"]
    assert made.folder.name not in call["beside"]
    assert call["beside"] == [f"{made.folder.name}.lock", f"{made.folder.name}.part"]
    assert not made.folder.with_name(f"{made.folder.name}.part").exists()
    assert json.loads((made.folder / "package.json").read_text("utf-8")) == {"private": True}


def test_what_a_broken_off_installation_left_is_thrown_away(installer, tmp_path):
    left = tmp_path / "clients" / "npm-six-1.0.0.part" / "node_modules" / "half"
    left.mkdir(parents=True)
    made = node_environment("six", "1.0.0", tmp_path)
    assert sorted(path.name for path in (made.folder / "node_modules").iterdir()) == ["six"]


def test_the_program_in_the_folder_is_todays(installer, tmp_path):
    made = node_environment("six", "1.0.0", tmp_path)
    node, program = made.session_command
    assert (node, Path(program).parent) == (str(made.node), made.folder)
    Path(program).write_text("an older one", "utf-8")
    node_environment("six", "1.0.0", tmp_path)
    assert Path(program).read_bytes() == SESSION_PROGRAM.read_bytes()


def test_a_folder_without_the_client_says_what_to_remove(installer, tmp_path):
    made = node_environment("six", "1.0.0", tmp_path)
    (made.folder / "node_modules" / "six" / "package.json").unlink()
    with pytest.raises(TargetError, match=rf"remove {made.folder} to have it made anew"):
        node_environment("six", "1.0.0", tmp_path)


@pytest.mark.parametrize(
    ("npm", "why"),
    [
        (
            'echo \'{"error": {"code": "ETARGET", "summary": "No matching version"}}\'; echo advice >&2',
            "No matching version",
        ),
        ("echo 'npm error first' >&2; echo 'npm error last' >&2", "npm error last"),
        ('echo \'{"error": {"summary": ""}}\'; echo advice >&2', "advice"),
        ("echo '[1]'", "[1]"),
        ("true", "no output"),
    ],
)
def test_a_failed_installation_is_one_error_in_npms_words_and_leaves_nothing(npm, why, path, tmp_path):
    put_node(path)
    put(path, "npm", f"#!/bin/sh\n{npm}\nexit 7\n")
    with pytest.raises(TargetError) as failed:
        node_environment("six", "0.0.0", tmp_path)
    assert str(failed.value) == f"npm install six@0.0.0: exit status 7: {why}"
    assert [path.name for path in (tmp_path / "clients").iterdir()] == ["npm-six-0.0.0.lock"]


def test_missing_node_is_said_in_one_sentence(path, tmp_path):
    with pytest.raises(TargetError) as failed:
        node_environment("six", None, tmp_path)
    assert str(failed.value) == "no 'node' on PATH; JavaScript clients need Node 20 or newer, with npm"


def test_missing_npm_is_said_in_one_sentence(path, tmp_path):
    put_node(path)
    with pytest.raises(TargetError, match=r"^no 'npm' on PATH; "):
        node_environment("six", None, tmp_path)


@pytest.mark.parametrize("said", [f"v{OLDEST_NODE}.0.0", "v22.11.0", "v100.0.0", "v24.0.0-nightly"])
def test_a_node_that_is_new_enough_is_taken(said, path):
    put_node(path, said)
    assert found_node() == path / "node"


@pytest.mark.parametrize("said", [f"v{OLDEST_NODE - 1}.9.9", "v18.20.4", "v9.0.0"])
def test_a_node_that_is_too_old_is_refused(said, path):
    put_node(path, said)
    with pytest.raises(TargetError, match=rf"is {said}; JavaScript clients need Node {OLDEST_NODE} or newer"):
        found_node()


@pytest.mark.parametrize("script", ["echo hello", "exit 3", "echo v22.0.0; exit 3"])
def test_a_node_that_does_not_tell_its_version_is_refused(script, path):
    put(path, "node", f"#!/bin/sh\n{script}\n")
    with pytest.raises(TargetError, match="not a version"):
        found_node()


@pytest.mark.slow
def test_two_processes_that_ask_at_once_install_once(installer, tmp_path):
    ask = "import sys, pathlib; from understudy.node_clients import node_environment as e; "
    ask += "print(e('six', '1.0.0', pathlib.Path(sys.argv[1])).version)"
    processes = [
        subprocess.Popen([sys.executable, "-c", ask, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["1.0.0\n", "1.0.0\n"]
    assert len(installer()) == 1


def test_the_session_program_is_there():
    assert SESSION_PROGRAM.is_file()
