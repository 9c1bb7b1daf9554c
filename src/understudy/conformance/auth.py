"""Checks of the credentials: the gateway key is taken where SDKs put it, and never reaches the provider. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from ..messages import Exchange, RawHeaders, Request, header_value
from ..surfaces import Surface
from .evidence import (
    answer,
    each_pair,
    exchanges,
    google_error_flaw,
    no_answer,
    one_pair,
    request_line,
    shown,
    status_of,
)
from .model import (
    JSON_HEADERS,
    NO_KEY,
    Ask,
    Asked,
    Carrier,
    Case,
    Check,
    Converse,
    Conversed,
    Finding,
    Key,
    Move,
    Probe,
)
from .probes import GEMINI_MODEL, GENERATE, HELLO, VERTEX, http_probe, live_probe

_LITELLM: Final = "seen on LiteLLM 1.109.1"
_LEAK: Final = "BerriAI/litellm#32202"
_VERTEX_GENERATE: Final = f"{VERTEX}{GEMINI_MODEL}:generateContent"
_FOREIGN: Final = b"ya29.a-token-of-another-place"
"""A credential that is no gateway key and must not be taken for the provider's either."""

_WRONG: Final = "sk-understudy-wrong-key-0000"
_CREDENTIAL_FIELDS: Final = (b"authorization", b"x-goog-api-key")
_CREDENTIAL_PARAMETERS: Final = frozenset({"key", "access_token", "oauth_token"})
_QUIET: Final = ({"receive": "any"}, {"receive": "close"})
"""A Live session in which nothing is said: the handshake is all that counts."""


# -- AUTH-1: where the key is taken


def _judge_accepted(case: Case) -> Iterator[Finding]:
    for pair in each_pair(case):
        if isinstance(pair, Finding):
            yield pair
        elif (got := pair[0].exchange.response) is None:
            yield no_answer(pair[0])
        elif got.status in (401, 403):
            yield Finding("The right gateway key was refused.", (f"answer: {status_of(pair[0])}",))


def _judge_session_accepted(case: Case) -> Iterator[Finding]:
    for one in case.conversed:
        if one.session.status != 101:
            evidence = (f"handshake: {_ended(one)}", *_refusal(one))
            yield Finding("A handshake with the right gateway key was refused.", evidence)


def _ended(one: Conversed) -> str:
    return shown(one.problem or f"HTTP {one.session.status}")


def _refusal(one: Conversed) -> tuple[str, ...]:
    return () if one.refusal is None else (f"body: {shown(one.refusal.body)}",)


def _carrier(slug: str, where: str, carrier: Carrier, surface: Surface = Surface.GEMINI, *values: str) -> Check:
    """A check that the key is taken from one carrier; `values` are the forms it is shown in (none: bare)."""
    path = _VERTEX_GENERATE if surface.is_vertex else GENERATE
    keys = [Key(carrier, value) for value in values] or [Key(carrier)]
    probe = http_probe(
        f"auth/{slug}", f"the key {where}", [Ask(path, body=HELLO, key=key) for key in keys], surface=surface
    )
    return Check(
        f"AUTH-1/{slug}",
        f"The gateway key is accepted {where}, where SDKs put theirs.",
        _judge_accepted,
        features=("keys",),
        reference=f"google-genai; {_LITELLM}",
        probes=(probe,),
    )


def _live_carrier(slug: str, where: str, carrier: Carrier, surface: Surface) -> Check:
    move = Converse((), key=Key(carrier))
    return Check(
        f"AUTH-1/{slug}",
        f"The gateway key is accepted {where} in the handshake of a Live session.",
        _judge_session_accepted,
        features=("keys",),
        reference=f"google-genai; {_LITELLM}",
        probes=(live_probe(f"auth/{slug}", f"the key {where} of a handshake", move, _QUIET, surface=surface),),
    )


