"""The reference page of the command, docs/reference/cli.md, made of its help texts.

To write it anew: `python -m understudy.cli.reference > docs/reference/cli.md`.
"""

from collections.abc import Iterator
from typing import Any, Final

import typer

from .command import application

_WIDTH: Final = 100

_HEAD: Final = """# The command

<!-- Generated from the help texts by `python -m understudy.cli.reference`; a test compares. -->
"""


def reference() -> str:
    """The page, in Markdown: one section for each command."""
    root = typer.Context(typer.main.get_command(application()), info_name="understudy", terminal_width=_WIDTH)
    return "\n".join([_HEAD, *(_section(page) for page in _pages(root))])


def _pages(context: typer.Context) -> Iterator[typer.Context]:
    """A command and all below it, depth first, in the order of the help."""
    yield context
    below: dict[str, Any] = getattr(context.command, "commands", {})
    for name, command in below.items():
        yield from _pages(typer.Context(command, info_name=name, parent=context, terminal_width=_WIDTH))


def _section(page: typer.Context) -> str:
    text = "\n".join(line.rstrip() for line in page.command.get_help(page).splitlines())
    return f"## {page.command_path}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    print(reference(), end="")
