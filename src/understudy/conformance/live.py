"""Checks of Live sessions: routes, handshake and headers; joins them with those of messages and closes (WS)."""

from collections.abc import Iterator
from typing import Final

from ..messages import RawHeaders, Session, header_values
from ..scenario.model import Reply, Scenario
from ..surfaces import Surface
from . import live_closes, live_messages
from .evidence import differing, shown, shown_values
from .model import Case, Check, Converse, Conversed, Finding, Key, Probe
from .probes import Document, live_probe
from .sessions import (
    GOODBYE,
    NOT_BEGUN,
    OPENED,
    OPENING,
    SWITCHED,
    TURN_END,
    UNTIL_CLOSED,
    ended,
    said,
    same_both_ways,
    sessionwise,
)

_GEMINI: Final = "/ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
_VERTEX: Final = "/ws/google.cloud.aiplatform.{}.LlmBidiService/BidiGenerateContent"
_SHORT_ROUTES: Final = ("/vertex_ai/live", "/v1/vertex-ai/live", "/vertex-ai/live")
_KEY_SUBPROTOCOL: Final = b"openai-insecure-api-key"

_TALK: Final = (*OPENING, said({"clientContent": {"turnComplete": True}}), TURN_END, GOODBYE)
_ANSWER: Final[tuple[Document, ...]] = (
    *OPENED,
    {"receive": {"json": {"clientContent": {"turnComplete": True}}}},
    {"send": {"json": {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": "Good day. "}]}}}}},
    {"send": {"json": {"serverContent": {"turnComplete": True}}}},
    UNTIL_CLOSED,
)
"""A session of one turn, both sides."""

_HEADERS: Final[RawHeaders] = (
    (b"x-goog-user-project", b"billing-project"),
    (b"x-goog-api-client", b"google-genai-sdk/1.56.0 gl-python/3.11.9"),
    (b"x-goog-request-params", b"location=us-central1&x=a%20b"),
    (b"User-Agent", b"google-genai-sdk/1.56.0"),
    (b"Accept-Language", b"de-AT, de;q=0.7"),
    (b"X-Whatever", b"first"),
    (b"X-Whatever", b"second"),
)
_HEADER_NAMES: Final = tuple(dict.fromkeys(name.lower() for name, _ in _HEADERS))

_GEMINI_PATHS: Final = live_probe(
    "ws/gemini-path",
    "Sessions on the paths of the SDKs for the Gemini API",
    tuple(Converse(_TALK, path=_GEMINI.format(version)) for version in ("v1beta", "v1alpha", "v1")),
    _ANSWER,
    surface=Surface.GEMINI_LIVE,
)
_VERTEX_PATHS: Final = live_probe(
    "ws/vertex-path",
    "Sessions on the paths of the SDKs for Vertex AI",
    tuple(Converse(_TALK, path=_VERTEX.format(version)) for version in ("v1beta1", "v1")),
    _ANSWER,
)
_DOUBLE_SLASH: Final = live_probe(
    "ws/double-slash",
    "A session on the path that the JavaScript SDK makes of a base URL with a slash at its end",
    Converse(_TALK, path="/" + _GEMINI.format("v1beta")),
    _ANSWER,
    surface=Surface.GEMINI_LIVE,
)
_SHORT: Final = live_probe(
    "ws/short-route",
    "Sessions on the short routes",
    tuple(Converse(_TALK, path=route, is_whole=True) for route in _SHORT_ROUTES),
    _ANSWER,
)
_SHORT_QUERY: Final = live_probe(
    "ws/short-route-query",
    "The gateway's own query parameters on a short route",
    Converse(
        _TALK,
        path=_SHORT_ROUTES[0],
        is_whole=True,
        query="vertex_project={{project}}&vertex_location={{location}}&model=gemini-live-2.5-flash",
    ),
    _ANSWER,
)


def _refusing(status: int, code: str) -> Probe:
    """The provider refuses the handshake itself, before there is a session."""
    return live_probe(
        f"ws/refused-{status}",
        f"The provider refuses the handshake with {status}",
        Converse(_TALK),
        [{"reply": {"status": status, "rpc_status": {"code": code, "message": "Not on this line."}}}],
        match={"path": "*", "model": "*"},
    )


_REFUSED: Final = (
    _refusing(403, "PERMISSION_DENIED"),
    _refusing(404, "NOT_FOUND"),
    _refusing(429, "RESOURCE_EXHAUSTED"),
)
_SUBPROTOCOL: Final = live_probe(
    "ws/key-subprotocol",
    "A browser shows the gateway key as a subprotocol",
    Converse(_TALK, key=Key("subprotocol")),
    _ANSWER,
)
_DEFLATE: Final = live_probe(
    "ws/deflate", "The client offers permessage-deflate", Converse(_TALK, offers_deflate=True), _ANSWER
)
_WITH_HEADERS: Final = live_probe(
    "ws/headers", "A handshake with the headers of Google's SDKs", Converse(_TALK, headers=_HEADERS), _ANSWER
)
_FROM_A_PAGE: Final = live_probe(
    "ws/from-a-page",
    "A handshake with what a browser adds to it",
    Converse(_TALK, headers=((b"Origin", b"https://app.example"), (b"Cookie", b"sid=secret-1; theme=dark"))),
    _ANSWER,
)


def _went_well(one: Conversed) -> Iterator[Finding]:
    if one.problem is not None:
        yield Finding("The session did not go as it should.", (one.problem, ended(one)))


def _on_path(one: Conversed, session: Session) -> Iterator[Finding]:
    yield from _went_well(one)
    wanted = one.converse.path or ""
    if session.request.path != wanted:
        evidence = (f"wanted: {shown(wanted)}", f"found: {shown(session.request.path)}")
        yield Finding("The provider was asked on another path.", evidence)


def _on_vertex(one: Conversed, session: Session) -> Iterator[Finding]:
    yield from _went_well(one)
    wanted = [_VERTEX.format(version) for version in ("v1beta1", "v1")]
    if session.request.path not in wanted:
        evidence = (f"wanted: {wanted[0]}", f"found: {shown(session.request.path)}")
        yield Finding("A short route did not lead to the path of Vertex AI.", evidence)


def _query_ends_here(one: Conversed, session: Session) -> Iterator[Finding]:
    yield from _went_well(one)
    if session.request.query:
        evidence = (f"found: {shown(session.request.query)}",)
        yield Finding("The gateway's own query parameters reached the provider, which refuses them.", evidence)


def _refused_alike(case: Case) -> Iterator[Finding]:
    given = case.probe.scenario.server[0]
    assert isinstance(given, Reply)
    body = given.payload.fill({})
    if not case.conversed:
        yield NOT_BEGUN
    for one in case.conversed:
        close = one.session.close
        if one.session.status == SWITCHED:
            # Who accepts first may close with 1011 and a reason that carries the status (WS-4).
            if close is None or close.code != 1011 or str(given.status) not in close.reason:
                evidence = (f"provider: HTTP {given.status}", f"client: HTTP 101, then {ended(one)}")
                yield Finding("The provider's refusal of the handshake was not passed on.", evidence)
        elif one.session.status != given.status:
            evidence = (f"provider: HTTP {given.status}", f"client: {ended(one)}")
            yield Finding("The provider's refusal came with another status.", evidence)
        elif one.refusal is None or one.refusal.body != body:
            found = one.refusal.body if one.refusal is not None else b""
            yield Finding("The body of the provider's refusal was changed.", differing(body, found))


def _key_stays(one: Conversed, session: Session) -> Iterator[Finding]:
    offered = header_values(session.request.headers, b"sec-websocket-protocol")
    if any(_KEY_SUBPROTOCOL in value for value in offered):
        yield Finding("The subprotocol with the gateway key reached the provider.")
    if _KEY_SUBPROTOCOL.decode() in (one.subprotocol or ""):
        yield Finding("The gateway chose the subprotocol with the key, which repeats the key in its answer.")


def _deflated(one: Conversed, session: Session) -> Iterator[Finding]:
    yield from _went_well(one)
    yield from same_both_ways(one, session)


def _headers_pass(one: Conversed, session: Session) -> Iterator[Finding]:
    for name in _HEADER_NAMES:
        sent, came = (header_values(side, name) for side in (one.converse.headers, session.request.headers))
        if sent != came:
            evidence = (f"sent: {shown_values(sent)}", f"came: {shown_values(came)}")
            yield Finding(f"The header {name.decode()} of a handshake did not pass unchanged.", evidence)


def _page_stays(one: Conversed, session: Session) -> Iterator[Finding]:
    for name in (b"origin", b"cookie"):
        if header_values(session.request.headers, name):
            yield Finding(f"The header {name.decode()} of a browser reached the provider.")


def _is_refused_live(scenario: Scenario) -> bool:
    return scenario.surface.is_live and scenario.expect.close is not None


def _closes_as_expected(case: Case) -> Iterator[Finding]:
    wanted = case.probe.scenario.expect.close
    if not case.conversed:
        yield NOT_BEGUN
    for one in case.conversed:
        close = one.session.close
        if one.session.status != SWITCHED or close is None or close.code != wanted:
            yield Finding(
                "The session did not end with the close code of the scenario.", (f"wanted: {wanted}", ended(one))
            )


CHECKS: Final = (
    Check(
        "WS-1/gemini-path",
        "Sessions can be held on the paths that Google's SDKs build for the Gemini API.",
        sessionwise(_on_path),
        reference="ai.google.dev/api/live",
        probes=(_GEMINI_PATHS,),
    ),
    Check(
        "WS-1/vertex-path",
        "Sessions can be held on the paths that Google's SDKs build for Vertex AI.",
        sessionwise(_on_path),
        reference="cloud.google.com/vertex-ai Live API",
        probes=(_VERTEX_PATHS,),
    ),
    Check(
        "WS-1/short-route",
        "The short routes lead to Live sessions of Vertex AI.",
        sessionwise(_on_vertex),
        features=("live-routes",),
        reference="docs.litellm.ai/docs/pass_through/vertex_ai_live_websocket",
        probes=(_SHORT,),
    ),
    Check(
        "WS-1/double-slash",
        "A path that begins with two slashes is recognised and forwarded as it came.",
        sessionwise(_on_path),
        reference="googleapis/js-genai",
        probes=(_DOUBLE_SLASH,),
    ),
    Check(
        "WS-2/query-ends-here",
        "Project, location and model in the query of a short route end at the gateway: Google refuses unknown fields.",
        sessionwise(_query_ends_here),
        features=("live-routes",),
        reference="docs.litellm.ai/docs/pass_through/vertex_ai_live_websocket",
        probes=(_SHORT_QUERY,),
    ),
    Check(
        "WS-4/refusal-status",
        "A handshake that the provider refuses is refused with its status and body (or, accepted already, closed with "
        "1011 and a reason that has the status).",
        _refused_alike,
        reference="RFC 6455 4.1",
        probes=_REFUSED,
    ),
    *live_messages.CHECKS,
    *live_closes.CHECKS,
    Check(
        "WS-8/library-closes",
        "Sessions of the library that the provider closes end at the client with its code.",
        _closes_as_expected,
        reference="RFC 6455 7.4",
        fits=_is_refused_live,
    ),
    Check(
        "WS-11/subprotocol-of-the-key",
        "A key that a browser shows as a subprotocol is neither forwarded nor selected.",
        sessionwise(_key_stays),
        features=("keys",),
        reference="RFC 6455 4.2.2; platform.openai.com/docs/guides/realtime-websocket",
        probes=(_SUBPROTOCOL,),
    ),
    Check(
        "WS-11/deflate-offer-not-refused",
        "A client that offers permessage-deflate is served, and what arrives is right.",
        sessionwise(_deflated),
        reference="RFC 7692 5",
        probes=(_DEFLATE,),
    ),
    Check(
        "WS-16/headers",
        "The header fields of a handshake pass unchanged, those of Google's SDKs and any other.",
        sessionwise(_headers_pass),
        reference="RFC 9110 5.3, 7.7",
        probes=(_WITH_HEADERS,),
    ),
    Check(
        "WS-16/origin-and-cookie-end-here",
        "Origin and Cookie are meant for the gateway and end there.",
        sessionwise(_page_stays),
        features=("relay", "keys"),
        reference="RFC 6455 10.2",
        probes=(_FROM_A_PAGE,),
    ),
)