_CARRIERS: Final = (
    _carrier("x-goog-api-key", "as `x-goog-api-key`", "x-goog-api-key"),
    _carrier("bearer", "as `Authorization: Bearer`", "bearer"),
    _carrier("query-key", "as the query parameter `key`", "query"),
    _carrier(
        "x-litellm-api-key",
        "as `x-litellm-api-key`, with and without `Bearer`",
        "x-litellm-api-key",
        Surface.GEMINI,
        "{{key}}",
        "Bearer {{key}}",
    ),
    _carrier("vertex-bearer", "as `Authorization: Bearer` on Vertex AI", "bearer", Surface.VERTEX),
    _carrier("vertex-x-goog-api-key", "as `x-goog-api-key` on Vertex AI", "x-goog-api-key", Surface.VERTEX),
    _live_carrier("live-x-goog-api-key", "as `x-goog-api-key`", "x-goog-api-key", Surface.GEMINI_LIVE),
    _live_carrier("live-bearer", "as `Authorization: Bearer`", "bearer", Surface.VERTEX_LIVE),
    _live_carrier("vertex-live-x-goog-api-key", "as `x-goog-api-key`", "x-goog-api-key", Surface.VERTEX_LIVE),
)


# -- AUTH-2: what is refused, and how

_MISSING: Final = http_probe("auth/missing-key", "no key at all", Ask(GENERATE, body=HELLO, key=NO_KEY))
_WRONG_KEYS: Final = http_probe(
    "auth/wrong-key",
    "keys that are none",
    [
        Ask(GENERATE, body=HELLO, key=Key("own", _WRONG)),
        Ask(GENERATE, body=HELLO, key=Key("x-goog-api-key", "")),
        Ask(GENERATE, body=HELLO, key=Key("bearer", "  ")),
        Ask(GENERATE, body=HELLO, key=Key("own", "{{key}}x")),
    ],
)


def _judge_refused(case: Case) -> Iterator[Finding]:
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif got.status != 401:
            evidence = (f"key shown: {_form(asked)}", f"answer: {status_of(asked)}")
            yield Finding("A request without a valid gateway key was not answered with 401.", evidence)


def _form(asked: Asked) -> str:
    """Which key was shown, without showing it."""
    if asked.ask.key.carrier == "none":
        return "none"
    value = asked.ask.key.value or ""
    return "empty" if not value.strip() else "a wrong one"


def _judge_google_shape(case: Case) -> Iterator[Finding]:
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif got.status >= 400 and (flaw := google_error_flaw(got.body, got.status)):
            yield Finding("The refusal is not in Google's error shape.", (flaw, f"body: {shown(got.body)}"))


def _judge_challenge(case: Case) -> Iterator[Finding]:
    for asked in case.asked:
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif got.status == 401 and not (header_value(got.headers, b"www-authenticate") or b"").startswith(b"Bearer"):
            yield Finding("The 401 has no `WWW-Authenticate: Bearer`.", (f"answer: {status_of(asked)}",))


def _judge_nothing_sent(case: Case) -> Iterator[Finding]:
    for exchange in exchanges(case):
        yield Finding("A request without a valid key reached the provider.", (request_line(exchange.request),))


_REFUSALS: Final = (
    Check(
        "AUTH-2/missing-key",
        "A request without a gateway key is answered with 401.",
        _judge_refused,
        features=("keys",),
        reference=f"RFC 9110 15.5.2; {_LITELLM}",
        probes=(_MISSING,),
    ),
    Check(
        "AUTH-2/wrong-key",
        "A request with a wrong, empty or blank key is answered with 401.",
        _judge_refused,
        features=("keys",),
        reference=f"RFC 9110 15.5.2; {_LITELLM}",
        probes=(_WRONG_KEYS,),
    ),
    Check(
        "AUTH-2/google-shaped",
        "The refusal of a key is in Google's error shape, so that SDKs raise their typed error.",
        _judge_google_shape,
        features=("keys",),
        reference="google.rpc.Status (AIP-193)",
        probes=(_MISSING, _WRONG_KEYS),
    ),
    Check(
        "AUTH-2/www-authenticate",
        "The 401 for a missing or wrong key says `WWW-Authenticate: Bearer`.",
        _judge_challenge,
        features=("keys",),
        reference="RFC 9110 11.6.1",
        probes=(_MISSING, _WRONG_KEYS),
    ),
    Check(
        "AUTH-2/nothing-sent-upstream",
        "Nothing is sent to the provider for a request without a valid key.",
        _judge_nothing_sent,
        features=("keys",),
        reference="RFC 9110 11.6.1",
        probes=(_MISSING, _WRONG_KEYS),
    ),
)


