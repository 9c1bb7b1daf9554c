"""The block `guardrails`, in LiteLLM's words."""

import re
from collections.abc import Sequence
from typing import Final, cast

from understudy.errors import did_you_mean

from ..guardrails.patterns import PatternError, automaton_of
from ..guardrails.values import MAX_BYTES, Guardrail, Mode, Outcome
from ..settings import Endpoint, GatewayKey
from .document import Path
from .reading import Block, Reading

PATH: Final[Path] = ("guardrails",)
ENTRY: Final = ("guardrail_name", "litellm_params")
ENTRY_IGNORED: Final = ("guardrail_info", "guardrail_id")
PARAMS: Final = (
    *("guardrail", "mode", "default_on", "patterns", "blocked_words", "routes", "max_bytes", "on_large", "on_error"),
    "timeout_s",
)
BUILT_IN: Final = ("regex", "deny_list", "litellm_content_filter")
"""Kinds that need no Python. They are one and the same; the third is LiteLLM's name for it."""

ROUTES: Final = ("gemini", "vertex_ai", "discovery", "gemini-live", "vertex_ai-live")
_MODES: Final = {"pre_call": "pre_call", "during_call": "pre_call", "post_call": "post_call"}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


def read_guardrails(reading: Reading, top: Block) -> tuple[Guardrail, ...]:
    """The guardrails; what is wrong with one is a problem, never a rule that is silently not there."""
    found: list[Guardrail] = []
    for path, item in reading.items(top.get("guardrails"), PATH):
        guardrail = _guardrail(reading, reading.block(item, path), path)
        if guardrail is None:
            continue
        if any(guardrail.name == other.name for other in found):
            reading.problem((*path, "guardrail_name"), f"the name '{guardrail.name}' is used twice")
        found.append(guardrail)
    return tuple(found)


def key_guardrails(reading: Reading, block: Block, path: Path, top: Block) -> tuple[str, ...]:
    """The guardrails that a key asks for, in `block` at `path`; each must be one of those in `top`."""
    names = reading.texts(block, path, "guardrails")
    known = _names(top)
    for name in names:
        if name not in known:
            reading.problem((*path, "guardrails"), f"there is no guardrail '{name}'{did_you_mean(name, known)}")
    return names


def notice_idle(
    reading: Reading, guardrails: Sequence[Guardrail], keys: Sequence[GatewayKey], endpoints: Sequence[Endpoint]
) -> None:
    """Say which guardrails nobody asks for; one that an endpoint names and nobody has is a mistake."""
    known = [guardrail.name for guardrail in guardrails]
    for number, endpoint in enumerate(endpoints):
        for name in endpoint.guardrails:
            if name not in known:
                place = ("general_settings", "pass_through_endpoints", number, "guardrails")
                reading.problem(place, f"there is no guardrail '{name}'{did_you_mean(name, known)}")
    named = {name for one in (*keys, *endpoints) for name in one.guardrails}
    for guardrail in guardrails:
        if not guardrail.default_on and guardrail.name not in named:
            reading.notice(PATH, f"{guardrail.name} judges nothing: default_on is not set, no key or endpoint names it")


def _names(top: Block) -> set[str]:
    value = top.get("guardrails")
    items = cast("list[object]", value) if isinstance(value, list) else []
    blocks = [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]
    return {name for block in blocks if isinstance(name := block.get("guardrail_name"), str)}


def _guardrail(reading: Reading, block: Block, path: Path) -> Guardrail | None:
    reading.words(block, path, ENTRY, ENTRY_IGNORED)
    name = reading.text(block, path, "guardrail_name")
    if name is None or not _NAME.fullmatch(name):
        reading.problem((*path, "guardrail_name"), "a name such as no-secrets is wanted")
        return None
    place = (*path, "litellm_params")
    params = reading.block(block.get("litellm_params"), place)
    reading.strict_words(params, place, PARAMS)
    whole = reading.whole(params, place, "max_bytes")
    timeout = reading.number(params, place, "timeout_s")
    patterns, words = _patterns(reading, params, place), _words(reading, params, place)
    return Guardrail(
        name,
        _modes(reading, params, place),
        patterns,
        words,
        _hook(reading, params, place, has_texts=bool(patterns or words)),
        reading.flag(params, place, "default_on"),
        _routes(reading, params, place),
        MAX_BYTES if whole is None else whole,
        _outcome(reading, params, place, "on_large"),
        _outcome(reading, params, place, "on_error"),
        5.0 if timeout is None else float(timeout),
    )


