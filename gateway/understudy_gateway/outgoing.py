"""Which of a client's fields go up on a route at all, before each is judged: endpoints, who pays, compression. Pure."""

from collections.abc import Collection
from typing import Final

from understudy.messages import RawHeaders

from .endpoints import kept_headers
from .headers import for_upstream
from .keys import Caller
from .refusals import Refusal
from .routes import Route
from .settings import GatewayConfig

PAYERS: Final = (b"x-goog-user-project", b"x-pass-x-goog-user-project")
"""Fields by which a client names the project that pays (S-5)."""


class Outgoing:
    """Makes the heads of HTTP requests to providers; what is not configured costs a look at the route.

    By default the client's own `x-goog-user-project` passes; where one is pinned, no client's does.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self._key_header = config.key_header.encode("latin-1") if config.key_header else None
        self._passes_clients_own = config.client_credentials
        self._payer = payer_of(config)

    def fields(
        self, route: Route, received: RawHeaders, credential: RawHeaders, caller: Caller
    ) -> RawHeaders | Refusal:
        """The head for the provider without Host and framing, or why there is none."""
        keeps_google, endpoint = not credential, route.endpoint
        if endpoint is not None:
            received = kept_headers(endpoint, received)
            keeps_google = keeps_google and self._passes_clients_own and endpoint.forwards_headers
        elif self._payer:
            received, credential = without_fields(received, PAYERS), (*self._payer, *credential)
        if route.may_rewrite:  # what is compressed could not be read
            received = without_fields(received, (b"accept-encoding",))
        return for_upstream(
            received, credential, key=caller.presented, key_header=self._key_header, keeps_google=keeps_google
        )


def payer_of(config: GatewayConfig) -> RawHeaders:
    """The field that goes up with every request to Google; none where nobody is pinned."""
    project = config.reach.user_project
    return () if project is None else ((b"x-goog-user-project", project.encode("ascii")),)


def without_fields(headers: RawHeaders, names: Collection[bytes]) -> RawHeaders:
    """The fields but those with one of these names (lower case)."""
    return tuple(field for field in headers if field[0].lower() not in names)
