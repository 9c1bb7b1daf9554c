"""Reads a quota as people write it on a command line: `gemini-2.5-*:requests/minute=10`. Pure."""

from typing import Final

from understudy.errors import ConfigError, did_you_mean

from .quotas import QuotaRule

_KINDS: Final = ("requests", "tokens", "sessions")
_SPANS: Final = ("minute", "day")


def quota_rule(text: str) -> QuotaRule:
    """The quota that `[MODEL:]KIND[/SPAN]=LIMIT` says; `SPAN` is a minute unless it says `day`.

    Raises ConfigError that names the word that is wrong.
    """
    what, equals, limit = text.rpartition("=")
    model, _, counted = what.rpartition(":")
    kind, _, span = counted.partition("/")
    if not equals:
        raise ConfigError(f"--quota {text}: wanted [MODEL:]KIND[/SPAN]=LIMIT, for example requests/minute=10")
    if kind not in _KINDS:
        raise ConfigError(f"--quota {text}: {kind!r} is none of {', '.join(_KINDS)}{did_you_mean(kind, _KINDS)}")
    if span and (span not in _SPANS or kind == "sessions"):
        known = f"none of {', '.join(_SPANS)}{did_you_mean(span, _SPANS)}"
        raise ConfigError(
            f"--quota {text}: " + ("sessions are not per time" if kind == "sessions" else f"{span!r} is {known}")
        )
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit) < 10**15):
        raise ConfigError(f"--quota {text}: the limit is a whole number above zero, not {limit!r}")
    return QuotaRule(kind, int(limit), "day" if span == "day" else "minute", model=model or "*")
