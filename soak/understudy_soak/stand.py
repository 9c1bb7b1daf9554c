"""The processes of a soak: a simulator for all of it, and a gateway that is killed and started again on its port."""

import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from understudy.control import Control
from understudy.environment import server_environment
from understudy.errors import TargetError
from understudy.processes import ServerProcess, running

from .canaries import Canaries
from .plan import Plan, faults

STORE: Final = "spend.db"
LINES: Final = "spend.jsonl"
LOG: Final = "gateway.log"
KEY_FILE: Final = "service-account.json"
_FREE: Final = ("--tls-port", "0", "--admin-port", "0")


class Stand:
    """Starts what is needed, in `folder`."""

    def __init__(self, folder: Path, plan: Plan, canaries: Canaries) -> None:
        self.folder: Final = folder
        self._plan = plan
        self._canaries = canaries
        self._environ = {**server_environment(os.environ), "UNDERSTUDY_HOME": str(folder)}
        self._port = 0

    @contextmanager
    def simulator(self) -> Generator[ServerProcess, None, None]:
        """The simulator, its faults armed."""
        live = ("--live", "audio-pace=0", "--live", "waits-for-playback=off")
        options = ("--port", "0", *_FREE, "--speed", "1", "--video-runs", "4", "--seed", str(self._plan.seed), *live)
        key_file = ("--service-account", str(self.folder / KEY_FILE))
        with running("simulator", (*options, *key_file), self._environ, self.folder / "simulator.log") as server:
            if server.ready.admin is None:
                raise TargetError("the simulator has no admin port")
            with Control(server.ready.admin) as control:
                control.play(faults(self._plan.seed), times=None)
            yield server

    @contextmanager
    def gateway(self, simulator: ServerProcess) -> Generator[ServerProcess, None, None]:
        """One life of the gateway, on the same port as the one before."""
        config = self.folder / "config.yaml"
        config.write_text(json.dumps(self._config(simulator.ready.http)), "utf-8")
        options = ("--config", str(config), "--port", str(self._port), *_FREE, "--spend", str(self.folder / LINES))
        environ = {
            **self._environ,
            "GEMINI_API_KEY": self._canaries.provider,
            "GEMINI_API_BASE": simulator.ready.http,
            "VERTEXAI_API_BASE": simulator.ready.http,
        }
        with running("gateway", options, environ, self.folder / LOG) as server:
            self._port = urlsplit(server.ready.http).port or 0
            yield server

    def _config(self, provider: str) -> Mapping[str, Any]:
        keys = [
            {"id": f"key-{number}", "key": key, "max_budget": "1000000", "tags": ["soak"]}
            for number, key in enumerate(self._canaries.keys.values())
        ]
        vertex = {
            "vertex_project": "soak-project",
            "vertex_location": "us-central1",
            "vertex_credentials": str(self.folder / KEY_FILE),
        }
        return {
            "general_settings": {"master_key": self._canaries.master},
            "default_vertex_config": vertex,
            "understudy_settings": {"keys": keys},
        }

    def booked(self) -> Counter[tuple[str, str]]:
        """How often each kind and id stands in the store, the gateway being gone."""
        with closing(sqlite3.connect(self.folder / STORE)) as store:
            return Counter({(kind, id): n for kind, id, n in store.execute(_COUNT)})

    def left_behind(self) -> dict[str, bytes]:
        """Everything that the gateway has written: log, store, file of records."""
        files = [file for name in (LOG, f"{STORE}*", LINES) for file in sorted(self.folder.glob(name))]
        return {file.name: file.read_bytes() for file in files}


_COUNT: Final = "SELECT kind, id, count(*) FROM spend GROUP BY kind, id"


def kill(server: ServerProcess) -> None:
    """End it as a power cut would."""
    os.kill(server.ready.pid, signal.SIGKILL)
