"""Rules about connections, credentials and redirects. Pure."""

from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Hashable, Iterator
from itertools import chain
from typing import Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from ..messages import Exchange, header_value
from ..redaction import redacted_target
from .endings import TOKENS, UNDER_WAY
from .model import NAMED, Finding, Rule, shown_s
from .reading import json_of, text
from .seen import Seen

CONNECTIONS: Final = 10
"""So many requests, one after the other and each on a connection of its own."""

PAUSE_S: Final = 1.0
"""After a longer pause a client may have closed its connection; the usual limits are 5 s and more."""

TOKEN_COUNT: Final = 10
"""So many tokens within `TOKENS_S`, none of which is used twice."""

TOKENS_S: Final = 60.0

FOLLOW_S: Final = 5.0
"""How long a client may take to follow a redirect."""

_IN_QUERY: Final = ("key", "access_token", "oauth_token")
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OK: Final = 200


def _key_in_query(seen: Seen) -> Iterator[Finding]:
    # A web page can open a WebSocket in no other way, so sessions are left out.
    shown = [exchange for exchange in seen.calls if _has_key(exchange.request.query)]
    if shown:
        target = redacted_target(shown[0].request.target)
        why = f"{len(shown)} of {len(seen.calls)} requests, the first {shown[0].request.method} {target}"
        yield Finding(why, tuple(exchange.id for exchange in shown[:NAMED]))


def _has_key(query: str) -> bool:
    return any(unquote_plus(field.partition("=")[0]) in _IN_QUERY for field in query.split("&") if "=" in field)


def _connection_per_request(seen: Seen) -> Iterator[Finding]:
    longest = max(_lonely_runs(seen), key=len)
    if len(longest) >= CONNECTIONS:
        took = shown_s(longest[-1].ended - longest[0].started)
        why = f"{len(longest)} requests in {took}, one after the other, on {len(longest)} connections"
        yield Finding(why, tuple(exchange.id for exchange in longest[:NAMED]))


def _lonely_runs(seen: Seen) -> Iterator[list[Exchange]]:
    """Requests of one client that follow one another, each alone on its connection."""
    used = seen.whole.on_connection
    calls: defaultdict[Hashable, list[Exchange]] = defaultdict(list)
    for exchange in seen.calls:
        calls[_who(exchange)].append(exchange)
    run: list[Exchange] = []
    for exchange in chain.from_iterable(calls.values()):
        is_lonely = _could_have_stayed(exchange) and used[exchange.connection] == 1
        if run and not (is_lonely and _follows(exchange, run[-1])):
            yield run
            run = []
        if is_lonely:
            run.append(exchange)
    yield run


def _follows(exchange: Exchange, other: Exchange) -> bool:
    return _who(exchange) == _who(other) and 0 <= exchange.started - other.ended <= PAUSE_S


def _could_have_stayed(exchange: Exchange) -> bool:
    """Whether another request could have come on the same connection, as far as it was up to the simulator."""
    response = exchange.response
    if not exchange.connection or response is None or exchange.failure is not None:
        return False
    asked = header_value(exchange.request.headers, b"connection") or b""
    told = header_value(response.headers, b"connection") or b""
    return b"close" not in told.lower() or b"close" in asked.lower()


def _who(exchange: Exchange) -> Hashable:
    names = (b"user-agent", b"authorization", b"x-goog-api-key")
    return tuple(header_value(exchange.request.headers, name) for name in names)


# ---- access tokens


def _token_refreshed_too_often(seen: Seen) -> Iterator[Finding]:
    issued: defaultdict[Hashable, list[tuple[Exchange, bytes]]] = defaultdict(list)
    for exchange in seen.exchanges:
        token = _token(exchange)
        if token:
            issued[_grantee(exchange)].append((exchange, token))
    if all(len(tokens) < TOKEN_COUNT for tokens in issued.values()):
        return
    uses = seen.whole.authorizations
    for tokens in issued.values():
        many = _dense([exchange for exchange, token in tokens if uses.get(b"Bearer " + token, 0) <= 1])
        if many:
            took = shown_s(many[-1].started - many[0].started)
            why = f"{len(many)} access tokens in {took}, and none was used twice; each is good for an hour"
            yield Finding(why, tuple(exchange.id for exchange in many[:NAMED]))


