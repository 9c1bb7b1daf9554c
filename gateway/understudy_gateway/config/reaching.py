"""How clients reach the gateway: a prefix of its own, the URL that they know; and who pays."""

import re
from typing import Final

from ..settings import PROJECT, Base, Reach
from .accounts import base_of
from .document import Path
from .reading import Block, Reading, checked

ROOT_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
"""What a prefix of the gateway's own may be, its last slash cut off; always with `fullmatch`."""

_OURS: Final[Path] = ("understudy_settings",)


def read_reach(reading: Reading, ours: Block) -> Reach:
    """All of it; `ours` is the block `understudy_settings`."""
    return Reach(
        _root_path(reading),
        _user_project(reading, ours),
        reading.flag(ours, _OURS, "complete_live_models"),
        reading.flag(ours, _OURS, "rewrite_urls"),
        _public_url(reading, ours),
    )


def _root_path(reading: Reading) -> str:
    """`SERVER_ROOT_PATH`, as LiteLLM calls it; empty, or like `/llm`."""
    name = "SERVER_ROOT_PATH"
    text = reading.environ.get(name, "").rstrip("/")
    if ROOT_PATH.fullmatch(text):
        return text
    reading.environ_problem(name, "a path such as /llm is wanted")
    return ""


def _public_url(reading: Reading, ours: Block) -> Base | None:
    """Where clients find the gateway, its prefix included."""
    url = reading.text(ours, _OURS, "public_url")
    found = None if url is None else base_of(url)
    if isinstance(found, str):
        reading.problem((*_OURS, "public_url"), found)
        return None
    return found


def _user_project(reading: Reading, ours: Block) -> str | None:
    """The project that pays, whatever a client says (S-5)."""
    path = (*_OURS, "user_project")
    return checked(reading, path, reading.text(ours, _OURS, "user_project"), PROJECT, "a project id is wanted")
