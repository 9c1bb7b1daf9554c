"""`understudy simulator` and `understudy gateway`: one server in this process."""

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from ..errors import ConfigError
from ..home import make_once, prepared_home, write_private
from ..secret import Secret
from .certificates import certificate_names, own_tls
from .options import (
    AdminPort,
    AnyBody,
    Auth,
    BearerTokens,
    CacheMinimum,
    CheckConfig,
    DeniedProjects,
    FailOn,
    Host,
    HttpPort,
    JsonLine,
    KeyFile,
    Latency,
    LiveTexts,
    QuotaTexts,
    RedirectDownloads,
    RootPath,
    ScenarioNames,
    Seed,
    SharesPorts,
    Speed,
    SpendFile,
    StoreFile,
    Strict,
    TlsCert,
    TlsName,
    TlsPort,
    UntilStdinEnds,
    VerdictFile,
    VideoRuns,
    Workers,
)

if TYPE_CHECKING:
    from ..scenario.model import Scenario
    from .serving import Running

KEY_FILE: Final = "service-account.json"
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
    video_runs: VideoRuns = "1",
    service_account: KeyFile = None,
    report: VerdictFile = None,
    fail_on: FailOn = None,
    json_line: JsonLine = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Pretend to be Gemini, Vertex AI, Live and VEO.

    Without a scenario every request gets a sensible answer, and the same request the same one.

    \b
    Examples:
      understudy simulator --scenario faults/reset-now-and-then --latency typical --report - --fail-on failed
      understudy simulator --quota 'gemini-2.5-pro:requests/minute=2' --port 0 --tls-port 0 --admin-port 0 --json
      curl -s localhost:8900/v1beta/models/gemini-2.5-flash:generateContent \\
           -H 'x-goog-api-key: any' --json '{"contents":[{"parts":[{"text":"hello"}]}]}'
    """
    from understudy_simulator.app import Simulator
    from understudy_simulator.service_account import ServiceAccount
    from understudy_simulator.settings import SimulatorSettings

    from .serving import serve
    from .verdicts import check_place, tell

    check_place(report)
    home = prepared_home(os.environ)
    account = ServiceAccount.from_pem(_account_key(home))
    settings = SimulatorSettings(
        *(host, port, tls_port, admin_port, strict, any_body, speed, seed, auth.value),
        control_key=_control_key(),
        **_strictness(deny_project, redirect_downloads, cache_minimum),
        **_worded(quota or (), live or (), video_runs, latency),
    )
    tls, bundle = own_tls(home, certificate_names(host, tls_name))
    server = Simulator(settings, tls=tls, scenarios=_played(scenario or ()), service_account=account, **_library())
    write_key = partial(_write_key_file, account.key_file, home, service_account)
    serve("simulator", server, bundle, _ports(port, tls_port, admin_port), json_line, until_stdin_ends, write_key)
    tell(server.stage.recorder.transcript(), report, fail_on, json_line)


def _strictness(deny_project: list[str] | None, redirects: bool, cache_minimum: bool) -> dict[str, Any]:
    return {
        "denied_projects": tuple(deny_project or ()),
        "redirects_downloads": redirects,
        "cache_minimum": cache_minimum,
    }


def _library() -> dict[str, Any]:
    """Who steers the simulator names what ships, never files of this machine (S-66)."""
    from ..library import find, load
    from ..profiles import shipped_latency

    def load_shipped(name: str) -> "Scenario":
        return load(find(name))

    return {"load": load_shipped, "load_latency": shipped_latency}


def _worded(quotas: Sequence[str], live: Sequence[str], video_runs: str, latency: str | None) -> dict[str, Any]:
    """The settings that these options say in words. Raises ConfigError for wrong ones."""
    from understudy_simulator.live.words import live_settings
    from understudy_simulator.quota_words import quota_rule
    from understudy_simulator.settings import VideoRun

    from ..profiles import latency as profile

    return {
        "quotas": tuple(map(quota_rule, quotas)),
        "live": live_settings(live),
        "video_run": VideoRun.read(video_runs),
        "latency": None if latency is None else profile(latency),
    }


def _ports(port: int, tls_port: int, admin_port: int) -> dict[str, int]:
    """Each port by the option that chooses it."""
    return {"--port": port, "--tls-port": tls_port, "--admin-port": admin_port}


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
    tls_cert: TlsCert = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The key (PEM) of --tls-cert.")] = None,
    spend: SpendFile = None,
    store: StoreFile = None,
    workers: Workers = 1,
    root_path: RootPath = None,
    check_config: CheckConfig = False,
    shares_ports: SharesPorts = False,
    json_line: JsonLine = False,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Run the reference passthrough gateway.

    It changes credentials and no byte of a body, and counts what each exchange costs. The records stand in a store that
    `understudy spend` reads; in development mode there is none unless named. SIGHUP reads the configuration anew.

    \b
    Examples:
      understudy gateway --config config.yaml --root-path /llm
      understudy gateway --config config.yaml --spend spend.jsonl --port 0 --tls-port 0 --admin-port 0 --json
      understudy gateway --config config.yaml --check-config
      understudy gateway --config config.yaml --tls-cert chain.pem --tls-key key.pem
    """
    from understudy_gateway.config import load_config

    from ..price_books import price_book
    from .gateway_life import checked
    from .gateway_server import GatewayOptions, become_gateway

    options = GatewayOptions(
        config=str(config),
        ports=_ports(port, tls_port, admin_port),
        host=host,
        tls_names=tuple(tls_name or ()),
        tls_cert=_text(tls_cert),
        tls_key=_text(tls_key),
        spend=_text(spend),
        store=store,
        workers=workers,
        root_path=root_path,
        shares_ports=shares_ports,
        json_line=json_line,
        until_stdin_ends=until_stdin_ends,
    )
    if check_config:
        settings = load_config(config, options.environ)
        price_book(settings.price_book, [settings.model_prices])
        checked(config, settings)
        return
    become_gateway(options)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


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


def _control_key() -> Secret | None:
    key = os.environ.get("UNDERSTUDY_CONTROL_KEY")
    return Secret(key) if key else None
