"""`pass_through_endpoints` of LiteLLM's: each becomes an Endpoint; what is wrong with one is told with its line."""

import re
from dataclasses import replace
from typing import Final, cast
from urllib.parse import quote, urlsplit

from understudy.secret import Secret

from ..endpoints import NEVER_FIXED
from ..routing import METHODS, PREFIXES
from ..settings import Account, Base, Endpoint, FixedHeaders
from .accounts import LOOPBACK, base_of
from .document import Path
from .reading import Block, Reading
from .words import ENDPOINT, ENDPOINT_IGNORED

_WORD: Final = "pass_through_endpoints"
_PATH: Final = re.compile(r"(?:/[!-\"$%&'()*+,\-.0-:;<=>@-~]+)+")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_VARIABLE: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_TAKEN: Final = (*(prefix.decode() for prefix, _ in PREFIXES), "/v1/vertex-ai", "/ws", "/health", "/metrics")


def read_endpoints(reading: Reading, general: Block) -> tuple[Endpoint, ...]:
    """All endpoints in the order of the file; `general` is the block `general_settings`."""
    found: list[Endpoint] = []
    for path, item in reading.items(general.get(_WORD), ("general_settings", _WORD)):
        block = reading.block(item, path)
        reading.words(block, path, ENDPOINT, ENDPOINT_IGNORED)
        endpoint = _endpoint(reading, block, path)
        if endpoint is not None and any(other.path == endpoint.path for other in found):
            reading.problem((*path, "path"), "another endpoint has this path")
        elif endpoint is not None:
            found.append(endpoint)
    return tuple(found)


def _endpoint(reading: Reading, block: Block, path: Path) -> Endpoint | None:
    place, target = _place(reading, block, path), _target(reading, block, path)
    if block.get("auth") is not None and not reading.flag(block, path, "auth"):
        reading.notice((*path, "auth"), "has no effect: a gateway key is always wanted here")
    headers = FixedHeaders(_headers(reading, block, path))
    timeout = reading.number(block, path, "timeout")
    if timeout == 0:
        reading.problem((*path, "timeout"), "more than 0 seconds are wanted")
    methods, defaults = _methods(reading, block, path), _defaults(reading, block, path)
    cost = reading.number(block, path, "cost_per_request")
    names = _guardrails(reading, block, path)
    flags = {word: reading.flag(block, path, word) for word in ("forward_headers", "include_subpath")}
    merges = reading.flag(block, path, "merge_query_params")
    if place is None or target is None:
        return None
    base, query = target
    return Endpoint(
        place.encode("ascii"),
        base,
        Account(f"{_WORD}[{path[-1]}]", "pass_through", base, source=headers),
        query,
        flags["forward_headers"],
        flags["include_subpath"],
        merges,
        defaults,
        methods,
        None if timeout is None else float(timeout),
        cost,
        names,
    )


def _place(reading: Reading, block: Block, path: Path) -> str | None:
    """The path, without a slash at its end."""
    text = reading.text(block, path, "path")
    if text is None:
        if not isinstance(block.get("path"), str):
            reading.problem(path, "path is missing")
        return None
    text = text.rstrip("/")
    if not _PATH.fullmatch(text) or "*" in text or "{" in text:
        reading.problem((*path, "path"), "a path such as /bria is wanted")
        return None
    if any(text == taken or text.startswith(taken + "/") for taken in _TAKEN):
        reading.problem((*path, "path"), "the gateway has routes of its own there")
        return None
    return text


def _target(reading: Reading, block: Block, path: Path) -> tuple[Base, bytes | None] | None:
    """Where it leads: the base, with its path as it was written, and the query."""
    url = reading.text(block, path, "target")
    if url is None:
        if not isinstance(block.get("target"), str):
            reading.problem(path, "target is missing")
        return None
    plain, mark, query = url.partition("?")
    found = base_of(plain)
    if isinstance(found, str) or not re.fullmatch(r"[!-\"$-~]*", query):
        reading.problem((*path, "target"), found if isinstance(found, str) else "the query of the URL cannot be sent")
        return None
    if found.scheme == "http" and found.host not in LOOPBACK:
        reading.notice((*path, "target"), "it is reached without TLS: everyone on the way can read what is sent")
    return replace(found, path=urlsplit(plain).path), query.encode("ascii") if mark else None


def _headers(reading: Reading, block: Block, path: Path) -> tuple[tuple[str, Secret], ...]:
    place = (*path, "headers")
    found: list[tuple[str, Secret]] = []
    for name, value in reading.block(block.get("headers"), place).items():
        if not _NAME.fullmatch(name) or name.lower() in NEVER_FIXED:
            reading.problem((*place, name), "this header cannot be set")
            continue
        text = _substituted(reading, value, (*place, name))
        if text is not None and not _VALUE.fullmatch(text):
            reading.problem((*place, name), "the value cannot stand in a header")
        elif text is not None:
            found.append((name, Secret(text.strip(" \t"))))
    return tuple(found)


def _substituted(reading: Reading, value: object, place: Path) -> str | None:
    """A text in which `os.environ/NAME` may stand anywhere: LiteLLM's users write `Bearer os.environ/KEY`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return reading.plain_text(value, place)
    names = _VARIABLE.findall(value)
    missing = [name for name in names if name not in reading.environ]
    for name in missing:
        reading.problem(place, f"the environment variable {name} is not set")
    return None if missing else _VARIABLE.sub(lambda found: reading.environ[found[1]], value)


def _methods(reading: Reading, block: Block, path: Path) -> tuple[str, ...] | None:
    given = tuple(dict.fromkeys(method.upper() for method in reading.texts(block, path, "methods")))
    for method in given:
        if method not in METHODS:
            reading.problem((*path, "methods"), f"methods are {', '.join(sorted(METHODS))}")
            return None
    return given or None


def _defaults(reading: Reading, block: Block, path: Path) -> tuple[tuple[bytes, bytes], ...]:
    """Parameters for requests that lack them: the name, and both as they are sent."""
    place = (*path, "default_query_params")
    found: list[tuple[bytes, bytes]] = []
    for name, value in reading.block(block.get("default_query_params"), place).items():
        text = (
            ("true" if value else "false") if isinstance(value, bool) else _substituted(reading, value, (*place, name))
        )
        if text is not None:
            found.append((name.encode(), f"{quote(name, safe='$')}={quote(text, safe='')}".encode("ascii")))
    return tuple(found)


def _guardrails(reading: Reading, block: Block, path: Path) -> tuple[str, ...]:
    """Names: a list of them, or, as LiteLLM also takes it, a block with a word for each."""
    value = block.get("guardrails")
    if isinstance(value, dict):
        return tuple(cast("dict[str, object]", value))
    return reading.texts(block, path, "guardrails")
