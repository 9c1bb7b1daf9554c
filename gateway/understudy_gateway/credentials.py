"""What the gateway shows a provider: an API key, a fixed token, or a Google token, cached and renewed before its end.

One renewal serves all who wait; while the old token is good nobody waits (AUTH-8, R-30). A renewal that fails is tried
again after a growing delay, not once a request (R-31). The only module that knows google-auth.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Final, Protocol, cast

import google.auth
import requests
from google.auth import identity_pool, impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import credentials as oauth2_credentials
from google.oauth2 import service_account

from understudy.messages import RawHeaders
from understudy.secret import Secret

from .settings import ApiKey, ApplicationDefault, FixedHeaders, KeyFile, KeyText, Source
from .tally import Tally

_log = logging.getLogger(__name__)

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
RENEW_EARLY_S: Final = 300.0
"""A token is renewed when it has less than this left, or a quarter of its life if that is shorter."""

REJECTION_PAUSE_S: Final = 10.0
"""Tokens that the provider rejects are dropped at most once in this time."""

_LONGEST_PAUSE_S: Final = 60.0
_DEFAULT_LIFE_S: Final = 3600.0


class CredentialsFailed(Exception):
    """There is no token, and none could be got. `retry_after_s`: when to ask again. No secret is in the text."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("no token")
        self.retry_after_s = retry_after_s


class Credentials(Protocol):
    """One provider credential."""

    async def headers(self) -> RawHeaders:
        """The one field that shows it; of a configured endpoint, all that it adds. Raises CredentialsFailed."""
        ...

    def rejected(self) -> None:
        """Told when the provider answered 401: a cached token is dropped (AUTH-9)."""
        ...

    async def close(self) -> None:
        """End what still runs."""
        ...


class FixedFields:
    """A credential that never changes: an API key, or the fields that are configured for an endpoint."""

    def __init__(self, *fields: tuple[bytes, Secret]) -> None:
        self._fields = tuple((name, value.reveal().encode("latin-1")) for name, value in fields)

    async def headers(self) -> RawHeaders:
        """The fields."""
        return self._fields

    def rejected(self) -> None:
        """Nothing: there is no other."""

    async def close(self) -> None:
        """Nothing runs."""


def api_key(key: Secret) -> FixedFields:
    """An API key as `x-goog-api-key` (AUTH-6)."""
    return FixedFields((b"x-goog-api-key", key))


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how many seconds it had left when it was got."""

    value: Secret
    life_s: float


Fetch = Callable[[], Token]
"""Gets a new token; blocks, so it is called in a thread. Raises OSError, ValueError or GoogleAuthError."""


class TokenCache:
    """A Google token that is renewed in time."""

    def __init__(self, fetch: Fetch, monotonic: Callable[[], float], wait_s: float, tally: Tally | None = None) -> None:
        """`wait_s`: how long a request waits for a token before it is refused. `tally` counts renewals."""
        self._tally = tally or Tally()
        self._fetch = fetch
        self._monotonic = monotonic
        self._wait_s = wait_s
        self._token: Token | None = None
        self._got_at = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._failures = 0
        self._next_try = 0.0
        self._last_rejection: float | None = None

    async def headers(self) -> RawHeaders:
        """`Authorization: Bearer TOKEN`. Raises CredentialsFailed if there is no good token and none can be got now."""
        now = self._monotonic()
        if self._token is None or now >= self._got_at + self._token.life_s:
            await self._wait_for_renewal(now)
        elif now >= self._got_at + self._renew_after(self._token):
            self._renew(now)
        if self._token is None:
            raise CredentialsFailed(self._pause_left())
        return ((b"Authorization", b"Bearer " + self._token.value.reveal().encode("latin-1")),)

    def rejected(self) -> None:
        """Drop the token, but not more often than REJECTION_PAUSE_S: a provider that refuses all is not hammered."""
        now = self._monotonic()
        if self._last_rejection is None or now - self._last_rejection >= REJECTION_PAUSE_S:
            self._last_rejection = now
            self._token = None

    async def close(self) -> None:
        """Let a running renewal go."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    async def _wait_for_renewal(self, now: float) -> None:
        self._token = None
        renewal = self._renew(now)
        if renewal is None:
            raise CredentialsFailed(self._pause_left())
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(renewal)
        except TimeoutError:
            raise CredentialsFailed(self._pause_left()) from None

    def _renew(self, now: float) -> asyncio.Task[None] | None:
        """The renewal that runs, or a new one; None while a failed one is not to be repeated yet."""
        if self._renewal is None and now >= self._next_try:
            self._renewal = asyncio.create_task(self._fetch_once())
        return self._renewal

    async def _fetch_once(self) -> None:
        try:
            token = await asyncio.to_thread(self._fetch)
        except (OSError, ValueError, GoogleAuthError) as error:
            self._failures += 1
            self._tally.not_renewed += 1
            pause = min(_LONGEST_PAUSE_S, 2.0 ** (self._failures - 1)) * (0.75 + secrets.randbelow(500) / 1000)
            self._next_try = self._monotonic() + pause
            _log.warning("a Google token could not be got (%s), tried again in %.1f s", type(error).__name__, pause)
        else:
            self._token, self._got_at = token, self._monotonic()
            self._tally.renewed += 1
            self._failures, self._next_try = 0, 0.0
        finally:
            self._renewal = None

    def _renew_after(self, token: Token) -> float:
        return token.life_s - min(RENEW_EARLY_S, token.life_s / 4)

    def _pause_left(self) -> int:
        return max(1, round(self._next_try - self._monotonic()))


