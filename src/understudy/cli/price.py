"""`understudy price`: look prices up, explain a cost line by line, check a price file."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError
from .options import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pricing.book import Entry
    from ..pricing.checking import Finding
    from ..pricing.listing import Row

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


def book(
    model: ModelName,
    provider: Annotated[
        str | None, typer.Option(metavar="gemini|vertex_ai", help="Whose price, where MODEL does not say.")
    ] = None,
    day: Day = None,
    location: Annotated[
        str | None, typer.Option(metavar="LOCATION", help="A Vertex location: token prices with its uplift, too.")
    ] = None,
    prices: Prices = "shipped",
    as_json: AsJson = False,
) -> None:
    """Show what the price book says of a model on a day: each value, its unit and the file that it is from.

    MODEL may be written as in a path: models/M, publishers/meta/models/M, M@version.

    \b
    Examples:
      understudy price book gemini/gemini-2.5-flash
      understudy price book gemini-3.8-flash --provider vertex_ai --date 2027-01-01 --location europe-west4
      understudy price book gemini/gemini-2.5-flash --prices my-prices.yaml --json
    """
    from ..price_books import price_book
    from ..pricing.listing import rows

    owner, name = _provider_and_name(model) if provider is None else (_provider(provider, provider), model)
    shown = price_book(prices)
    if provider is None and "/" not in model and shown.entry(owner, name) is None and shown.entry("vertex_ai", name):
        owner = "vertex_ai"
    entry = shown.demanded(owner, name)
    today = _day(day)
    listed = tuple(rows(entry, today, location))
    if as_json:
        print(json.dumps(_book_json(entry, owner, today, location, listed), indent=2))
        return
    _print_book(entry, owner, today, location, listed)


def _book_json(
    entry: "Entry", provider: str, day: date, location: str | None, listed: "Sequence[Row]"
) -> dict[str, object]:
    """`entry` is the whole entry as it would stand in a price file, whatever the day."""
    from ..pricing.price_text import entry_json

    prices = {
        row.key: {
            "value": row.value or None,
            "unit": row.unit or None,
            "from": row.layer or None,
            "since": row.since.isoformat() if row.since else None,
            "at_location": row.here,
            "changes": [{"effective_from": start.isoformat(), "value": value} for start, value in row.later],
        }
        for row in listed
    }
    about: dict[str, object] = {"name": entry.name, "provider": provider, "date": day.isoformat(), "location": location}
    return about | {"prices": prices, "entry": entry_json(entry)}


def _origin(row: "Row") -> str:
    return row.layer if row.since is None else f"{row.layer}, since {row.since}"


def _print_book(entry: "Entry", provider: str, day: date, location: str | None, listed: "Sequence[Row]") -> None:
    from .tables import print_rows

    has_uplift = any(row.here is not None for row in listed)
    here = [f"at {location}"] if has_uplift else []
    table: list[tuple[str, ...]] = []
    for row in listed:
        if row.unit:
            later = "; ".join(f"{value or 'none'} from {start}" for start, value in row.later)
            table.append((row.key, row.value, *([row.here or ""] if has_uplift else []), row.unit, _origin(row), later))
    print_rows(table, (entry.name, "value", *here, "unit", "from", "later"))
    print()
    print_rows([(row.key, _origin(row), row.value) for row in listed if not row.unit], ("", "from", "value"))
    print(f"{provider}, on {day}", file=sys.stderr)
    if location is not None and not has_uplift:
        print(f"no uplift at {location}", file=sys.stderr)


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
    from ..price_books import price_book
    from .explaining import Asked, print_explanation

    provider, name = _provider_and_name(model)
    asked = None if request is None else _body(str(request))
    print_explanation(
        price_book(prices), Asked(provider, name, method, _body(file), asked, tier, location, _day(day)), as_json
    )


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A price file of yours, YAML or JSON.")],
    as_json: AsJson = False,
) -> None:
    """Check a price file: all mistakes at once, each with file, line, entry, key and the nearest good word.

    Unknown keys, prices that are negative or cannot be in the unit of their key (one per million tokens for one per
    token, say), wrong types, keys that stand twice, bad dates. Notes tell what has no effect, and prices far from ours.
    Exit status 2 if there are mistakes.

    \b
    Examples:
      understudy price check my-prices.yaml
      understudy price check my-prices.json --json
    """
    from ..price_books import price_findings

    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    found = price_findings(file)
    mistakes = sum(not finding.is_note for finding in found)
    if as_json:
        print(json.dumps({"file": str(file), "mistakes": mistakes, "findings": [_finding(each) for each in found]}))
    else:
        for finding in found:
            print(finding)
        notes = len(found) - mistakes
        print(f"{file}: {_counted(mistakes, 'mistake')}, {_counted(notes, 'note')}", file=sys.stderr)
    if mistakes:
        sys.exit(ConfigError.exit_status)


def _finding(finding: "Finding") -> dict[str, object]:
    entry, _, key = finding.problem.path.partition(": ")
    return {
        "kind": "note" if finding.is_note else "mistake",
        "line": finding.problem.line,
        "entry": entry or None,
        "key": key or None,
        "message": finding.problem.message,
    }


def _counted(number: int, word: str) -> str:
    if not number:
        return f"no {word}s"
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _provider_and_name(model: str) -> tuple[str, str]:
    provider, slash, name = model.partition("/")
    if not slash or provider in ("models", "tunedModels"):
        return "gemini", model
    if provider in ("projects", "publishers"):
        return "vertex_ai", model
    return _provider(provider, model), name


def _provider(provider: str, shown: str) -> str:
    if provider not in _PROVIDERS:
        raise ConfigError(f"{shown}: a model is written as {' or '.join(f'{known}/NAME' for known in _PROVIDERS)}")
    return provider


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
