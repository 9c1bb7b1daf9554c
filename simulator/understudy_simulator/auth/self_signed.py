"""JWTs that a client signed itself and presents as a bearer token, without a token call (wire-http 11.2). Pure."""

from datetime import datetime
from typing import Any, Final, Literal

import jwt

from ..service_account import ServiceAccount

_AUDIENCES: Final = frozenset(
    f"https://{service}.googleapis.com" for service in ("aiplatform", "generativelanguage", "iamcredentials")
)
_CLOCK_SKEW_S: Final = 300
_LONGEST_S: Final = 3600 + _CLOCK_SKEW_S

Outcome = Literal["good", "bad", "expired"]


def self_signed_outcome(token: str, account: ServiceAccount, now: datetime) -> tuple[Outcome, float]:
    """What a JWT presented as a bearer is worth at `now`, and until when (seconds since 1970).

    Good ones are signed by the account for one of the services (`aud`), or, without an audience, for scopes.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            account.public_key,
            algorithms=["RS256"],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
                "require": ["exp", "iat", "iss", "sub"],
            },
        )
    except jwt.InvalidTokenError:
        return "bad", 0.0
    issued, expires = claims["iat"], claims["exp"]
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        return "bad", 0.0
    moment = now.timestamp()
    fits = claims["iss"] == claims["sub"] == account.email and _is_for_us(claims)
    if not fits or not 0 < expires - issued <= _LONGEST_S or issued - _CLOCK_SKEW_S > moment:
        return "bad", 0.0
    return ("good" if moment < expires else "expired"), float(expires)


def _is_for_us(claims: dict[str, Any]) -> bool:
    audience = claims.get("aud")
    if audience is None:
        return bool(claims.get("scope"))
    return isinstance(audience, str) and audience.rstrip("/") in _AUDIENCES
