"""The first message of a Live session: whether its model may be used, and the real name in the place of an alias. Pure.

The message is read and never written anew: only the bytes of the model's string change (WS-6). Where a rule applies
there must be one way to read it (S-61): JSON without duplicate keys on the way to the model, and a model in it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any, Final

from .model_names import ModelRule, setup_id
from .settings import GatewayConfig, ModelAccount, Provider

REFUSED: Final = "this gateway key may not use the model"
UNREADABLE: Final = "this gateway key is limited to models, and the setup message does not name one in one way"

_SPACE: Final = re.compile(r"[ \t\n\r]*")


class _NotOneWay(ValueError):
    """The message is no JSON, or has a key twice where the model is looked for."""


def _no_constant(text: str) -> Any:
    raise _NotOneWay(text)


_DECODER: Final = JSONDecoder(parse_constant=_no_constant, parse_int=len, parse_float=len)
"""Values are skipped by it, not used: numbers need not be made."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The session ends: the reason for the close frame 1008."""

    reason: str


Judge = Callable[[bytes], bytes | Denied]
"""Sees the first message of a client: the message as it may go on, or why it may not."""


@dataclass(frozen=True, slots=True)
class SetupRules:
    """What is asked of the setup of a session with `provider`.

    `rule` is the key's, None if it has none here. `place` is the project and location of the session, with which short
    names on Vertex AI are completed: those that an alias stands for, and all if `completes`.
    """

    provider: Provider
    rule: ModelRule | None = None
    aliases: tuple[ModelAccount, ...] = ()
    place: tuple[str, str] | None = None
    completes: bool = False


def setup_rules(
    config: GatewayConfig, provider: Provider, rule: ModelRule | None, place: tuple[str, str] | None
) -> SetupRules | None:
    """The rules for one session, or None if there are none, so that its setup need not be held."""
    if rule is not None and rule.allows_all(provider):
        rule = None
    aliases = tuple(one for one in config.models if one.alias is not None and one.account.provider == provider)
    place = place if provider == "vertex_ai" else None
    completes = config.reach.completes_live_models and place is not None
    if rule is None and not aliases and not completes:
        return None
    return SetupRules(provider, rule, aliases, place, completes)


def judged_setup(rules: SetupRules, message: bytes) -> bytes | Denied:
    """The message as it may go on: as it came, or with another model string; or why it may not."""
    try:
        text = message.decode("utf-8")
        found = _model_in(text)
    except (ValueError, RecursionError):
        found = None
    else:
        if found is not None:
            return _judged(rules, message, text, *found)
    return message if rules.rule is None else Denied(UNREADABLE)


def _judged(rules: SetupRules, message: bytes, text: str, start: int, end: int, name: str) -> bytes | Denied:
    asked = setup_id(name)
    if asked is None:
        return message if rules.rule is None else Denied(UNREADABLE)
    is_full = name.startswith("projects/")
    entry = None if is_full else next((one for one in rules.aliases if one.alias == asked), None)
    real = asked if entry is None else entry.model
    if rules.rule is not None and not any(rules.rule.allows(rules.provider, one) for one in (asked, real)):
        return Denied(REFUSED)
    if is_full or (entry is None and not rules.completes):
        return message
    changed = name[: -len(asked)] + real
    if rules.place is not None:
        publisher = name.removesuffix(asked) if name.startswith("publishers/") else "publishers/google/models/"
        changed = f"projects/{rules.place[0]}/locations/{rules.place[1]}/{publisher}{real}"
    return (text[:start] + json.dumps(changed) + text[end:]).encode("utf-8")


def _model_in(text: str) -> tuple[int, int, str] | None:
    """Where the string `setup.model` stands, quotes included, and what it says; None if there is none.

    Raises ValueError where the message is no JSON object, or has a key twice beside `setup` or beside `model`.
    """
    at = _after_space(text, 0)
    setup, end = _member(text, at, "setup")
    if _after_space(text, end) != len(text):
        raise _NotOneWay("something follows the message")
    if setup is None or not text.startswith("{", setup):
        return None
    model, _ = _member(text, setup, "model")
    if model is None or not text.startswith('"', model):
        return None
    name, end = _DECODER.raw_decode(text, model)
    return model, end, name


def _member(text: str, at: int, wanted: str) -> tuple[int | None, int]:
    """Where the value of the member `wanted` of the object at `at` begins, and where the object ends."""
    if not text.startswith("{", at):
        raise _NotOneWay("no object")
    found: int | None = None
    seen: set[str] = set()
    at = _after_space(text, at + 1)
    while not text.startswith("}", at):
        if seen:
            at = _after_space(text, _after(text, at, ","))
        if not text.startswith('"', at):
            raise _NotOneWay("no key")
        key, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, _after(text, _after_space(text, at), ":"))
        if key in seen:
            raise _NotOneWay("a key stands there twice")
        seen.add(key)
        found = at if key == wanted else found
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
    return found, at + 1


def _after(text: str, at: int, sign: str) -> int:
    if not text.startswith(sign, at):
        raise _NotOneWay(f"no {sign}")
    return at + 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
