"""Keeps secrets out of reports: the gateway key, the provider's credentials and all that was shown as one. Pure."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from ...messages import Exchange, Session
from ...redaction import CREDENTIAL_HEADERS, CREDENTIAL_PARAMETERS
from ..model import Case, Run

GATEWAY_KEY: Final = "<gateway key>"

_NO_SECRETS: Final = frozenset({"cookie", "set-cookie", "sec-websocket-protocol"})
"""What the suite puts there is none, but for the gateway key, which is known; evidence would be unreadable without."""

_SHORTEST_KEY: Final = 4
_SHORTEST: Final = 6
"""Characters of the gateway key and of another credential: what is shorter would be found in ordinary words."""

_PIECE: Final = 12
"""Characters of a secret that are taken for it wherever they stand: evidence shows windows of what was sent."""

_SCHEME: Final = re.compile(rb"(?i)(?:bearer|basic)\s+")


class Veil:
    """Replaces the secrets of one run by `<gateway key>` and `<credential N>`; equal ones get equal names."""

    def __init__(self, run: Run) -> None:
        self._whole: dict[str, str] = {}
        self._pieces: dict[str, str] = {}
        known: set[str] = set()
        key = run.target.key.reveal() if run.target.key is not None else ""
        if len(key) >= _SHORTEST_KEY:
            known.add(key)
            self._learn(key, GATEWAY_KEY)
        for case in run.cases.values():
            for secret in _credentials(case):
                if len(secret) >= _SHORTEST and secret not in known:
                    known.add(secret)
                    self._learn(secret, f"<credential {len(known)}>")
        self._userinfo = urlsplit(run.url).netloc.rpartition("@")[0]

    def _learn(self, secret: str, name: str) -> None:
        for form in _forms(secret):
            if len(form) < _PIECE:
                self._whole.setdefault(form, name)
            for start in range(len(form) - _PIECE + 1):
                self._pieces.setdefault(form[start : start + _PIECE], name)

    def text(self, text: str) -> str:
        """The text without secrets and longer pieces of them."""
        if self._userinfo:
            text = text.replace(f"{self._userinfo}@", "")
        shown, start = "", 0
        while start < len(text):
            name = self._pieces.get(text[start : start + _PIECE])
            if name is None:
                shown += text[start]
                start += 1
                continue
            end = start + _PIECE
            while end < len(text) and self._pieces.get(text[end - _PIECE + 1 : end + 1]) == name:
                end += 1
            shown, start = shown + name, end
        for form, name in self._whole.items():
            shown = shown.replace(form, name)
        return shown

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it veiled, names of members included."""
        match value:
            case str():
                return self.text(value)
            case dict():
                items = cast("dict[str, Any]", value).items()
                return {self.text(name): self.value(inner) for name, inner in items}
            case list() | tuple():
                return [self.value(inner) for inner in cast("list[Any]", value)]
            case _:
                return value


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a text: as it is, percent-encoded, escaped, in base64."""
    data = secret.encode()
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield secret.encode("unicode_escape").decode("ascii")
    for encode in (b64encode, urlsafe_b64encode):
        # Inside of a longer base64 text its form depends on where it begins: three forms, without their edges.
        for before, first in enumerate((0, 2, 3)):
            yield encode(b"\0" * before + data).decode().rstrip("=")[first:-1]


def _credentials(case: Case) -> Iterator[str]:
    """What clients and gateway showed as credentials, where credentials stand."""
    for seen in (case.client, case.upstream, case.elsewhere):
        for entry in (*seen.exchanges, *seen.sessions):
            yield from _credentials_of(entry)


def _credentials_of(entry: Exchange | Session) -> Iterator[str]:
    for name, value in entry.request.headers:
        lowered = name.decode("latin-1").lower()
        if lowered in CREDENTIAL_HEADERS - _NO_SECRETS:
            yield _SCHEME.sub(b"", value, count=1).strip().decode("latin-1")
    for name, value in parse_qsl(entry.request.query, keep_blank_values=True):
        if name.lower() in CREDENTIAL_PARAMETERS:
            yield value
