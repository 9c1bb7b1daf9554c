"""Configured endpoints, `pass_through_endpoints` of LiteLLM's: found by path, their query, and what heads go up. Pure.

Scheme, host and port are the configuration's; of the request's target only what follows the endpoint's path is used,
and that as it came (S-26, SEC-2).
"""

from typing import Final

from understudy.messages import RawHeaders
from understudy.pricing.cost import Cost, Part, estimated, line_of, unknown

from .query import KEY_PARAMETERS, parameters, without
from .refusals import Reason, Refusal
from .routes import Route, Upstream
from .settings import Endpoint, FixedHeaders, GatewayConfig

OF_THE_BODY: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-language", b"accept", b"accept-encoding", b"expect"}
)
"""What goes up even where an endpoint forwards no headers: without it body and answer could not be read."""

NEVER_FIXED: Final = frozenset(
    {
        *("host", "content-length", "expect", "connection", "keep-alive", "proxy-connection", "proxy-authenticate"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Fields that no endpoint may add: they belong to the connection."""

_PASS: Final = b"x-pass-"


def endpoint_route(config: GatewayConfig, method: str, path: bytes, query: bytes | None) -> Route | Refusal | None:
    """The route of the endpoint at this path, the longest if several fit; None if it is no endpoint's."""
    found = endpoint_at(config, path)
    if found is None:
        return None
    if found.methods is not None and method not in found.methods:
        return Refusal(Reason.METHOD_REFUSED, ", ".join(found.methods))
    rest = path[len(found.path) :]
    base = found.base.path.encode("ascii")
    target = base if not rest else base.rstrip(b"/") + rest
    left = _query(found, without(query, KEY_PARAMETERS))
    return Route(
        found.path.decode("ascii"),
        surface=None,
        method="",
        model=None,
        upstream=Upstream("pass_through", found.base.scheme, found.base.host, found.base.port, found.base.path),
        target=(target or b"/") if left is None else (target or b"/") + b"?" + left,
        credential=found.account,
        endpoint=found,
    )


def endpoint_at(config: GatewayConfig, path: bytes) -> Endpoint | None:
    """The endpoint with the longest path that this one is, or lies below (S-27)."""
    fitting = [
        one
        for one in config.endpoints
        if path == one.path or (one.includes_subpath and path.startswith(one.path + b"/"))
    ]
    return max(fitting, key=lambda one: len(one.path), default=None)


def _query(endpoint: Endpoint, asked: bytes | None) -> bytes | None:
    """The query for the target: the request's as it came, then what the endpoint adds and the request does not have.

    The target's own query stands only where there is no other, or where both are to be merged.
    """
    named = {one.name for one in parameters(asked)}
    pieces = [] if asked is None else [asked]
    if endpoint.merges_query or asked is None:
        own = [one for one in parameters(endpoint.query) if one.name not in named]
        named |= {one.name for one in own}
        pieces += [one.raw for one in own]
    pieces += [raw for name, raw in endpoint.default_query if name not in named]
    return b"&".join(piece for piece in pieces if piece) if any(pieces) else asked


def kept_headers(endpoint: Endpoint, received: RawHeaders) -> RawHeaders:
    """The client's fields for an endpoint: what it fixes itself is left out (S-24), and without `forward_headers`
    all but `x-pass-` ones and those that describe the body; `Connection` stays, for it names fields (S-25).
    """
    fixed = _fixed(endpoint)
    return tuple(
        field
        for field in received
        if (name := field[0].lower()).removeprefix(_PASS) not in fixed
        and (endpoint.forwards_headers or name in OF_THE_BODY or name == b"connection" or name.startswith(_PASS))
    )


def _fixed(endpoint: Endpoint) -> frozenset[bytes]:
    source = endpoint.account.source
    fields = source.fields if isinstance(source, FixedHeaders) else ()
    return frozenset(name.lower().encode("latin-1") for name, _ in fields)


def cost_at_endpoint(endpoint: Endpoint, status: int, *, is_whole: bool) -> Cost:
    """What a request that was sent cost: `cost_per_request`, nothing for an error, unknown where nobody says it.

    `status` is that of the answer, 0 if none came; an exchange that broke off is an estimate.
    """
    if status >= 400:
        return Cost()
    if endpoint.cost_per_request is None:
        return unknown("the endpoint has no cost_per_request")
    cost = Cost((line_of(Part.OTHER, "request", 1, "request", endpoint.cost_per_request),))
    return cost if is_whole else estimated(cost, "the exchange broke off; it may not have been executed")
