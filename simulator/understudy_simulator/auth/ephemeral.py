"""Ephemeral tokens, with which a browser opens Live sessions: how often, how long, and with which setup. Pure.

Source: wire-live 1, "Token creation". Sessions must begin within 60 s, last 30 min, unless said otherwise.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

_NEW_SESSION: Final = timedelta(seconds=60)
_MESSAGES: Final = timedelta(minutes=30)
_LONGEST: Final = timedelta(hours=20)

Admission = Literal["admitted", "unknown", "expired", "spent"]
"""Whether a session may begin: the token is unknown, too old for a new session, or used as often as it may be."""


@dataclass(frozen=True, slots=True)
class EphemeralToken:
    """One token. `uses` None: any number; `setup` None: nothing is locked; `fields` None: all of the setup is."""

    name: str
    uses: int | None
    expires: datetime
    new_session_expires: datetime
    setup: Mapping[str, Any] | None = None
    fields: tuple[str, ...] | None = None
    used: int = 0


def token_of(name: str, members: Mapping[str, Any], now: datetime) -> EphemeralToken | str:
    """The token that a body of `auth_tokens.create` asks for, or the message of the 400 that it gets."""
    uses = members.get("uses", 1)
    if not isinstance(uses, int) or isinstance(uses, bool) or uses < 0:
        return "uses must be 0 or more."
    expires = _moment(members.get("expireTime"), now + _MESSAGES)
    begins = _moment(members.get("newSessionExpireTime"), now + _NEW_SESSION)
    if expires is None or begins is None:
        return "Invalid timestamp."
    if not now < expires <= now + _LONGEST:
        return "expire_time must be in the future, at most 20 hours from now."
    if not now < begins <= now + _LONGEST:
        return "new_session_expire_time must be in the future, at most 20 hours from now."
    setup, mask = members.get("bidiGenerateContentSetup"), members.get("fieldMask")
    if setup is not None and not isinstance(setup, dict):
        return "Request contains an invalid argument."
    fields = tuple(part.strip() for part in mask.split(",") if part.strip()) if isinstance(mask, str) else None
    return EphemeralToken(
        name, uses or None, expires, min(begins, expires), cast("Mapping[str, Any] | None", setup), fields or None
    )


def _moment(value: object, usual: datetime) -> datetime | None:
    """A proto Timestamp, or what it is when it is absent; None if it is none."""
    if value is None:
        return usual
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def constrained(token: EphemeralToken, setup: Mapping[str, Any]) -> dict[str, Any]:
    """The setup that a session gets: the client's, with what the token locks in its stead.

    Without a field mask the token's whole setup replaces it; with one, only the listed fields do, at any depth.
    """
    if token.setup is None:
        return dict(setup)
    if token.fields is None:
        return deepcopy(dict(token.setup))
    result = deepcopy(dict(setup))
    for path in token.fields:
        _copy_field(token.setup, result, path.split("."))
    return result


def _copy_field(source: Mapping[str, Any], target: dict[str, Any], path: list[str]) -> None:
    """Make `target` like `source` at one path; a field that the source has not is taken away."""
    for name in path[:-1]:
        inner = source.get(name)
        source = cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else {}
        below = target.get(name)
        if not isinstance(below, dict):
            if not source:
                return
            below = target[name] = dict[str, Any]()
        target = cast("dict[str, Any]", below)
    last = path[-1]
    if last in source:
        target[last] = deepcopy(source[last])
    else:
        target.pop(last, None)


class EphemeralTokens:
    """The tokens that were created, by name."""

    def __init__(self) -> None:
        self._tokens: dict[str, EphemeralToken] = {}

    def create(self, name: str, members: Mapping[str, Any], now: datetime) -> EphemeralToken | str:
        """Create a token as `token_of` says; expired ones are forgotten."""
        token = token_of(name, members, now)
        if isinstance(token, EphemeralToken):
            self.keep(token, now)
        return token

    def keep(self, token: EphemeralToken, now: datetime) -> None:
        """Remember a token."""
        self._tokens = {name: known for name, known in self._tokens.items() if known.expires > now}
        self._tokens[token.name] = token

    def find(self, name: str) -> EphemeralToken | None:
        """The token of that name."""
        return self._tokens.get(name)

    def admit(self, name: str, now: datetime, *, resumes: bool = False) -> Admission:
        """Whether a session may begin with it; if so it counts as a use, unless the session only resumes another."""
        token = self._tokens.get(name)
        if token is None:
            return "unknown"
        if now >= token.expires or (not resumes and now >= token.new_session_expires):
            return "expired"
        if resumes:
            return "admitted"
        if token.uses is not None and token.used >= token.uses:
            return "spent"
        self._tokens[name] = replace(token, used=token.used + 1)
        return "admitted"
