"""A user's own project, with no key and no change, works offline under `understudy run`."""

import os
import subprocess
import sys

import pytest

from understudy.clients import client_environment
from understudy.home import prepared_home

USERS_TEST = """\
from google import genai

def test_it_answers():
    client = genai.Client()
    assert client.models.generate_content(model="gemini-2.5-flash", contents="hello").text
"""


@pytest.mark.interop
def test_a_three_line_project_passes_under_run(tmp_path):
    home = prepared_home(os.environ)
    python = client_environment("google-genai", None, home, print, also=("pytest",)).python
    (tmp_path / "test_user.py").write_text(USERS_TEST)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UNDERSTUDY_HOME": str(home)}
    command = [sys.executable, "-m", "understudy", "run", "--", str(python), "-m", "pytest", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