def _token(exchange: Exchange) -> bytes:
    """The access token that an exchange gave, empty if it gave none."""
    response = exchange.response
    if exchange.origin.surface != TOKENS or exchange.request.method != "POST":
        return b""
    if response is None or response.status != _OK:
        return b""
    return text(json_of(response.body), "access_token").encode()


def _grantee(exchange: Exchange) -> Hashable:
    """Who asks for a token: of a signed assertion what it says of itself, without its times."""
    form = dict(parse_qsl(exchange.request.body.decode("latin-1")))
    claims = form.pop("assertion", "").split(".")
    try:
        said = json_of(urlsafe_b64decode(claims[1] + "==")) if len(claims) > 1 else None
    except ValueError:
        said = None
    names = ("iss", "sub", "scope", "target_audience")
    agent = header_value(exchange.request.headers, b"user-agent")
    return (exchange.request.target, agent, *sorted(form.items()), *(text(said, name) for name in names))


def _dense(exchanges: list[Exchange]) -> list[Exchange]:
    """The first TOKEN_COUNT exchanges or more that began within TOKENS_S; none if they are fewer."""
    for first in range(len(exchanges) - TOKEN_COUNT + 1):
        begin = exchanges[first].started
        if exchanges[first + TOKEN_COUNT - 1].started - begin <= TOKENS_S:
            return [one for one in exchanges[first:] if one.started - begin <= TOKENS_S]
    return []


# ---- redirects


def _path_of(location: str) -> str:
    """The path of a Location; empty if it is no URL."""
    try:
        return urlsplit(location).path
    except ValueError:
        return ""


def _redirect_not_followed(seen: Seen) -> Iterator[Finding]:
    for exchange in seen.calls:
        response = exchange.response
        if response is None or response.status not in _REDIRECTS or exchange.failure == UNDER_WAY:
            continue
        location = (header_value(response.headers, b"location") or b"").decode("latin-1")
        path = _path_of(location)
        if not path or seen.now - exchange.ended < FOLLOW_S:
            continue
        if not _was_followed(seen, exchange, path):
            where = f"{exchange.request.method} {redacted_target(exchange.request.target)}"
            yield Finding(
                f"nobody came to {redacted_target(path)}, where HTTP {response.status} led: {where}", (exchange.id,)
            )


def _was_followed(seen: Seen, exchange: Exchange, path: str) -> bool:
    """Whether a request for that path came after the one that was led there."""
    # A scope in the path was taken off before the target was written down: any end of it will do.
    ends = [path[at:] for at, char in enumerate(path) if char == "/"]
    came = chain.from_iterable(seen.whole.arrivals.get(end, ())[-2:] for end in ends)
    return any(started >= exchange.started and number != exchange.id for started, number in came)


RULES: Final = (
    Rule(
        "key_in_query",
        "warned",
        "It shows its key in the URL, where logs keep it.",
        "`key`, `access_token` or `oauth_token` in the query of an HTTP request; one verdict for all of them."
        " Handshakes of Live sessions are left out: web pages have no other way.",
        "RFC 9110 17.9; Google's clients use `x-goog-api-key`",
        _key_in_query,
    ),
    Rule(
        "connection_per_request",
        "warned",
        "It opens a new connection for each request.",
        "10 requests of one client, each within 1 s after the end of the one before it, each on a connection that"
        " nothing else came on, although the simulator kept them open.",
        "RFC 9112 9.3",
        _connection_per_request,
    ),
    Rule(
        "token_refreshed_too_often",
        "warned",
        "It fetches an access token again while it has a good one.",
        "10 tokens for one credential within 60 s, none of which was shown more than once.",
        "RFC 6749 5.1 `expires_in`; google-auth refreshes shortly before the end",
        _token_refreshed_too_often,
    ),
    Rule(
        "redirect_not_followed",
        "warned",
        "It did not go where a redirect led.",
        "5 s after a 301, 302, 303, 307 or 308 nobody has asked for what its `Location` names.",
        "RFC 9110 15.4; wire-http 6.4: downloads",
        _redirect_not_followed,
    ),
)
