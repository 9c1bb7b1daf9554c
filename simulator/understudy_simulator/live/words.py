"""Reads the behaviour of Live sessions as people write it on a command line: `connection=60s`, `deflate=on`. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from understudy.errors import ConfigError, did_you_mean

from .settings import LiveSettings

_SWITCH: Final[Mapping[str, bool]] = {"on": True, "true": True, "off": False, "false": False}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "frames": ("binary", "text"),
    "traffic": ("usual", "on-demand", "flex", "priority", "provisioned"),
}
_LARGEST: Final = 1e9


def _word(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")


WORDS: Final[Mapping[str, str]] = {_word(one.name): one.name for one in fields(LiveSettings)}
"""What may be written, and the field that it sets."""


def live_settings(texts: Iterable[str]) -> LiveSettings:
    """The settings that `WORD=VALUE` texts say; seconds may end in `s`. Raises ConfigError that names what is wrong."""
    found: dict[str, Any] = {}
    usual = LiveSettings()
    for text in texts:
        word, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--live {text}: wanted WORD=VALUE, for example connection=60s")
        name = WORDS.get(word)
        if name is None:
            raise ConfigError(f"--live {text}: {word!r} is none of {', '.join(WORDS)}{did_you_mean(word, WORDS)}")
        found[name] = _value(text, name, value, getattr(usual, name))
    return LiveSettings(**found)


def _value(text: str, name: str, value: str, usual: object) -> object:
    """The value of a field whose usual value says which kind it is."""
    if isinstance(usual, bool):
        if value not in _SWITCH:
            raise ConfigError(f"--live {text}: wanted on or off, not {value!r}")
        return _SWITCH[value]
    if isinstance(usual, str):
        choices = _CHOICES[name]
        if value not in choices:
            raise ConfigError(f"--live {text}: {value!r} is none of {', '.join(choices)}{did_you_mean(value, choices)}")
        return value
    try:
        number = float(value.removesuffix("s"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= _LARGEST or (isinstance(usual, int) and not number.is_integer()):
        wanted = "a whole number" if isinstance(usual, int) else "a number"
        raise ConfigError(f"--live {text}: wanted {wanted} from 0 on, not {value!r}")
    return int(number) if isinstance(usual, int) else number
