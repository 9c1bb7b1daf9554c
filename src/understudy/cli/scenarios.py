"""`understudy scenarios`: list, show, lint, new, schema."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError
from ..surfaces import Surface
from .options import AsJson

Words = Annotated[
    list[str] | None, typer.Argument(metavar="[ID|FILE|DIR]...", help="Which; an id may be the start of one.")
]


def group() -> typer.Typer:
    """The commands of `understudy scenarios`."""
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, show, check and start scenarios.")
    for name, command in {"list": list_, "show": show, "lint": lint, "new": new, "schema": schema}.items():
        commands.command(name)(command)
    return commands


def list_(words: Words = None, as_json: AsJson = False) -> None:
    """List scenarios: id, surface, title.

    \b
    Examples:
      understudy scenarios list
      understudy scenarios list live veo/
      understudy scenarios list my-scenarios/ --json
    """
    from ..library import load_all

    found = load_all(words or [])
    if as_json:
        print(json.dumps([{"id": one.id, "surface": one.surface.value, "title": one.title} for one in found], indent=2))
        return
    from .tables import print_rows

    print_rows([(one.id, one.surface.value, one.title) for one in found])


def show(scenario: Annotated[str, typer.Argument(metavar="ID|FILE", help="Which.")]) -> None:
    """Print a scenario as it is written.

    \b
    Examples:
      understudy scenarios show live/text-turn
      understudy scenarios show gemini/quota-burst-then-success > mine.yaml
    """
    from ..library import find, load, scenario_ids

    given = Path(scenario)
    is_file = scenario not in scenario_ids() and (given.suffix in (".yaml", ".yml") or given.is_file())
    path = given if is_file else find(scenario)
    load(path)  # so that a file with mistakes, or none at all, is told in the same words everywhere
    print(path.read_text("utf-8"), end="")


def lint(words: Words = None) -> None:
    """Check scenario files: all mistakes at once, each with file, line and the nearest good word.

    Exit status 2 if there are mistakes.

    \b
    Examples:
      understudy scenarios lint
      understudy scenarios lint my-scenarios/
    """
    from ..library import lint as linted

    found = linted(words or [])
    for problem in (*found.problems, *found.notes):
        print(problem)
    counts = [_counted(len(found.problems), "mistake"), _counted(len(found.notes), "note")]
    print(", ".join([f"{found.checked} read", *counts]), file=sys.stderr)
    raise SystemExit(2 if found.problems else 0)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def new(
    surface: Annotated[Surface, typer.Argument(help="The API that it plays on.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; - is standard output.")],
) -> None:
    """Start a scenario: a small one that works, to be changed.

    \b
    Examples:
      understudy scenarios new gemini my-scenarios/greeting.yaml
      understudy scenarios new vertex-live - | less
    """
    from ..library import id_after
    from ..scenario.template import new_scenario

    text = new_scenario(surface, "scenario" if str(file) == "-" else id_after(file))
    if str(file) == "-":
        print(text, end="")
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise ConfigError(f"{file}: is there already") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors.

    \b
    Examples:
      understudy scenarios schema > scenario.schema.json
    """
    from ..scenario.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