# -- AUTH-4 to AUTH-6: other credentials, leaks


def _with_field(name: str, value: bytes) -> RawHeaders:
    return (*JSON_HEADERS, (name.encode(), value))


def _judge_foreign(case: Case) -> Iterator[Finding]:
    """The first request shows the key and a foreign credential, the others nothing but a foreign credential."""
    for number, asked in enumerate(case.asked):
        got = answer(asked)
        if isinstance(got, Finding):
            yield got
        elif number == 0 and got.status in (400, 401, 403):
            evidence = (f"answer: {status_of(asked)}", f"body: {shown(got.body)}")
            yield Finding("A foreign credential beside the gateway key made the gateway refuse the request.", evidence)
        elif number and got.status < 400:
            yield Finding("A foreign credential was taken for a gateway key.", (f"answer: {status_of(asked)}",))
    for exchange in exchanges(case):
        if _FOREIGN in exchange.request.head:
            yield Finding("The foreign credential was sent to the provider.", (request_line(exchange.request),))


_SECRET_CARRIERS: Final = ("api-key", "x-api-key", "ocp-apim-subscription-key")
"""Fields in which some clients send their key a second time."""


def _leaking_moves() -> Sequence[Move]:
    """The key in each carrier that a gateway may read, and beside it in each that others read."""
    copies = [
        Ask(GENERATE, body=HELLO, headers=_with_field(name, b"{{key}}"), key=key)
        for name in _SECRET_CARRIERS
        for key in (Key("own"),)
    ]
    carriers: Sequence[Carrier] = ("x-goog-api-key", "bearer", "x-litellm-api-key", "query")
    alone = [Ask(GENERATE, body=HELLO, key=Key(carrier)) for carrier in carriers]
    both = Ask(GENERATE, query="key={{key}}", body=HELLO, headers=_with_field("Authorization", b"Bearer {{key}}"))
    return (*alone, *copies, both)


def _judge_leak(case: Case) -> Iterator[Finding]:
    key = case.target.key
    secret = key.reveal().encode() if key is not None else b""
    if not secret:
        return
    seen = (*case.upstream.exchanges, *case.elsewhere.exchanges)
    if not exchanges(case):
        yield Finding("None of the requests reached the provider.", tuple(_statuses(case.asked)))
    for exchange in seen:
        yield from _leaks(exchange.request, secret)


def _statuses(asked: Iterable[Asked]) -> Iterator[str]:
    return (f"answer {number}: {status_of(one)}" for number, one in enumerate(asked))


def _judge_live_leak(case: Case) -> Iterator[Finding]:
    key = case.target.key
    secret = key.reveal().encode() if key is not None else b""
    if not secret:
        return
    if not case.upstream.sessions:
        said = tuple(f"handshake: {_ended(one)}" for one in case.conversed)
        yield Finding("None of the handshakes reached the provider.", said)
    for session in (*case.upstream.sessions, *case.elsewhere.sessions):
        yield from _leaks(session.request, secret)


def _leaks(request: Request, secret: bytes) -> Iterator[Finding]:
    """Where the secret stands in a request: as it is, percent-encoded, or in base64."""
    forms = (secret, b64encode(secret).rstrip(b"="))
    if any(form in text for form in forms for text in (request.target.encode("latin-1"), _decoded(request.target))):
        yield Finding("The gateway key reached the provider in the URL.", (f"path: {shown(request.path)}",))
    for name, value in request.headers:
        if any(form in text for form in forms for text in (value, unquote_to_bytes(value), name)):
            yield Finding("The gateway key reached the provider in a header field.", (f"field: {shown(name)}",))
    if secret in request.body:
        yield Finding("The gateway key reached the provider in the body.", (request_line(request),))


def _decoded(target: str) -> bytes:
    return unquote_to_bytes(target.encode("latin-1"))


