"""Asks the other calculators, each in an environment of its own, made on first use."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from understudy.clients import client_environment, finished, locked
from understudy.home import prepared_home

from .causes import GENAI_PRICES, LITELLM
from .grid import cases

VERSIONS: Final = {GENAI_PRICES: "0.2.3", LITELLM: "1.109.1"}
"""LiteLLM's is the one whose price map is shipped as `current.json`."""

_PROGRAMS: Final = Path(__file__).parent / "calculators"
_RUN_LIMIT_S: Final = 300
_OPENAI: Final = "3.54.0"
_NEEDED: Final = (
    *("httpx", "h2", "tiktoken", "tokenizers", "jinja2", "jsonschema", "python-dotenv", "aiohttp", "pydantic"),
    *("pydantic-settings", "click", "importlib-metadata", "fastuuid", "google-auth", "pyyaml", "fastapi", "orjson"),
    "soundfile",
)
"""What LiteLLM's calculator imports; it pins more, and more narrowly, than it needs for that."""


def figures(who: str) -> dict[str, str | None]:
    """A calculator's figure for every case of the grid, as text."""
    home = prepared_home(os.environ)
    python = _litellm(home) if who == LITELLM else client_environment(who, VERSIONS[who], home, print).python
    program = _PROGRAMS / f"{who.replace('-', '_')}_program.py"
    done = subprocess.run(
        [str(python), str(program)],
        input=json.dumps([case.as_json() for case in cases()]),
        capture_output=True,
        text=True,
        timeout=_RUN_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])  # LiteLLM prints hints of its own before


def _litellm(home: Path) -> Path:
    """The interpreter of an environment with LiteLLM in it, without most of what it would bring along."""
    python = client_environment("openai", _OPENAI, home, print, _NEEDED).python
    wanted = f"litellm=={VERSIONS[LITELLM]}"
    with locked(home / "clients" / "second-opinions.lock"):
        shown = finished(str(python), "-m", "pip", "freeze")
        if wanted not in shown.stdout.splitlines():
            done = finished(str(python), "-m", "pip", "install", "--quiet", "--no-deps", wanted)
            if done.returncode:
                raise RuntimeError(f"{wanted} cannot be installed: {done.stderr[-500:]}")
    return python
