"""Who may call: API keys and bearer tokens as they are presented, and the OAuth token endpoint that issues tokens.

Sources: wire-http 5.2 (which refusal for which mistake), 11.1 (where credentials stand), 11.2 (JWT bearer; RFC 7523).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt

from understudy.messages import Request, header_value
from understudy.secret import Secret, key_digest

from .clock import Clock
from .service_account import ServiceAccount
from .settings import SimulatorSettings

GOOGLE_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""What google-auth signs as `aud`, whatever the token URI is (wire-http 11.2)."""

TOKEN_LIFETIME_S: Final = 3599
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_S: Final = 3600
_CLOCK_SKEW_S: Final = 300
_REFUSED_WORD: Final = "invalid"
_REMEMBERED: Final = timedelta(hours=1)
"""How long an expired token is still known, so that it is refused as expired."""


class Verdict(Enum):
    """What came of the presented credentials."""

    ADMITTED = auto()
    NO_CREDENTIALS = auto()
    KEY_INVALID = auto()
    KEY_UNSUPPORTED = auto()
    TOKEN_INVALID = auto()
    TOKEN_EXPIRED = auto()


@dataclass(frozen=True, slots=True)
class Presented:
    """The credentials in a request: the API key and the access token; None where there is none."""

    key: Secret | None = None
    token: Secret | None = None


def presented_in(request: Request) -> Presented:
    """The credentials of a request: `x-goog-api-key` or `?key=`; `Authorization` or `?access_token=` (wire-http 11.1).

    An `Authorization` that is not `Bearer` counts as a token too: Google evaluates it and refuses.
    """
    query = dict(parse_qsl(request.query, keep_blank_values=True, encoding="latin-1"))
    key = header_value(request.headers, b"x-goog-api-key")
    key_text = key.decode("latin-1") if key else query.get("key")
    authorization = header_value(request.headers, b"authorization")
    if authorization is not None:
        text = authorization.decode("latin-1")
        scheme, _, value = text.partition(" ")
        token: str | None = value.strip() if scheme.lower() == "bearer" else text
    else:
        token = query.get("access_token", query.get("oauth_token"))
    return Presented(Secret(key_text) if key_text else None, None if token is None else Secret(token))


class Gatekeeper:
    """Judges credentials, and issues access tokens for the service account's assertions."""

    def __init__(self, settings: SimulatorSettings, account: ServiceAccount, clock: Clock) -> None:
        self._mode = settings.auth
        self._keys = frozenset(key.digest() for key in settings.api_keys)
        self._account = account
        self._clock = clock
        self._issued: dict[bytes, datetime] = {}

    def judge(self, presented: Presented, *, is_vertex: bool, has_project: bool) -> Verdict:
        """Whether a call to a service is admitted. `has_project`: its path names a project, so no key will do.

        A presented token is evaluated first; a good key does not rescue a bad token (wire-http 5.2).
        """
        if presented.token is not None:
            return self._judge_token(presented.token)
        if presented.key is None:
            return Verdict.NO_CREDENTIALS
        if is_vertex and has_project:
            return Verdict.KEY_UNSUPPORTED
        return self._judge_key(presented.key)

    def _judge_key(self, key: Secret) -> Verdict:
        known = key.digest() in self._keys if self._keys else _REFUSED_WORD not in key.reveal().lower()
        return Verdict.ADMITTED if known else Verdict.KEY_INVALID

    def _judge_token(self, token: Secret) -> Verdict:
        expiry = self._issued.get(token.digest())
        if expiry is not None:
            return Verdict.ADMITTED if self._clock.now() < expiry else Verdict.TOKEN_EXPIRED
        if self._mode == "issued" or not token or _REFUSED_WORD in token.reveal().lower():
            return Verdict.TOKEN_INVALID
        return Verdict.ADMITTED

    def exchange(self, form: Mapping[str, str], own_uri: str, token: str) -> "TokenAnswer":
        """The answer of the token endpoint to a form (RFC 7523 section 2.1; wire-http 11.2).

        `own_uri` is the address it was called at, also fit to be the audience; `token` is what will be issued.
        """
        grant = form.get("grant_type")
        if not grant:
            return TokenAnswer.refused("invalid_request", "Missing required parameter: grant_type")
        if grant != _JWT_BEARER:
            return TokenAnswer.refused("unsupported_grant_type", f"Invalid grant_type: {grant}")
        assertion = form.get("assertion")
        if not assertion:
            return TokenAnswer.refused("invalid_request", "Missing required parameter: assertion")
        mistake = self._mistake_in(assertion, own_uri)
        if mistake is not None:
            return TokenAnswer.refused("invalid_grant", mistake)
        now = self._clock.now()
        self._issued = {digest: expiry for digest, expiry in self._issued.items() if expiry > now - _REMEMBERED}
        self._issued[key_digest(token.encode())] = now + timedelta(seconds=TOKEN_LIFETIME_S)
        return TokenAnswer(200, {"access_token": token, "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"})

    def _mistake_in(self, assertion: str, own_uri: str) -> str | None:
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                self._account.public_key,
                algorithms=["RS256"],
                audience=[GOOGLE_AUDIENCE, own_uri],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["exp", "iat", "iss"],
                },
            )
        except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError) as error:
            if isinstance(error, jwt.MissingRequiredClaimError) and error.claim != "aud":
                return f"Invalid JWT: {error.claim} is missing."
            return "Invalid JWT: Failed audience check."
        except jwt.InvalidTokenError:
            return "Invalid JWT Signature."
        if claims["iss"] != self._account.email:
            return "Invalid grant: account not found"
        return self._mistake_in_times(claims["iat"], claims["exp"])

    def _mistake_in_times(self, issued: object, expires: object) -> str | None:
        now = self._clock.wall().timestamp()
        if isinstance(issued, int | float) and isinstance(expires, int | float):
            is_fresh = issued - _CLOCK_SKEW_S <= now < expires
            if is_fresh and 0 < expires - issued <= _LONGEST_ASSERTION_S:
                return None
        return (
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        )


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the token endpoint says: HTTP status and JSON value (RFC 6749 section 5)."""

    status: int
    body: Mapping[str, Any]

    @classmethod
    def refused(cls, error: str, description: str) -> "TokenAnswer":
        """A refusal, always 400."""
        return cls(400, {"error": error, "error_description": description})