def _judge_one_credential(case: Case) -> Iterator[Finding]:
    pair = one_pair(case)
    if isinstance(pair, Finding):
        yield pair
        return
    fields = _credential_fields(pair[1])
    if len(fields) != 1:
        found = f"found: {', '.join(fields) or 'none'}"
        yield Finding("The provider did not get exactly one credential.", (found,))
    if any(_FOREIGN in value for _, value in pair[1].request.headers):
        yield Finding("The client's own Authorization took the place of the provider's credential.")


def _credential_fields(exchange: Exchange) -> list[str]:
    """Where credentials stand, by name; the values are secrets."""
    request = exchange.request
    fields = [name.decode("latin-1") for name, _ in request.headers if name.lower() in _CREDENTIAL_FIELDS]
    parameters = [name for name, _ in parse_qsl(request.query, keep_blank_values=True)]
    return [*fields, *(f"?{name}=" for name in parameters if name.lower() in _CREDENTIAL_PARAMETERS)]


def _mixed(id: str, path: str, carrier: Carrier, name: str, surface: Surface) -> Probe:
    ask = Ask(path, body=HELLO, headers=_with_field(name, b"Bearer " + _FOREIGN), key=Key(carrier))
    return http_probe(f"auth/one-credential-{id}", f"a client's own {name}", ask, surface=surface)


def _live_copies(id: str, surface: Surface) -> Probe:
    moves = [Converse((), headers=((name.encode(), b"{{key}}"),)) for name in _SECRET_CARRIERS]
    return live_probe(f"auth/no-leaked-key-{id}", "the key in a handshake", moves, _QUIET, surface=surface)


_CREDENTIALS: Final = (
    Check(
        "AUTH-4/foreign-credential-neither-helps-nor-harms",
        "A credential that is no gateway key neither admits a request nor spoils one with a key, and goes no further.",
        _judge_foreign,
        features=("keys",),
        reference="google-genai files.register_files sends a Google token beside the key",
        probes=(
            http_probe(
                "auth/foreign-credential",
                "a Google token beside the key, and alone",
                [
                    Ask(
                        GENERATE,
                        body=HELLO,
                        headers=_with_field("Authorization", b"Bearer " + _FOREIGN),
                        key=Key("x-goog-api-key"),
                    ),
                    Ask(GENERATE, body=HELLO, key=Key("bearer", _FOREIGN.decode())),
                    Ask(GENERATE, body=HELLO, key=Key("x-goog-api-key", _FOREIGN.decode())),
                ],
            ),
        ),
    ),
    Check(
        "AUTH-5/no-leaked-key",
        "The gateway key never reaches the provider, in whatever field or parameter the client shows it.",
        _judge_leak,
        features=("keys",),
        reference=f"{_LEAK}; BerriAI/litellm#38114",
        probes=(http_probe("auth/no-leaked-key", "the key in every carrier", _leaking_moves()),),
    ),
    Check(
        "AUTH-5/no-leaked-key-live",
        "The gateway key never reaches the provider in the handshake of a Live session.",
        _judge_live_leak,
        features=("keys",),
        reference=_LEAK,
        probes=(
            _live_copies("gemini-live", Surface.GEMINI_LIVE),
            _live_copies("vertex-live", Surface.VERTEX_LIVE),
        ),
    ),
    Check(
        "AUTH-6/one-credential",
        "The provider gets exactly one credential, also if the client sends an Authorization field of its own.",
        _judge_one_credential,
        features=("keys",),
        reference="RFC 9110 11.6.2; mlflow/mlflow#25108",
        probes=(
            _mixed("gemini", GENERATE, "x-goog-api-key", "authorization", Surface.GEMINI),
            _mixed("gemini-mixed", GENERATE, "x-goog-api-key", "AuthoriZation", Surface.GEMINI),
            _mixed("vertex", _VERTEX_GENERATE, "x-litellm-api-key", "authorization", Surface.VERTEX),
        ),
    ),
)

CHECKS: Final[tuple[Check, ...]] = (*_CARRIERS, *_REFUSALS, *_CREDENTIALS)