class GoogleFetch:
    """Gets tokens by google-auth, from a key file, its text, or whatever this machine has."""

    def __init__(self, source: KeyFile | KeyText | ApplicationDefault, ca: str | None, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no netrc from the environment (S-33)
        self._session.verify = ca or True
        self._credentials: Any = None

    def __call__(self) -> Token:
        """A new token; blocks. Raises OSError (requests' errors included), ValueError or GoogleAuthError."""
        request = _TimedRequest(self._session, self._timeout_s)
        if self._credentials is None:
            self._credentials = self._load(request)
        self._credentials.refresh(request)
        expiry = cast("datetime | None", self._credentials.expiry)
        life = _DEFAULT_LIFE_S if expiry is None else (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        return Token(Secret(str(self._credentials.token)), life)

    def _load(self, request: "_TimedRequest") -> Any:
        library: Any = google.auth
        match self._source:
            case KeyFile(path):
                return _credentials_of(json.loads(FilePath(path).read_text("utf-8")))
            case KeyText(text):
                return _credentials_of(json.loads(text.reveal()))
            case ApplicationDefault():
                return library.default(scopes=[SCOPE], request=request)[0]


def _credentials_of(info: Any) -> Any:
    """The credentials that a key file's content describes. Raises ValueError for a kind that is not supported.

    Each kind has its own way in: google-auth's general one is deprecated, since such a file may name a program to run.
    """
    kinds: dict[str, tuple[Any, str]] = {
        "service_account": (service_account.Credentials, "from_service_account_info"),
        "authorized_user": (oauth2_credentials.Credentials, "from_authorized_user_info"),
        "impersonated_service_account": (
            impersonated_credentials.Credentials,
            "from_impersonated_service_account_info",
        ),
        "external_account": (identity_pool.Credentials, "from_info"),
    }
    if type(info) is not dict:
        raise ValueError("the key file holds no JSON object")
    info = cast("dict[str, Any]", info)
    kind = info.get("type")
    if kind not in kinds or "executable" in (info.get("credential_source") or {}):
        raise ValueError("this kind of key file is not supported")
    owner, method = kinds[kind]
    return getattr(owner, method)(info, scopes=[SCOPE])


class _TimedRequest(Request):
    """google-auth's transport with our own limit instead of its two minutes."""

    def __init__(self, session: requests.Session, timeout_s: float) -> None:
        super().__init__(session)  # pyright: ignore[reportUnknownMemberType]
        self._timeout_s = timeout_s

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs["timeout"] = self._timeout_s
        untyped: Any = super()
        return untyped.__call__(*args, **kwargs)


def credentials_for(
    source: Source, *, ca: str | None, wait_s: float, monotonic: Callable[[], float], tally: Tally | None = None
) -> Credentials:
    """The credential of an account. `ca` is a PEM bundle for the token endpoint, `wait_s` the longest wait for it."""
    match source:
        case ApiKey(key):
            return api_key(key)
        case FixedHeaders(fields):
            return FixedFields(*((name.encode("latin-1"), value) for name, value in fields))
        case KeyFile() | KeyText() | ApplicationDefault():
            return TokenCache(GoogleFetch(source, ca, wait_s), monotonic, wait_s, tally)
