"""`understudy spend`: what was spent, summed up or record by record, from a gateway's store or its admin port."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..errors import ConfigError, TargetError
from .spend_places import store_to_read

_TIMEOUT_S: Final = 60.0
_PAGE: Final = 1000


class By(StrEnum):
    """What sums are made by."""

    KEY = "key"
    MODEL = "model"
    TAG = "tag"
    DAY = "day"


class Form(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def spend(
    by: Annotated[
        By, typer.Option(help="Sum up by that. A record counts under each of its tags; days are UTC.")
    ] = By.KEY,
    logs: Annotated[bool, typer.Option("--logs", help="Every record in place of sums.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.TABLE,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From this day or time on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this day or time, UTC.")] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="Only this gateway key's.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only this model's.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only what has this tag.")] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The gateway's store. [default: the state folder's]")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a running gateway at its admin address instead.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="@FILE", envvar="UNDERSTUDY_ADMIN_KEY", help="The admin key for --url, in a file."),
    ] = None,
) -> None:
    """Show what was spent, in US dollars.

    \b
    Examples:
      understudy spend
      understudy spend --by model --since 2026-01-01 --format csv
      understudy spend --logs --key-id team-a --format json
      understudy spend --by tag --url http://127.0.0.1:4001 --key @admin-key.txt
    """
    words = {"since": since, "until": until, "key_id": key_id, "model": model, "tag": tag}
    given = {word: value for word, value in words.items() if value is not None}
    if url is not None and store is not None:
        raise ConfigError("--store and --url do not go together")
    books = _Remote(url, _read_key(key)) if url is not None else _File(store_to_read(store))
    if logs:
        _print_records(books.records(given), form)
    else:
        _print_sums(books.summary(by.value, given), form)


class _File:
    """The store on this machine; it may be in use."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self, words: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        from understudy_gateway.spend.queries import Wanted, all_records

        return all_records(self._path, Wanted.of_texts(words))

    def summary(self, by: str, words: Mapping[str, str]) -> dict[str, Any]:
        from understudy_gateway.spend.queries import Wanted, summary_json

        return summary_json(self._path, by, Wanted.of_texts(words))


class _Remote:
    """A running gateway's admin port."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._key = key

    def records(self, words: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._ask("logs", {**words, "after": str(after), "limit": str(_PAGE)})
            yield from page["records"]
            after = page["next"]

    def summary(self, by: str, words: Mapping[str, str]) -> dict[str, Any]:
        return self._ask("summary", {**words, "by": by})

    def _ask(self, what: str, words: Mapping[str, str]) -> dict[str, Any]:
        import requests

        headers = {"x-litellm-api-key": self._key} if self._key else {}
        try:
            with requests.Session() as session:
                session.trust_env = False  # the admin port is on loopback: no proxy is meant for it
                answer = session.get(f"{self._url}/spend/{what}", params=words, headers=headers, timeout=_TIMEOUT_S)
            found: Any = answer.json()
            if answer.status_code == 200:
                return found
            raise TargetError(f"the gateway at {self._url} answers {answer.status_code}: {found['error']['message']}")
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise TargetError(f"no gateway's admin port answers at {self._url}") from error


def _read_key(text: str | None) -> str | None:
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--key {text}: the file cannot be read") from error


def _print_sums(found: Mapping[str, Any], form: Form) -> None:
    if form is Form.JSON:
        print(json.dumps(found, indent=2))
        return
    by = str(found["by"])
    columns = ("records", "unknown", "estimated", "cost")
    rows = [[str(group[by] or "-"), *(str(group[name]) for name in columns)] for group in found["groups"]]
    headings = (by, "records", "unknown", "estimated", "USD")
    if form is Form.CSV:
        _print_csv(rows, headings)
        return
    from .tables import print_rows

    total = ["total", *(str(found["total"][name]) for name in columns)]
    print_rows([*rows, total], headings)


def _print_records(records: Iterator[dict[str, Any]], form: Form) -> None:
    if form is Form.JSON:
        for record in records:
            print(json.dumps(record))
        return
    columns = ("started", "id", "kind", "key_id", "tags", "provider", "model", "status", "outcome", "known", "cost")
    rows = ([_cell(record[name]) for name in columns] for record in records)
    headings = (*columns[:-1], "USD")
    if form is Form.CSV:
        _print_csv(rows, headings)
        return
    from .tables import print_rows

    print_rows(rows, headings)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return "-" if value is None else str(value)


def _print_csv(rows: Any, headings: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])


def _harmless(cell: str) -> str:
    """A spreadsheet must not take a name that a client chose for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") or (cell[:1] == "-" and len(cell) > 1) else cell
