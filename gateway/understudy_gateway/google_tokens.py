"""Tokens by google-auth. The only module that knows it; it is loaded where an account wants it."""

import json
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Final, cast

import google.auth
import requests
from google.auth import identity_pool, impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import credentials as oauth2_credentials
from google.oauth2 import service_account

from understudy.secret import Secret

from .settings import ApplicationDefault, KeyFile, KeyText
from .tokens import FetchFailed, Token

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_DEFAULT_LIFE_S: Final = 3600.0


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
        """A new token; blocks. Raises FetchFailed."""
        try:
            return self._got(_TimedRequest(self._session, self._timeout_s))
        except (OSError, ValueError, GoogleAuthError) as error:  # requests' errors are OSErrors
            raise FetchFailed(type(error).__name__) from error

    def _got(self, request: "_TimedRequest") -> Token:
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
