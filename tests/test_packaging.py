"""What is in the wheel, built through the sdist, and how it behaves in a stranger's project."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from command_line import ANY_PORTS

ROOT = Path(__file__).parents[1]

FOREIGN_TEST = """
import urllib.request

import pytest

import gateway

def test_my_own_gateway_is_mine():
    assert gateway.NAME == "the user's own"

def test_the_scenarios_came_with_the_wheel():
    from understudy.library import load
    assert load("gemini/generate").id == "gemini/generate"

@pytest.mark.parametrize("scenario", ["gemini/generate", "gemini/stream"])
def test_the_plugin_plays_them(understudy_simulator, scenario):
    understudy_simulator.play(scenario)
    verb = {"gemini/generate": "generateContent", "gemini/stream": "streamGenerateContent"}[scenario]
    path = f"/v1beta/models/gemini-2.5-flash:{verb}?alt=sse"
    body = b'{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'
    request = urllib.request.Request(understudy_simulator.url + path, body, {"x-goog-api-key": "k"}, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    [seen] = understudy_simulator.requests
    assert seen.body == body
    assert gateway.NAME == "the user's own" and "site-packages" not in gateway.__file__

def test_the_suite_judges(understudy_check):
    understudy_check("gemini/generate")
"""


FOREIGN_CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def understudy_target(understudy_server):
    return {"url": understudy_server.url, "target": "direct", "key": "k"}
"""


def run(*command: object, cwd: Path, **more) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=600, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The interpreter of a clean environment that has the wheel and pytest."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", built[1], "pytest", "pytest-xdist", cwd=folder)
    return python


@pytest.mark.slow
def test_every_top_level_name_in_the_wheel_is_ours(built):
    names = {name.split("/")[0] for name in zipfile.ZipFile(built[1]).namelist()}
    assert names and all(name.startswith("understudy") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("understudy/_scenarios/prices.yaml", "understudy/_scenarios/live/text-turn.yaml"),
        *("understudy/_prices/current.json", "understudy/_prices/LICENSE.litellm", "understudy/_loadtests/README.md"),
        *("understudy/_clients/google_genai_session.py", "understudy/py.typed", "understudy_gateway/app.py"),
        *(
            "understudy_simulator/app.py",
            "understudy_simulator/_media/1280x720.mp4",
            "understudy_simulator/_media/tone.aac",
        ),
    ],
)
def test_the_wheel_holds_code_and_data(built, name):
    assert name in zipfile.ZipFile(built[1]).namelist()


@pytest.mark.slow
def test_the_wheel_through_the_sdist_holds_what_the_tree_holds(built):
    packages = {"src/understudy", "gateway/understudy_gateway", "simulator/understudy_simulator"}
    in_tree = {
        path.relative_to((ROOT / package).parent).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_tree <= set(zipfile.ZipFile(built[1]).namelist())
    with tarfile.open(built[0]) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"tests/test_packaging.py", "Makefile", "README.md", "LICENSE", "scenarios/prices.yaml"} <= in_sdist


@pytest.mark.slow
def test_a_stranger_keeps_his_own_package_gateway_and_has_our_plugin(installed, tmp_path):
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text('NAME = "the user\'s own"\n')
    (tmp_path / "test_mine.py").write_text(FOREIGN_TEST)
    (tmp_path / "conftest.py").write_text(FOREIGN_CONFTEST)
    for options in ((), ("-n", "2")):
        out = run(installed, "-m", "pytest", "-q", "-W", "error", *options, "test_mine.py", cwd=tmp_path, env=environ)
        assert "5 passed" in out


@pytest.mark.slow
def test_the_installed_command_works(installed, tmp_path):
    command = installed.with_name("understudy")
    assert run(command, "--version", cwd=tmp_path).strip()
    listed = json.loads(run(command, "scenarios", "list", "--json", cwd=tmp_path))
    assert "live/text-turn" in {scenario["id"] for scenario in listed}


@pytest.mark.slow
def test_an_installed_server_starts_says_where_and_ends(installed, tmp_path):
    command = [str(installed.with_name("understudy")), "simulator", *ANY_PORTS, "--json"]
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["http"].startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
