"""What `understudy doctor` looks at."""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from ..environment import traps
from ..errors import ConfigError
from ..home import home_of, prepared_home
from .certificates import BUNDLE_FILE

State = Literal["ok", "note", "wrong"]

DEFAULT_PORTS: Final = {4000: "gateway", 4001: "gateway", 4443: "gateway"} | {
    8900: "simulator",
    8901: "simulator",
    8943: "simulator",
}
CLIENTS: Final = (
    "google-genai",
    "google-cloud-aiplatform",
    "google-auth",
    "litellm",
    "openai",
    "langchain-google-genai",
)
SKEW_LIMIT: Final = timedelta(minutes=5)
"""Google refuses assertions of a clock that is further off; so does the simulator's token endpoint."""

_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_REACH_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: "wrong" makes the exit status 1, "note" does not."""

    name: str
    state: State
    detail: str


def checks(environ: Mapping[str, str], now: datetime, url: str | None) -> Iterator[Check]:
    """All checks, in the order in which they are shown."""
    yield Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield _tried("state folder", lambda: str(prepared_home(environ)))
    yield _tried("local CA", lambda: _authority(environ, now))
    yield from _ports()
    yield _clock(now)
    yield from _versions()
    found = traps(environ, lambda path: Path(path).exists())
    yield from (Check("environment", "wrong" if trap.is_certain else "note", trap.sentence) for trap in found)
    if not found:
        yield Check("environment", "ok", "no variable that leads clients astray")
    if url is not None:
        yield from _reached(url, environ)


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except ConfigError as error:
        return Check(name, "wrong", str(error))


def _authority(environ: Mapping[str, str], now: datetime) -> str:
    from ..authority import Authority

    home = home_of(environ)
    authority = Authority.of_home(home, now)
    bundle = authority.write_bundle(environ, home / BUNDLE_FILE)
    return f"good until {authority.expires:%Y-%m-%d}; clients trust it by {bundle}"


def _ports() -> Iterator[Check]:
    for port, name in DEFAULT_PORTS.items():
        try:
            with socket.create_server(("127.0.0.1", port)):
                yield Check(f"port {port}", "ok", f"free for the {name}")
        except OSError as error:
            yield Check(f"port {port}", "note", f"{error.strerror}: a {name} that runs, or something else")


def _clock(now: datetime) -> Check:
    if now < _EARLIEST:
        return Check(
            "clock", "wrong", f"it says {now:%Y-%m-%d %H:%M} UTC, which is past; certificates and tokens will fail"
        )
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _versions() -> Iterator[Check]:
    for package in CLIENTS:
        try:
            yield Check(package, "ok", version(package))
        except PackageNotFoundError:
            yield Check(package, "note", "not in this Python environment")


def _reached(url: str, environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether `url` answers at all, and whether its clock agrees with ours."""
    import requests

    from ..authority import Authority

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Check("upstream", "wrong", f"{url}: not a URL; it must begin with https:// or http://")
        return
    home = home_of(environ)
    with requests.Session() as session:
        session.trust_env = parts.hostname not in ("127.0.0.1", "localhost", "::1")
        try:
            bundle = Authority.of_home(home).write_bundle(environ, home / BUNDLE_FILE)
            answer = session.get(url, timeout=_REACH_S, verify=str(bundle), allow_redirects=False)
        except (requests.RequestException, ConfigError) as error:
            yield Check("upstream", "wrong", f"{url}: {_why(error)}")
            return
    yield Check("upstream", "ok", f"{url}: answers (HTTP {answer.status_code})")
    yield from _skew(answer.headers.get("date"))


def _skew(date: str | None) -> Iterator[Check]:
    """How far our clock is from that of the server whose `Date` header this is."""
    try:
        skew = abs(datetime.now(UTC) - parsedate_to_datetime(date or "").astimezone(UTC))
    except (ValueError, OverflowError):
        return
    state: State = "wrong" if skew > SKEW_LIMIT else "ok"
    yield Check("clock against upstream", state, f"{skew.total_seconds():.0f} s apart")


def _why(error: Exception) -> str:
    """The cause in a few words; requests wraps it several times over."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted: it is neither of the local CA nor of the roots in your environment"
    if "Name or service not known" in text or "nodename nor servname" in text:
        return "there is no such host"
    return "nothing answers there" if "refused" in text or "timed out" in text else text
