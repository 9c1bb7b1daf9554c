"""Which web pages may open Live sessions (S-58). Pure.

A browser names the page in `Origin`. No cookie is a key here; but a key in the query may stand in a page that others
made, so without a list such a handshake is refused.
"""

from understudy.messages import RawHeaders, header_values

from .keys import Caller, KeyRing
from .refusals import Reason, Refusal


def refused_origin(allowed: tuple[str, ...], keys: KeyRing, headers: RawHeaders) -> Refusal | None:
    """Why a page may not open a session, or None; programs send no `Origin`.

    With a list of `allowed` origins (lower case) only those may. Without one the key must have come in a field that no
    page can set, or in the key's subprotocol.
    """
    origins = header_values(headers, b"origin")
    if not origins:
        return None
    if allowed:
        is_good = len(origins) == 1 and origins[0].decode("latin-1").lower() in allowed
    else:
        is_good = isinstance(keys.caller(headers, (), is_live=True), Caller)
    return None if is_good else Refusal(Reason.ORIGIN_REFUSED)
