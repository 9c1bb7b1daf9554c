"""The simulator behind the fixtures: a process of its own for a session, or one that runs already."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ..authority import Authority
from ..control import Control
from ..home import prepared_home
from ..secret import Secret
from ..wiring import Ports, alone

CONTROL_KEY_VARIABLE: Final = "UNDERSTUDY_CONTROL_KEY"
_OPTIONS: Final = ("--strict", "--speed", "0", "--auth", "any")


@dataclass(frozen=True, slots=True)
class Server:
    """Where a simulator listens, and the files that clients need: roots to trust it, the key file of its account.

    `is_shared`: others may use it too, so each test needs a scope of its own.
    """

    url: str
    https_url: str | None
    admin_url: str
    bundle: Path
    key_file: Path
    seed: int
    is_shared: bool = False
    control_key: Secret | None = None

    def control(self) -> Control:
        """A client of its control API."""
        return Control(self.admin_url, self.control_key)


@contextmanager
def serving(
    admin_url: str | None, *, port: int = 0, seed: int = 0, environ: Mapping[str, str] = os.environ
) -> Generator[Server, None, None]:
    """The simulator at `admin_url`, or with None one that is started on `port` and ended with the block.

    Raises ConfigError or TargetError if it cannot be started or reached.
    """
    home = prepared_home(environ)
    if admin_url is not None:
        yield _running(admin_url, home, environ)
        return
    with TemporaryDirectory(prefix="understudy-pytest-") as name:
        folder = Path(name)
        key_file = folder / "service-account.json"
        options = [*Ports(http=port).options(), *_OPTIONS, "--seed", str(seed)]
        # A control key of the user's is for a simulator of the user's; this one listens on loopback alone.
        own = {word: value for word, value in environ.items() if word != CONTROL_KEY_VARIABLE}
        with alone(folder, own | {"UNDERSTUDY_HOME": str(home)}, options, key_file, quiet=True) as process:
            ready = process.ready
            yield Server(ready.http, ready.https, ready.admin or "", Path(ready.ca or ""), key_file, seed)


def _running(admin_url: str, home: Path, environ: Mapping[str, str]) -> Server:
    key = Secret(environ[CONTROL_KEY_VARIABLE]) if environ.get(CONTROL_KEY_VARIABLE) else None
    with Control(admin_url, key) as control:
        health = control.health()
    bundle = Authority.of_home(home).write_bundle(environ, home / "bundle.pem")
    https = health.get("https")
    return Server(
        url=str(health.get("http") or ""),
        https_url=None if https is None else str(https),
        admin_url=admin_url,
        bundle=bundle,
        key_file=home / "service-account.json",
        seed=int(health.get("seed") or 0),
        is_shared=True,
        control_key=key,
    )
