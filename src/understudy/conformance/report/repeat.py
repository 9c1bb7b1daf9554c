"""The command that repeats one case of a run. Pure."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from ..model import Run, Verdict

_KEPT: Final = (
    *("--target", "--simulator", "--simulator-port", "--cost-file", "--price-book", "--speed", "--ca"),
    *("--key", "--strict"),
)
"""Options that bear on what is played and judged; the others choose what, or how it is shown."""

_FLAGS: Final = ("--strict", "--dry-run", "--help")
"""Options without a value."""

_KEY_OF_THE_SHELL: Final = '"${UNDERSTUDY_KEY:?}"'
"""In place of a key that stood in the command line: a report holds none. The shell says so if it is not set."""


def repeat_command(run: Run, verdict: Verdict) -> str:
    """A line for a POSIX shell that plays the probe of one verdict again and judges it by that check alone."""
    words = ["understudy", "check"]
    if run.command[:1] == ("check",):
        words += _kept(run.command[1:])
    else:
        words += [shlex.quote(run.url), "--target", shlex.quote(run.target.source or run.target.name)]
    return " ".join([*words, shlex.quote(verdict.probe), "--check", shlex.quote(verdict.check.id)])


def without_key(command: Sequence[str]) -> Iterator[str]:
    """The words of a command line, with three stars for a key that stood there."""
    is_key = False
    for word in command:
        yield "***" if is_key and not word.startswith("@") else re.sub("^--key=(?!@).*", "--key=***", word, flags=re.S)
        is_key = word == "--key"


def _kept(given: Sequence[str]) -> Iterator[str]:
    """The words of the command line that the repetition needs, quoted."""
    words = iter(given)
    for word in words:
        if not word.startswith("-"):
            if "://" in word:
                yield shlex.quote(word)
            continue
        name, equals, value = word.partition("=")
        if name not in _FLAGS and not equals:
            value = next(words, "")
        if name not in _KEPT:
            continue
        yield name
        if name == "--key" and not value.startswith("@"):
            yield _KEY_OF_THE_SHELL
        elif name not in _FLAGS:
            yield shlex.quote(value)
