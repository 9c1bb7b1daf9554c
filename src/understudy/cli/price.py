"""`understudy price`: look prices up, explain a cost line by line, check a price file."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError
from .options import AsJson

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model, with LiteLLM's provider in front: gemini/... or vertex_ai/...")
]
Prices = Annotated[
    str,
    typer.Option(metavar="shipped|frozen|FILE", help="The price book: ours, the invented one, or your file over ours."),
]
Day = Annotated[
    str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Prices of that UTC day. [default: today]")
]
_PROVIDERS = ("gemini", "vertex_ai")


def group() -> typer.Typer:
    """The commands `book`, `explain` and `check`."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look prices up and explain costs.")
    for command in (book, explain, check):
        commands.command()(command)
    return commands


def book(model: ModelName, prices: Prices = "shipped", day: Day = None, as_json: AsJson = False) -> None:
    """Show what the price book says of a model, in US dollars, and which file each price is from.

    \b
    Examples:
      understudy price book gemini/gemini-2.5-flash
      understudy price book vertex_ai/veo-3.1-generate-001 --json
      understudy price book gemini/gemini-2.5-flash --prices my-prices.yaml --date 2026-01-01
    """
    from ..library import price_book
    from ..pricing.cost import plain
    from .tables import print_rows

    provider, name = _provider_and_name(model)
    entry = price_book(prices).demanded(provider, name).on(_day(day))
    shown = {key: value if isinstance(value, str) else plain(value) for key, value in sorted(entry.values.items())}
    if as_json:
        rows = {key: {"value": value, "from": entry.layers.get(key, "")} for key, value in shown.items()}
        print(json.dumps({"name": entry.name, "prices": rows}, indent=2))
        return
    print_rows([(key, value, entry.layers.get(key, "")) for key, value in shown.items()], (entry.name, "value", "from"))


def explain(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="What the wire carried: see below; - is standard input.")
    ],
    model: Annotated[str, typer.Option(metavar="MODEL", help="gemini/... or vertex_ai/...")],
    method: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="generateContent, predict, rawPredict, predictLongRunning (the request), fetchPredictOperation, "
            "bidiGenerateContent, batch, ... [default: by the look of the body]",
        ),
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The request's body, where it decides: VEO, multimodal embeddings, prices by the character.",
        ),
    ] = None,
    tier: Annotated[
        str | None, typer.Option(metavar="TIER", help="The answer's header x-gemini-service-tier, if it had one.")
    ] = None,
    location: Annotated[str | None, typer.Option(metavar="LOCATION", help="A Vertex location.")] = None,
    prices: Prices = "shipped",
    day: Day = None,
    as_json: AsJson = False,
) -> None:
    """Explain what something costs, line by line, with the formula; of a Live session its log line, too.

    FILE is the body of an answer (JSON, an event stream, an array; gzip, too), a Live session (its messages, one a
    line, or a transcript), an operation or batch job, a file of batch results, or a cached content.

    An unknown cost is never shown as zero; it says why it is unknown.

    \b
    Examples:
      understudy price explain answer.json --model gemini/gemini-2.5-flash
      curl -s ... | understudy price explain - --model vertex_ai/gemini-2.5-flash --location europe-west4
      understudy price explain done.json --model vertex_ai/veo-3.1-generate-001 --request start.json
    """
    from ..library import price_book
    from .explaining import Asked, print_explanation

    provider, name = _provider_and_name(model)
    asked = None if request is None else _body(str(request))
    print_explanation(
        price_book(prices), Asked(provider, name, method, _body(file), asked, tier, location, _day(day)), as_json
    )


def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A price file of yours, YAML or JSON.")]) -> None:
    """Check a price file: every key known, every price an exact decimal.

    \b
    Examples:
      understudy price check my-prices.yaml
    """
    from ..library import price_book

    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    print(f"{file}: no mistakes; {len(price_book(file))} models with those that are shipped")


def _provider_and_name(model: str) -> tuple[str, str]:
    provider, slash, name = model.partition("/")
    if not slash:
        return "gemini", model
    if provider not in _PROVIDERS:
        raise ConfigError(f"{model}: a model is written as {' or '.join(f'{known}/NAME' for known in _PROVIDERS)}")
    return provider, name


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--date {text}: wanted a day as YYYY-MM-DD") from error


def _body(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
