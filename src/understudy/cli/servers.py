"""`understudy simulator` and `understudy gateway`: one server in this process."""

import json
import os
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from ..errors import ConfigError
from ..home import make_once, prepared_home, write_private
from ..secret import Secret
from .options import (
    AdminPort,
    AnyBody,
    Auth,
    BearerTokens,
    CacheMinimum,
    DeniedProjects,
    Host,
    HttpPort,
    JsonLine,
    KeyFile,
    Latency,
    LiveTexts,
    QuotaTexts,
    RedirectDownloads,
    ScenarioNames,
    Seed,
    Speed,
    SpendFile,
    Strict,
    TlsName,
    TlsPort,
    UntilStdinEnds,
)

if TYPE_CHECKING:
    from ..scenario.latency import Profile
    from ..scenario.model import Scenario
    from .serving import Running

KEY_FILE: Final = "service-account.json"
BUNDLE_FILE: Final = "bundle.pem"
_LOOK_S: Final = 0.5


def simulator(
    port: HttpPort = 8900,
    tls_port: TlsPort = 8943,
    admin_port: AdminPort = 8901,
    host: Host = "127.0.0.1",
    tls_name: TlsName = None,
    scenario: ScenarioNames = None,
    strict: Strict = False,
    any_body: AnyBody = False,
    speed: Speed = 1.0,
    seed: Seed = 0,
    latency: Latency = None,
    auth: BearerTokens = Auth.ANY,
    quota: QuotaTexts = None,
    live: LiveTexts = None,
    deny_project: DeniedProjects = None,
    redirect_downloads: RedirectDownloads = False,
    cache_minimum: CacheMinimum = False,
    service_account: KeyFile = None,
    json_line: JsonLine = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Pretend to be Gemini, Vertex AI, Live and VEO.

    Without a scenario every request gets a sensible answer, and the same request the same one.

    \b
    Examples:
      understudy simulator --scenario faults/reset-now-and-then --latency typical
      understudy simulator --port 0 --tls-port 0 --admin-port 0 --strict --json
      understudy simulator --quota 'gemini-2.5-pro:requests/minute=2' --quota tokens/day=100000
      curl -s localhost:8900/v1beta/models/gemini-2.5-flash:generateContent \\
           -H 'x-goog-api-key: any' --json '{"contents":[{"parts":[{"text":"hello"}]}]}'
    """
    from understudy_simulator.app import Simulator
    from understudy_simulator.live.words import live_settings
    from understudy_simulator.quota_words import quota_rule
    from understudy_simulator.service_account import ServiceAccount
    from understudy_simulator.settings import SimulatorSettings

    from ..authority import Authority
    from .serving import serve

    home = prepared_home(os.environ)
    authority, account = Authority.of_home(home), ServiceAccount.from_pem(_account_key(home))
    settings = SimulatorSettings(
        *(host, port, tls_port, admin_port, strict, any_body, speed, seed, auth.value),
        quotas=tuple(map(quota_rule, quota or ())),
        denied_projects=tuple(deny_project or ()),
        redirects_downloads=redirect_downloads,
        cache_minimum=cache_minimum,
        control_key=_control_key(),
        live=live_settings(live or ()),
        latency=_profile(latency),
    )
    tls, played = authority.server_context(_names(host, tls_name)), _played(scenario or ())
    server = Simulator(settings, tls=tls, scenarios=played, service_account=account, load=_known, load_latency=_latency)
    bundle = authority.write_bundle(os.environ, home / BUNDLE_FILE)
    write = partial(_write_key_file, account.key_file, home, service_account)
    serve("simulator", server, bundle, _ports(port, tls_port, admin_port), json_line, until_stdin_ends, write)


def _ports(port: int, tls_port: int, admin_port: int) -> dict[str, int]:
    return {"--port": port, "--tls-port": tls_port, "--admin-port": admin_port}


def _known(name: str) -> "Scenario":
    """Who steers the simulator names scenarios of the library, never files of this machine (S-66)."""
    from ..library import find, load

    return load(find(name))


def _latency(name: str) -> "Profile":
    """The same for latency profiles."""
    from ..profiles import shipped_latency

    return shipped_latency(name)


def _profile(name: str | None) -> "Profile | None":
    from ..profiles import latency

    return None if name is None else latency(name)


def _played(names: Sequence[str]) -> "tuple[Scenario, ...]":
    """The scenarios of these names; says on standard error which of them can never answer."""
    from ..library import load_all
    from ..scenario.match import shadowed

    played = tuple(load_all(names)) if names else ()
    for earlier, later in shadowed(played):
        print(f"note: {later.id} never answers: {earlier.id} before it takes all its requests", file=sys.stderr)
    return played


def _write_key_file(
    key_file: Callable[[str], dict[str, str]], home: Path, service_account: Path | None, listening: "Running"
) -> None:
    """Write the service account's key file, whose token endpoint is the simulator that now listens."""
    token_uri = _token_uri(listening.http_url)
    path = service_account or home / KEY_FILE
    if service_account is None and is_in_use(path, token_uri):
        path = home / f"{path.stem}-{urlsplit(token_uri).port}.json"
        print(f"another simulator uses {KEY_FILE}; this one's key file is {path}", file=sys.stderr)
    write_private(path.absolute(), json.dumps(key_file(token_uri), indent=2).encode())


def gateway(
    config: Annotated[Path, typer.Option(metavar="FILE", help="The configuration, in LiteLLM's words.")],
    port: HttpPort = 4000,
    tls_port: TlsPort = 4443,
    admin_port: AdminPort = 4001,
    host: Host = "127.0.0.1",
    tls_name: TlsName = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A certificate chain (PEM) in place of the local CA's.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The key (PEM) of --tls-cert.")] = None,
    spend: SpendFile = None,
    json_line: JsonLine = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Run the reference passthrough gateway.

    It changes credentials and no byte of a body, and counts what each exchange costs.

    \b
    Examples:
      understudy gateway --config config.yaml
      understudy gateway --config config.yaml --spend spend.jsonl --port 0 --tls-port 0 --admin-port 0 --json
      understudy gateway --config config.yaml --tls-cert chain.pem --tls-key key.pem
    """
    from understudy_gateway.app import Gateway, Listen
    from understudy_gateway.config import load_config

    from ..library import price_book
    from .serving import serve

    settings = load_config(config, os.environ)
    tls, trust = _gateway_tls(_names(host, tls_name), tls_cert, tls_key)
    listen = Listen(host, port, tls_port, admin_port)
    server = Gateway(settings, listen, book=price_book(settings.price_book), tls=tls, spend_path=spend)
    ports = _ports(port, tls_port, admin_port)
    serve("gateway", server, trust, ports, json_line, until_stdin_ends)


def is_in_use(key_file: Path, own_uri: str = "") -> bool:
    """Whether the simulator that wrote this key file still runs: another one's file would cut its clients off.

    `own_uri` is the token endpoint of who asks. A connection must do as a proof, since a request would be recorded.
    """
    try:
        token_uri = str(json.loads(key_file.read_text("utf-8"))["token_uri"])
        parts = urlsplit(token_uri)
        if token_uri == own_uri or parts.hostname is None or parts.port is None:
            return False
        socket.create_connection((parts.hostname, parts.port), timeout=_LOOK_S).close()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _token_uri(origin: str) -> str:
    """The token endpoint of a simulator; who listens on all interfaces is not reached by that address."""
    return origin.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:") + "/token"


def _account_key(home: Path) -> str:
    """The private key of the simulated service account, PEM; made once, so that key files handed out stay good."""
    from understudy_simulator.service_account import ServiceAccount

    folder = home / "service-account"

    def fill(aside: Path) -> None:
        write_private(aside / "key.pem", ServiceAccount.generate().private_key_pem.reveal().encode())

    if not folder.is_dir():
        make_once(folder, fill)
    try:
        return (folder / "key.pem").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder}: the service account is damaged ({error}); delete the folder") from error


def _gateway_tls(names: list[str], certificate: Path | None, key: Path | None) -> tuple[ssl.SSLContext, Path | None]:
    """The gateway's TLS context, and the bundle with which clients trust it (None: the certificate is the user's)."""
    from ..authority import Authority, context_from_files

    if certificate is not None and key is not None:
        return context_from_files(certificate, key), None
    if certificate is not None or key is not None:
        raise ConfigError("--tls-cert and --tls-key belong together")
    home = prepared_home(os.environ)
    authority = Authority.of_home(home)
    return authority.server_context(names), authority.write_bundle(os.environ, home / BUNDLE_FILE)


def _names(host: str, more: list[str] | None) -> list[str]:
    """What the certificate must be good for besides loopback; an address for all interfaces is no name."""
    return [name for name in (host, *(more or [])) if name not in ("0.0.0.0", "::", "")]  # noqa: S104 - not bound here


def _control_key() -> Secret | None:
    key = os.environ.get("UNDERSTUDY_CONTROL_KEY")
    return Secret(key) if key else None
