"""The grants of the OAuth token endpoint, as pure functions from a form to an answer.

JWT bearer (RFC 7523, wire-http 11.2), refresh token (RFC 6749 section 6, wire-http 11.3), and token exchange for
external accounts (RFC 8693, wire-http 11.4).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt

from ..service_account import ServiceAccount
from .id_tokens import id_token

GOOGLE_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
"""What google-auth signs as `aud`, whatever the token URI is (wire-http 11.2)."""

TOKEN_LIFETIME_S: Final = 3599
CLOUD_PLATFORM: Final = "https://www.googleapis.com/auth/cloud-platform"

_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REFRESH: Final = "refresh_token"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_OF_ACCESS: Final = "urn:ietf:params:oauth:token-type:access_token"
_SUBJECT_TYPES: Final = frozenset(
    {
        *(f"urn:ietf:params:oauth:token-type:{name}" for name in ("jwt", "id_token", "saml2", "access_token", "mtls")),
        "urn:ietf:params:aws:token-type:aws4_request",
    }
)
_AUDIENCE: Final = re.compile(
    r"//iam\.googleapis\.com/(?:projects/[^/]+/locations/[^/]+/workloadIdentityPools|locations/[^/]+/workforcePools)"
    r"/[^/]+/providers/[^/]+"
)
_LONGEST_ASSERTION_S: Final = 3600
_CLOCK_SKEW_S: Final = 300


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the token endpoint says: HTTP status and JSON value (RFC 6749 section 5)."""

    status: int
    body: Mapping[str, Any]

    @classmethod
    def refused(cls, error: str, description: str, status: int = 400) -> "TokenAnswer":
        """A refusal."""
        return cls(status, {"error": error, "error_description": description})


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer that gives a token, which is then to be made good."""

    answer: TokenAnswer


def granted(
    form: Mapping[str, str], account: ServiceAccount, own_uri: str, token: str, now: datetime
) -> Granted | TokenAnswer:
    """What the token endpoint does with a form: a token is granted, or refused.

    `own_uri` is the address it was called at, also fit to be the audience; `now` is the client's time of day.
    """
    grant = form.get("grant_type")
    if not grant:
        return TokenAnswer.refused("invalid_request", "Missing required parameter: grant_type")
    bearer = {"access_token": token, "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"}
    if grant == _JWT_BEARER:
        return _for_assertion(form, account, own_uri, bearer, now)
    if grant == _REFRESH:
        return _for_refresh_token(form, account, bearer, now)
    if grant == _EXCHANGE:
        return _for_subject_token(form, bearer, now)
    return TokenAnswer.refused("unsupported_grant_type", f"Invalid grant_type: {grant}")


# ---- a service account's assertion


def _for_assertion(
    form: Mapping[str, str], account: ServiceAccount, own_uri: str, bearer: Mapping[str, Any], now: datetime
) -> Granted | TokenAnswer:
    assertion = form.get("assertion")
    if not assertion:
        return TokenAnswer.refused("invalid_request", "Missing required parameter: assertion")
    claims = _claims_of(assertion, account, own_uri)
    if isinstance(claims, str):
        return TokenAnswer.refused("invalid_grant", claims)
    if claims["iss"] != account.email:
        return TokenAnswer.refused("invalid_grant", "Invalid grant: account not found")
    mistake = _mistake_in_times(claims["iat"], claims["exp"], now)
    if mistake is not None:
        return TokenAnswer.refused("invalid_grant", mistake)
    audience = claims.get("target_audience")
    if isinstance(audience, str):
        return TokenAnswer(200, {"id_token": id_token(account, audience, now)})
    return Granted(TokenAnswer(200, bearer))


def _claims_of(assertion: str, account: ServiceAccount, own_uri: str) -> dict[str, Any] | str:
    """The claims of an assertion, or what is wrong with it."""
    try:
        return jwt.decode(
            assertion,
            account.public_key,
            algorithms=["RS256"],
            audience=[GOOGLE_AUDIENCE, own_uri],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "iss"]},
        )
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError) as error:
        if isinstance(error, jwt.MissingRequiredClaimError) and error.claim != "aud":
            return f"Invalid JWT: {error.claim} is missing."
        return "Invalid JWT: Failed audience check."
    except jwt.InvalidTokenError:
        return "Invalid JWT Signature."


def _mistake_in_times(issued: object, expires: object, now: datetime) -> str | None:
    moment = now.timestamp()
    if isinstance(issued, int | float) and isinstance(expires, int | float):
        is_fresh = issued - _CLOCK_SKEW_S <= moment < expires
        if is_fresh and 0 < expires - issued <= _LONGEST_ASSERTION_S:
            return None
    return (
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
        "Check your iat and exp values in the JWT claim."
    )


# ---- a user's refresh token


def _for_refresh_token(
    form: Mapping[str, str], account: ServiceAccount, bearer: Mapping[str, Any], now: datetime
) -> Granted | TokenAnswer:
    """Any client and token but those that say `invalid` or `expired`."""
    client, refresh = form.get("client_id", ""), form.get("refresh_token", "")
    if not client:
        return TokenAnswer.refused("invalid_request", "Could not determine client ID from request.")
    if "invalid" in client.lower():
        return TokenAnswer.refused("invalid_client", "The OAuth client was not found.", 401)
    if "invalid" in form.get("client_secret", "").lower():
        return TokenAnswer.refused("invalid_client", "Unauthorized", 401)
    if not refresh:
        return TokenAnswer.refused("invalid_request", "Missing required parameter: refresh_token")
    if "expired" in refresh.lower():
        return TokenAnswer.refused("invalid_grant", "Token has been expired or revoked.")
    if "invalid" in refresh.lower():
        return TokenAnswer.refused("invalid_grant", "Bad Request")
    scope = form.get("scope") or CLOUD_PLATFORM
    return Granted(TokenAnswer(200, {**bearer, "scope": scope, "id_token": id_token(account, client, now)}))


# ---- an external account's subject token


def _for_subject_token(form: Mapping[str, str], bearer: Mapping[str, Any], now: datetime) -> Granted | TokenAnswer:
    """Any subject token but those that say `invalid`, and JWTs that have expired; it is not asked who signed."""
    for name in ("audience", "subject_token", "subject_token_type", "requested_token_type"):
        if not form.get(name):
            return TokenAnswer.refused("invalid_request", f"Missing required parameter: {name}")
    if not _AUDIENCE.fullmatch(form["audience"]):
        return TokenAnswer.refused("invalid_target", 'Invalid value for "audience".')
    if form["requested_token_type"] != _OF_ACCESS:
        return TokenAnswer.refused("invalid_request", 'Invalid value for "requested_token_type".')
    if form["subject_token_type"] not in _SUBJECT_TYPES:
        return TokenAnswer.refused("invalid_request", 'Invalid value for "subject_token_type".')
    mistake = _mistake_in_subject(form["subject_token"], now)
    if mistake is not None:
        return TokenAnswer.refused("invalid_grant", mistake)
    token, rest = bearer["access_token"], {key: value for key, value in bearer.items() if key != "access_token"}
    return Granted(TokenAnswer(200, {"access_token": token, "issued_token_type": _OF_ACCESS, **rest}))


def _mistake_in_subject(subject: str, now: datetime) -> str | None:
    if "invalid" in subject.lower():
        return "Unable to parse the ID Token."
    if not subject.startswith("eyJ"):
        return None
    try:
        claims: dict[str, Any] = jwt.decode(subject, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return "Unable to parse the ID Token."
    expires = claims.get("exp")
    is_stale = isinstance(expires, int | float) and expires + _CLOCK_SKEW_S < now.timestamp()
    return f"ID Token issued at {claims.get('iat', 0)} is stale to sign-in." if is_stale else None
