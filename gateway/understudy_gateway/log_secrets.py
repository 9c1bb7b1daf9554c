"""The second line against secrets in the log (S-13): every configured one is taken out of what is about to be written.

The first line is that nothing logs one. This one is for what nobody foresaw: the text of an exception, say.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from understudy.secret import STARS

from .settings import ApiKey, GatewayConfig, KeyText

_ANCHOR: Final = 4
_SHORTEST: Final = 8
"""Shorter texts are no secrets, and would be found in any line."""

_HIDDEN_FIELDS: Final = ("private_key", "refresh_token", "client_secret")
"""What is secret in a key file's JSON."""


class Blackout:
    """Puts stars in the place of secrets. It costs by how many different beginnings they have, not by their number."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets: Final = frozenset(secret for secret in secrets if len(secret) >= _SHORTEST)
        self._by_start: dict[str, list[str]] = {}
        for secret in sorted({*self.secrets, *map(_escaped, self.secrets)}, key=len, reverse=True):
            self._by_start.setdefault(secret[:_ANCHOR], []).append(secret)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for start, secrets in self._by_start.items():
            at = text.find(start)
            while at >= 0:
                found = next((secret for secret in secrets if text.startswith(secret, at)), None)
                if found is not None:
                    text = text[:at] + STARS + text[at + len(found) :]
                at = text.find(start, at + (len(STARS) if found is not None else 1))
        return text


def secrets_of(config: GatewayConfig) -> Iterator[str]:
    """The values of all secrets that a configuration has."""
    yield from (key.key.reveal() for key in config.keys)
    if config.admin_key is not None:
        yield config.admin_key.reveal()
    for account in config.accounts:
        match account.source:
            case ApiKey(key):
                yield key.reveal()
            case KeyText(text):
                yield from _hidden(text.reveal())
            case _:
                pass


def keep_from_logs(config: GatewayConfig) -> None:
    """Have the log's handlers that can (`clean`) leave out this configuration's secrets, beside those of before."""
    for handler in logging.getLogger().handlers:
        if hasattr(handler, "clean"):
            before: Any = getattr(handler, "clean")  # noqa: B009 - of a class that is not known here
            known = before.secrets if isinstance(before, Blackout) else frozenset[str]()
            setattr(handler, "clean", Blackout((*known, *secrets_of(config))))  # noqa: B010 - as above


def _hidden(text: str) -> Iterator[str]:
    """The secret values of a key file; of a PEM text each line, since that is how a part of it would be shown."""
    try:
        info: Any = json.loads(text)
    except ValueError:
        return
    for field in _HIDDEN_FIELDS:
        value = info.get(field) if isinstance(info, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, str):
            yield from (line for line in value.splitlines() if not line.startswith("-----"))


def _escaped(secret: str) -> str:
    """A secret as it stands in a JSON text."""
    return json.dumps(secret)[1:-1]
