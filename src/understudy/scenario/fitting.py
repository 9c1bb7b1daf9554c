"""Whether the words of a document fit one another: each side's steps and the surface, what is expected and the surface.

Read from the raw document, so that these mistakes are told together with those of its form.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from ..surfaces import Surface, model_id
from .document import ClientStepDoc, ServerStepDoc, StepDoc
from .fitting_faults import chance_mistakes, fault_mistakes, layered_mistakes, placed_fault
from .places import Mistake, Path, mapping, steps, walk

_SCOPE_GLOB: Final = re.compile(r"[A-Za-z0-9._*?\[\]!-]*")
_ANY: Final = frozenset({"pause", "fault", "repeat", "branch", "receive"})
_SESSION: Final = _ANY | {"receive_until", "send", "send_audio", "close", "drop"}
_SERVER: Final[Mapping[str, frozenset[str]]] = {
    "live": _SESSION | {"reply", "go_away", "error"},
    "http": _ANY | {"reply", "stream", "error"},
    "veo": _ANY | {"reply", "operation", "error"},
}
_CLIENT: Final[Mapping[str, frozenset[str]]] = {
    "live": _SESSION,
    "http": frozenset({"pause", "repeat", "call"}),
    "veo": frozenset({"pause", "repeat", "start", "poll", "download"}),
}
_EXPECT: Final[Mapping[str, frozenset[str]]] = {
    "live": frozenset({"frames", "usage", "cost", "close", "upstream_requests", "statuses"}),
    "http": frozenset({"bodies", "usage", "cost", "statuses", "upstream_requests"}),
    "veo": frozenset({"bodies", "operation_name", "usage", "cost", "statuses", "polls", "upstream_requests"}),
}


def kind_of(surface: Surface) -> str:
    """`live`, `veo` or `http`: what sort of conversation the surface has."""
    if surface.is_live:
        return "live"
    return "veo" if surface in (Surface.GEMINI_VEO, Surface.VERTEX_VEO) else "http"


def fitting_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """All places where a word does not fit the surface or its neighbours. Never raises on any document."""
    yield from _never_fitting(document)
    yield from chance_mistakes(document)
    yield from walk(document.get("server"), ("server",), lambda step, path: _shape(step, path, ServerStepDoc))
    yield from walk(document.get("client"), ("client",), lambda step, path: _shape(step, path, ClientStepDoc))
    try:
        surface = Surface(document.get("surface", ""))
    except ValueError:
        return
    kind = kind_of(surface)
    yield from _side(document, "server", _SERVER, kind, surface)
    yield from _side(document, "client", _CLIENT, kind, surface)
    server = steps(document.get("server"))
    if kind == "live":
        yield from _refusal(server)
        yield from walk(document.get("server"), ("server",), _closing_error)
    yield from _after_close(server, ("server",))
    yield from _operation_first(steps(document.get("client")))
    yield from _surfaces(document, surface, kind)
    yield from fault_mistakes(document, surface)
    yield from layered_mistakes(document, surface)
    if kind == "live" and "server" in document and mapping(document.get("match")).get("last_text") is not None:
        yield (
            ("match", "last_text"),
            "a Live scenario is chosen by the setup message, which has no text; use json, scope or call",
        )
    for word in mapping(document.get("expect")):
        if word not in _EXPECT[kind] and any(word in words for words in _EXPECT.values()):
            yield ("expect", word), f"'{word}' does not fit surface {surface}"


def _never_fitting(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Texts that no request can fit: a model with a path before it, a relative path, a scope that is no name."""
    match = mapping(document.get("match"))
    for place, name in ((("model",), document.get("model")), (("match", "model"), match.get("model"))):
        if isinstance(name, str) and "/" in name:
            yield place, f"the model id stands alone, without what is before the last '/': '{model_id(name)}'"
    path, scope = match.get("path"), match.get("scope")
    if isinstance(path, str) and path[:1] not in ("/", "*", "?", "["):
        yield ("match", "path"), f"a path begins with '/' (or '*'); found {path[:60]!r}"
    if isinstance(scope, str) and not _SCOPE_GLOB.fullmatch(scope):
        yield ("match", "scope"), f"a scope is made of letters, digits, '.', '_' and '-'; found {scope[:60]!r}"