def _hook(reading: Reading, params: Block, path: Path, *, has_texts: bool) -> str | None:
    """The dotted name of a hook; None for a built-in kind. It stands in the file itself, and nowhere else (S-64)."""
    kind, path = params.get("guardrail"), (*path, "guardrail")
    if kind in BUILT_IN:
        if not has_texts and not reading.problems:
            reading.problem(path, "patterns or blocked_words are missing beside it")
        return None
    if isinstance(kind, str) and _DOTTED.fullmatch(kind):
        if has_texts:
            reading.problem(path, "patterns and blocked_words belong to a guardrail of their own")
        return kind
    hint = did_you_mean(kind, BUILT_IN) if isinstance(kind, str) else ""
    wanted = "regex, deny_list or the dotted name of a Python function is wanted"
    reading.problem(path, f"{wanted}{hint}; without it nothing would be judged")
    return None


def _modes(reading: Reading, params: Block, path: Path) -> frozenset[Mode]:
    value, path = params.get("mode"), (*path, "mode")
    given = cast("list[object]", value) if isinstance(value, list) else [value]
    for mode in given:
        if not isinstance(mode, str) or mode not in _MODES:
            hint = did_you_mean(mode, _MODES) if isinstance(mode, str) else ""
            reading.problem(path, f"pre_call or post_call is wanted, or a list of both{hint}")
        elif mode == "during_call":
            reading.notice(path, "during_call is judged before the call, as pre_call")
    return frozenset(cast("Mode", _MODES[mode]) for mode in given if isinstance(mode, str) and mode in _MODES)


def _routes(reading: Reading, params: Block, path: Path) -> tuple[str, ...]:
    names = reading.texts(params, path, "routes")
    for name in names:
        if name not in ROUTES:
            reading.problem((*path, "routes"), f"one of {', '.join(ROUTES)} is wanted{did_you_mean(name, ROUTES)}")
    return names


def _outcome(reading: Reading, params: Block, path: Path, word: str) -> Outcome:
    value = reading.text(params, path, word)
    if value in (None, "block", "allow"):
        return value or "block"
    reading.problem((*path, word), "block or allow is wanted")
    return "block"


def _patterns(reading: Reading, params: Block, path: Path) -> tuple[str, ...]:
    """Regular expressions: texts, or LiteLLM's blocks with `pattern_type: regex` and `pattern`."""
    found: list[str] = []
    for place, item in reading.items(params.get("patterns"), (*path, "patterns")):
        text = _text_of(reading, item, place, "pattern", ("pattern_type", "name"))
        if text is None:
            continue
        if isinstance(item, dict) and cast("Block", item).get("pattern_type") != "regex":
            reading.problem((*place, "pattern_type"), "regex is wanted; there are no prebuilt patterns here")
        try:
            automaton_of([text])
        except PatternError as error:
            reading.problem(place, str(error))
        else:
            found.append(text)
    return tuple(found)


def _words(reading: Reading, params: Block, path: Path) -> tuple[str, ...]:
    """Words: texts, or LiteLLM's blocks with `keyword`."""
    path = (*path, "blocked_words")
    items = reading.items(params.get("blocked_words"), path)
    found = [_text_of(reading, item, place, "keyword", ("description",)) for place, item in items]
    words = tuple(text for text in found if text is not None)
    try:
        automaton_of([], words)
    except PatternError as error:
        reading.problem(path, str(error))
        return ()
    return words


def _text_of(reading: Reading, item: object, path: Path, word: str, more: tuple[str, ...]) -> str | None:
    if not isinstance(item, dict):
        return reading.plain_text(item, path)
    block = cast("Block", item)
    reading.strict_words(block, path, (word, "action", *more))
    if str(block.get("action", "BLOCK")).upper() != "BLOCK":
        reading.problem((*path, "action"), "BLOCK is wanted: bodies are never changed here")
    if block.get(word) is None:
        reading.problem(path, f"{word} is missing")
    return reading.text(block, path, word)
