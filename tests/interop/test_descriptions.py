"""The shipped descriptions are what the scripts make of their sources, in the versions that the files name."""

import os
import subprocess
from pathlib import Path

import pytest

from understudy.clients import client_environment
from understudy.home import prepared_home
from understudy_simulator import next_generation, validation

pytestmark = pytest.mark.interop

SCRIPTS = Path(__file__).parents[2] / "scripts"
GENAI = "3.4.0"
WAIT_S = 300


def made(environment, script, *arguments):
    """What a script writes on its standard output."""
    command = (str(environment.python), str(SCRIPTS / script), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S).stdout


@pytest.mark.timeout(900)
def test_google_s_descriptions_are_what_their_sources_give(tmp_path):
    also = ("google-api-python-client==2.202.0", "pyyaml")
    environment = client_environment("google-ai-generativelanguage", "0.12.1", prepared_home(os.environ), print, also)
    made(environment, "describe_google.py", str(tmp_path))
    shipped = Path(validation.__file__).parent / "data"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["gemini.json", "vertex_v1.json", "vertex_v1beta1.json"]
    for name in names:
        assert (tmp_path / name).read_text("utf-8") == (shipped / name).read_text("utf-8"), name


@pytest.mark.timeout(900)
def test_the_shapes_of_interactions_are_what_google_genai_gives():
    environment = client_environment("google-genai", GENAI, prepared_home(os.environ), print)
    shipped = Path(next_generation.__file__).parent / "shapes.json"
    assert made(environment, "describe_interactions.py") == shipped.read_text("utf-8")
