"""Guardrails as they are configured. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["pre_call", "post_call"]
Outcome = Literal["block", "allow"]

MAX_BYTES: Final = 1024 * 1024
"""Up to this size a body is judged whole, unless configured otherwise."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One rule. It has `patterns` and `words`, or a `hook` (a dotted name); in LiteLLM's words, see `config`.

    It judges where `default_on` is set, or where a key names it, on the `routes` it has (none: all of them). What is
    larger than `max_bytes`, or cannot be read, ends as `on_large` says; a hook that fails or takes longer than
    `timeout_s` as `on_error` says.
    """

    name: str
    modes: frozenset[Mode]
    patterns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    hook: str | None = None
    default_on: bool = False
    routes: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES
    on_large: Outcome = "block"
    on_error: Outcome = "block"
    timeout_s: float = 5.0
