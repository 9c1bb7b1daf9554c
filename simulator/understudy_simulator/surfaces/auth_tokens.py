"""Ephemeral tokens, with which browsers open Live sessions: `POST v1alpha/auth_tokens` (wire-http 9, wire-live 1)."""

from functools import partial

from ..auth.ephemeral import EphemeralTokens
from ..call import Answer, Call, Json
from ..canonical import canonical_body
from ..google_errors import invalid_argument
from ..routing import Route


def create(tokens: EphemeralTokens, call: Call) -> Answer:
    """A new token, kept where Live sessions look for it; the answer is its name alone, which is the secret."""
    body = canonical_body(call, "AuthToken")
    token = tokens.create(f"auth_tokens/{call.identity.hex('auth token', 64)}", body, call.now)
    return invalid_argument(token) if isinstance(token, str) else Json({"name": token.name})


def routes(tokens: EphemeralTokens) -> tuple[Route, ...]:
    """The routes, for a simulator that keeps its tokens in `tokens`; v1alpha alone has them."""
    return (
        Route("POST", "auth_tokens", partial(create, tokens), "gemini", message="AuthToken", versions=("v1alpha",)),
    )
