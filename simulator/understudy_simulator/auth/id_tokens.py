"""ID tokens, as Google signs them for service accounts and users (OpenID Connect Core section 2). Pure."""

from datetime import datetime
from typing import Any, Final

from ..service_account import ServiceAccount

_ISSUER: Final = "https://accounts.google.com"
_LIFETIME_S: Final = 3600


def id_token(account: ServiceAccount, audience: str, now: datetime, *, has_email: bool = True) -> str:
    """A token that says who the account is, for one hour, signed with the account's own key."""
    issued = int(now.timestamp())
    claims: dict[str, Any] = {"aud": audience, "azp": account.client_id}
    if has_email:
        claims |= {"email": account.email, "email_verified": True}
    claims |= {"exp": issued + _LIFETIME_S, "iat": issued, "iss": _ISSUER, "sub": account.client_id}
    return account.signed_jwt(claims)
