"""The IAM Service Account Credentials API, by which one account acts as another (iamcredentials.googleapis.com).

Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts. Called by external
accounts with a `service_account_impersonation_url` (wire-http 11.4) and google-auth's impersonated credentials. Any
account can be acted as, but those whose address says `denied`. What is signed is signed by the simulator's own.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from understudy.provider_errors import credentials
from understudy.rpc_status import error_info

from ..answers.reading import member, text_in
from ..auth.gate import Gatekeeper, Verdict
from ..auth.id_tokens import id_token
from ..auth.presented import presented_in
from ..call import Answer, Call, Json
from ..clock import rfc3339
from ..google_errors import GoogleError, google_error, invalid_argument
from ..routing import Route

_SERVICE: Final = "iamcredentials.googleapis.com"
_DENIED: Final = "denied"
_LONGEST_S: Final = 3600.0
_DURATION: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?s")
_PERMISSIONS: Final = {
    "generateAccessToken": "iam.serviceAccounts.getAccessToken",
    "generateIdToken": "iam.serviceAccounts.getOpenIdToken",
    "signBlob": "iam.serviceAccounts.signBlob",
    "signJwt": "iam.serviceAccounts.signJwt",
}
"""The methods, and the permission that each needs."""


def generate_access_token(gate: Gatekeeper, call: Call) -> Answer:
    """An access token of at most an hour, for scopes."""
    scopes: object = member(call.members, "scope")
    lifetime = text_in(call.members, "lifetime")
    if lifetime is not None and not _DURATION.fullmatch(lifetime):
        return invalid_argument()
    seconds = _LONGEST_S if lifetime is None else float(lifetime[:-1])
    if not isinstance(scopes, list) or not scopes or not 0 < seconds <= _LONGEST_S:
        return invalid_argument()
    token = call.identity.access_token
    gate.issue(token, seconds)
    expires = rfc3339(gate.wall() + timedelta(seconds=seconds))
    # Whole seconds: google-auth reads them with `%Y-%m-%dT%H:%M:%SZ`.
    return Json({"accessToken": token, "expireTime": expires.partition(".")[0] + "Z"})


def generate_id_token(gate: Gatekeeper, call: Call) -> Answer:
    """An ID token for an audience."""
    audience = text_in(call.members, "audience")
    if not audience:
        return invalid_argument()
    has_email = member(call.members, "includeEmail") is True
    return Json({"token": id_token(gate.account, audience, gate.wall(), has_email=has_email)})


def sign_blob(gate: Gatekeeper, call: Call) -> Answer:
    """The signature of bytes."""
    try:
        payload = b64decode(text_in(call.members, "payload") or "", validate=True)
    except ValueError:
        return invalid_argument()
    signature = b64encode(gate.account.signature_of(payload)).decode()
    return Json({"keyId": gate.account.key_id, "signedBlob": signature})


def sign_jwt(gate: Gatekeeper, call: Call) -> Answer:
    """A JWT of the claims in a JSON text."""
    try:
        claims: object = json.loads(text_in(call.members, "payload") or "")
    except (ValueError, RecursionError):
        return invalid_argument()
    if not isinstance(claims, dict):
        return invalid_argument()
    signed = gate.account.signed_jwt(cast("dict[str, Any]", claims))
    return Json({"keyId": gate.account.key_id, "signedJwt": signed})


Method = Callable[[Gatekeeper, Call], Answer]
_METHODS: Final[dict[str, Method]] = {
    "generateAccessToken": generate_access_token,
    "generateIdToken": generate_id_token,
    "signBlob": sign_blob,
    "signJwt": sign_jwt,
}


def _performed(method: Method, gate: Gatekeeper, call: Call) -> Answer:
    return _refusal(gate, call) or method(gate, call)


def _refusal(gate: Gatekeeper, call: Call) -> GoogleError | None:
    """Why the caller may not act as the account of the path."""
    rpc = f"google.iam.credentials.v1.IAMCredentials.{call.rpc[:1].upper()}{call.rpc[1:]}"
    verdict = gate.judge(presented_in(call.request), is_vertex=True, has_project=True)
    if verdict in (Verdict.NO_CREDENTIALS, Verdict.KEY_UNSUPPORTED):
        return google_error(credentials.no_principal(_SERVICE, rpc))
    if verdict is Verdict.TOKEN_EXPIRED:
        return google_error(credentials.expired_token(_SERVICE, rpc))
    if verdict is not Verdict.ADMITTED:
        return google_error(credentials.bad_token(_SERVICE, rpc))
    if _DENIED not in call.names["account"]:
        return None
    permission = _PERMISSIONS[call.rpc]
    message = f"Permission '{permission}' denied on resource (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", {"permission": permission})
    return GoogleError(403, message, (info,))


def routes(gate: Gatekeeper) -> tuple[Route, ...]:
    """The routes of one simulator; the methods look at the credentials themselves, in the words of their service."""
    return tuple(
        Route(
            "POST",
            f"projects/{{owner}}/serviceAccounts/{{account}}:{name}",
            partial(_performed, method, gate),
            "vertex",
            needs_credentials=False,
        )
        for name, method in _METHODS.items()
    )
