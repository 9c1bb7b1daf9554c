"""Options that several commands share, each with its help text."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

DEFAULT_CONTROL: Final = "http://127.0.0.1:8901"


class Verdicts(StrEnum):
    """How bad what clients did must be."""

    FAILED = "failed"
    WARNED = "warned"


class Auth(StrEnum):
    """Which bearer tokens the simulator takes."""

    ANY = "any"
    ISSUED = "issued"


def port_option(what: str) -> Any:
    """An option for a port number."""
    return typer.Option(min=0, max=65535, metavar="PORT", help=f"{what}; 0 picks a free one.")


HttpPort = Annotated[int, port_option("HTTP and ws://")]
TlsPort = Annotated[int, port_option("HTTPS and wss://")]
AdminPort = Annotated[int, port_option("Control API of the simulator, health of the gateway; on loopback")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
TlsName = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="One more host name for the local CA's certificate.")
]
ScenarioNames = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario", metavar="ID|FILE|DIR", help="Play this again and again, in every scope. May be repeated."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict/--lenient", help="Refuse what no scenario answers, or answer it sensibly.")
]
AnyBody = Annotated[bool, typer.Option("--any-body", help="Let bodies pass that Google would refuse.")]
QuotaTexts = Annotated[
    list[str] | None,
    typer.Option("--quota", metavar="RULE", help="[MODEL:]KIND[/SPAN]=LIMIT, as requests/minute=10. May be repeated."),
]
LiveTexts = Annotated[
    list[str] | None,
    typer.Option("--live", metavar="WORD=VALUE", help="How Live sessions behave, as connection=60s. May be repeated."),
]
DeniedProjects = Annotated[
    list[str] | None, typer.Option("--deny-project", metavar="ID", help="Refuse this project. May be repeated.")
]
RedirectDownloads = Annotated[
    bool, typer.Option("--redirect-downloads", help="Answer a download by a redirect to where its bytes are.")
]
CacheMinimum = Annotated[
    bool, typer.Option("--cache-minimum", help="Refuse cached contents that are too small for Google.")
]
VideoRuns = Annotated[
    str, typer.Option(metavar="POLLS|TIME", help="How long a video is not done: for so many polls, or a time as 90s.")
]
Speed = Annotated[float, typer.Option(min=0, metavar="X", help="1 as scripted, 2 twice as fast, 0 without pauses.")]
Latency = Annotated[
    str | None,
    typer.Option("--latency", metavar="NAME|FILE", help="Answer as slowly as this profile says: fast, typical, ..."),
]
Seed = Annotated[int, typer.Option(metavar="N", help="What all ids and made-up answers are derived from.")]
BearerTokens = Annotated[Auth, typer.Option("--auth", help="Bearer tokens to accept: any, or only issued ones.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--service-account", metavar="FILE", help="Write the service account's key file here, not to the state folder."
    ),
]
SpendFile = Annotated[
    Path | None, typer.Option("--spend", metavar="FILE", help="Append a JSON line for each exchange and its cost.")
]
StoreFile = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="FILE|none", help="The store of spend records (SQLite). [default: the state folder's]"
    ),
]
CheckConfig = Annotated[
    bool, typer.Option("--check-config", help="Read the configuration, say what is wrong, and end.")
]
Workers = Annotated[
    int, typer.Option(min=1, max=64, metavar="N", help="So many processes on the same ports; they share one store.")
]
TlsCert = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A certificate chain (PEM) in place of the local CA's.")
]
RootPath = Annotated[
    str | None, typer.Option(metavar="PATH", help="The prefix below which the gateway itself lies, like /llm.")
]
SharesPorts = Annotated[bool, typer.Option("--shares-ports", hidden=True)]
EnvFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the clients' variables there, as NAME=value lines.")
]
VerdictFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE|-",
        help="At the end write what clients did wrong: a table, or JSON if the name ends in .json, or with --json.",
    ),
]
FailOn = Annotated[
    Verdicts | None,
    typer.Option("--fail-on", help="Exit with 1 if clients did something as bad as that."),
]
JsonLine = Annotated[bool, typer.Option("--json", help="Say where it listens in one line of JSON.")]
UntilStdinEnds = Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)]
ControlUrl = Annotated[
    str,
    typer.Option("--simulator", metavar="URL", envvar="UNDERSTUDY_CONTROL", help="Admin address of the simulator."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def play_options(scenario: list[str] | None, strict: bool, speed: float) -> list[str]:
    """The same choices as options of `understudy simulator`."""
    named = [option for name in scenario or [] for option in ("--scenario", name)]
    return [*named, "--strict" if strict else "--lenient", "--speed", str(speed)]


RunningSimulator = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="UNDERSTUDY_CONTROL",
        help="Admin address of a simulator that is running. [default: the one on 8901, else one is started]",
    ),
]
ClientKey = Annotated[
    str | None, typer.Option(metavar="KEY|@FILE", envvar="UNDERSTUDY_KEY", help="What a client shows the gateway.")
]
