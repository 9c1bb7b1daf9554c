"""google-genai's Live sessions through the gateway, by an alias, and with a key that is limited (S-61, WS-6, AUTH-10).

On Vertex AI the client itself makes full names of models, which are never changed: there the real name is used.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from understudy.authority import Authority
from understudy.clients import client_environment
from understudy.control import Control
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.processes import running
from understudy.wiring import Ports, alone

PROGRAM = Path(__file__).parent / "live_alias_program.py"
KEY = "sk-live-alias-0123456789"
MODELS = {"gemini": "gemini-live-2.5-flash-preview", "vertex_ai": "gemini-live-2.5-flash"}
OTHERS = {"gemini": "gemini-live-2.5-flash-preview", "vertex_ai": "gemini-2.0-flash-live-preview-04-09"}
ASKED = {"gemini": "talker", "vertex_ai": MODELS["vertex_ai"]}
LIMIT_S = 120

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


def config(simulator: str, service: str, key_file: Path) -> dict[str, Any]:
    """A gateway in front of the simulator whose one key may use one alias."""
    entry = {"model": f"{service}/{MODELS[service]}"}
    return {
        "understudy_settings": {
            "price_book": "frozen",
            "keys": [{"id": "live", "key": KEY, "models": [ASKED[service]]}],
        },
        "model_list": [{"model_name": "talker", "litellm_params": entry}],
        "default_vertex_config": {
            "vertex_project": "proj",
            "vertex_location": "us-central1",
            "vertex_credentials": str(key_file),
            "api_base": simulator,
        },
    }


@pytest.mark.parametrize("version", [None, "2.34.0"])
@pytest.mark.parametrize("service", ["gemini", "vertex_ai"])
def test_an_alias_is_talked_to_and_another_model_is_not(service, version, tmp_path):
    home = prepared_home(os.environ)
    python = client_environment(CLIENT, version, home, print).python
    bundle = Authority.of_home(home).write_bundle(os.environ, tmp_path / "bundle.pem")
    key_file = tmp_path / "account.json"
    play = (*Ports().options(), "--speed", "0")
    with alone(tmp_path, os.environ, play, key_file, quiet=True) as simulator:
        file = tmp_path / "gateway.yaml"
        file.write_text(json.dumps(config(simulator.ready.http, service, key_file)))
        environ = {**os.environ, "GEMINI_API_KEY": "upstream-key", "GEMINI_API_BASE": simulator.ready.http}
        options = [*Ports().options(), "--config", str(file), "--store", str(tmp_path / "spend.db")]
        with running("gateway", options, environ, tmp_path / "gateway.log") as gateway:
            done = subprocess.run(
                [str(python), str(PROGRAM), str(gateway.ready.https), KEY, service, ASKED[service], OTHERS[service]],
                env={**os.environ, "SSL_CERT_FILE": str(bundle)},
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        sessions = Control(simulator.ready.admin or "").transcript().sessions
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert "code" not in first and first["said"], done.stdout
    assert second["code"] == 1008 and "may not use the model" in second["reason"], done.stdout
    setups = [json.loads(frame.payload)["setup"]["model"] for one in sessions for frame in one.frames[:1]]
    assert [name.rpartition("/")[2] for name in setups] == [MODELS[service]]  # and nothing of the second session
