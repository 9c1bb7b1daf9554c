"""The credentials in a request, as Google looks for them (wire-http 11.1, wire-live 1). Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from understudy.messages import RawHeaders, Request
from understudy.secret import Secret

EPHEMERAL_PREFIX: Final = "auth_tokens/"
"""How the names of ephemeral tokens begin, which stand where keys and tokens do."""

_OPENAI_PATH: Final = "/openai/"
_NAMES: Final = frozenset({b"x-goog-api-key", b"authorization", b"x-goog-user-project"})
_LENGTHS: Final = frozenset(map(len, _NAMES))
_ACCESS_TOKEN: Final = ("ya29.", "eyJ")
"""How access tokens and JWTs begin; no API key does."""


@dataclass(frozen=True, slots=True)
class Presented:
    """The API key, the access token, and the project that is to pay; None and empty where there is none.

    `ephemeral` is the name of an ephemeral token; it is then neither key nor token.
    """

    key: Secret | None = None
    token: Secret | None = None
    user_project: str = ""
    ephemeral: Secret | None = None


def presented_in(request: Request) -> Presented:
    """The credentials of a request: `x-goog-api-key` or `?key=`; `Authorization` or `?access_token=` (wire-http 11.1).

    An `Authorization` that is not `Bearer` counts as a token too: Google evaluates it and refuses. On the
    OpenAI-compatible paths of the Gemini API the bearer is the API key, unless it is an access token by its looks.
    """
    query = dict(parse_qsl(request.query, keep_blank_values=True, encoding="latin-1")) if request.query else {}
    fields = _fields(request.headers)
    key = fields.get(b"x-goog-api-key") or query.get("key") or None
    authorization = fields.get(b"authorization")
    if authorization is not None:
        token = _token_of(authorization)
    else:
        token = query.get("access_token", query.get("oauth_token"))
    if token and key is None and not token.startswith(_ACCESS_TOKEN) and _OPENAI_PATH in request.path:
        key, token = token, None
    user_project = fields.get(b"x-goog-user-project", "")
    for text in (token, key):
        if text is not None and text.startswith(EPHEMERAL_PREFIX):
            return Presented(user_project=user_project, ephemeral=Secret(text))
    return Presented(Secret(key) if key else None, None if token is None else Secret(token), user_project)


def _fields(headers: RawHeaders) -> dict[bytes, str]:
    """The first value of each field that has to do with credentials, in one pass: every request comes through here."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if len(name) in _LENGTHS:
            lower = name.lower()
            if lower in _NAMES:
                found.setdefault(lower, value.decode("latin-1"))
    return found


def _token_of(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    is_token = scheme.lower() == "bearer" or (scheme.lower() == "token" and value.startswith(EPHEMERAL_PREFIX))
    return value if is_token else authorization