def _side(
    document: Mapping[str, Any], side: str, words: Mapping[str, frozenset[str]], kind: str, surface: Surface
) -> Iterator[Mistake]:
    known = frozenset[str]().union(*words.values())
    other, others = ("client", _CLIENT) if side == "server" else ("server", _SERVER)
    foreign = frozenset[str]().union(*others.values()) - known

    def check(step: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
        for word in step:
            if word in foreign:
                yield (*path, word), f"'{word}' is a step of the {other}"
            elif word in known and word not in words[kind]:
                yield (*path, word), f"'{word}' does not fit surface {surface}"

    yield from walk(document.get(side), (side,), check)


def _shape(step: Mapping[str, Any], path: Path, doc: type[StepDoc]) -> Iterator[Mistake]:
    """A step has exactly one step word, and beside it only what fits it. A fault is a step, or stands beside one."""
    given = [word for word in doc.step_words if word in step]
    main = [word for word in given if word != "fault"] or given
    if len(main) != 1:
        if main or not any(word not in doc.model_fields for word in step):
            yield path, f"a step has exactly one step word; found {' and '.join(main) or 'none'}"
        return
    if step[main[0]] is None:
        yield (*path, main[0]), f"'{main[0]}' is empty"
    for word, fits in doc.beside.items():
        if word in step and word != main[0] and main[0] not in fits:
            yield (*path, word), f"'{word}' stands beside {' or '.join(fits)}, not beside {main[0]}"
    if "fault" in step:
        yield from placed_fault(step["fault"], (*path, "fault"), main[0])


def _refusal(server: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Mistake]:
    """On a Live surface a reply refuses the handshake: it stands first and alone."""
    for index, step in server:
        if "reply" in step and index > 0:
            yield (
                ("server", index, "reply"),
                "on a Live surface a reply refuses the handshake: it comes first",
            )
    if server and "reply" in server[0][1] and len(server) > 1:
        index = server[1][0]
        yield ("server", index), "nothing can follow a reply that refuses the handshake"


def _closing_error(step: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    """On a Live surface an error closes the session: it is no page, comes once, and no fault befalls it."""
    if "error" not in step:
        return
    error = step["error"]
    if (error if isinstance(error, str) else mapping(error).get("name")) == "not-found-page":
        yield (*path, "error"), "on a Live surface an error closes the session, which a page in HTML cannot"
    for word in ("times", "fault"):
        if word in step:
            yield (*path, word), f"'{word}' does not stand beside an error on a Live surface"


def _after_close(server: list[tuple[int, Mapping[str, Any]]], path: Path) -> Iterator[Mistake]:
    closed = False
    for index, step in server:
        if closed and "close" not in step:
            yield (*path, index), "the session is closed here: nothing but close can follow"
            return
        for word in ("receive", "receive_until"):
            closed = closed or step.get(word) == "close" or mapping(step.get(word)).get("close") is True


def _operation_first(client: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Mistake]:
    started = False
    for index, step in client:
        started = started or "start" in step or "repeat" in step
        for word in ("poll", "download"):
            if word in step and not started:
                yield ("client", index, word), f"'{word}' comes before any start"


def _surfaces(document: Mapping[str, Any], surface: Surface, kind: str) -> Iterator[Mistake]:
    given = mapping(document.get("match")).get("surface")
    names = cast("list[Any]", given) if isinstance(given, list) else [given]
    for name in names:
        if "server" not in document:
            continue
        if isinstance(name, str) and name in [known.value for known in Surface] and kind_of(Surface(name)) != kind:
            yield ("match", "surface"), f"surface {name} cannot be answered by a scenario of surface {surface}"
