"""Plays the client's side of a probe against the gateway's URL and writes down what the client saw."""

import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import quote, urlsplit

from ..errors import ConfigError
from ..messages import Exchange, Origin, RawHeaders, Request, Response
from ..scenario.json_subset import decode_json
from ..scenario.model import Call, ClientStep, Download, Poll, Start
from ..surfaces import Surface
from .http_client import Address, Heard, exchange, head_of
from .live_client import converse
from .model import Ask, Asked, Converse, Conversed, Key, Probe
from .played_time import session_limit_s
from .target import Target

ScopeCarrier = Literal["header", "path"]

SCOPE_HEADER: Final = b"X-Understudy-Scope"
KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""How browsers show a key in a handshake (gateway-behaviour WS-3)."""

_AS_IT_STANDS: Final = "/?#[]@!$&'()*+,;=:%~"
"""What of a name that a gateway answered goes into a URL unchanged; the rest is no URL and is encoded."""

LIVE_PATHS: Final = {
    Surface.GEMINI_LIVE: "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    Surface.VERTEX_LIVE: "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
}


def address_of(url: str, tls: ssl.SSLContext | None) -> Address:
    """The address that `url` names; `tls` is used for https only. Raises ConfigError for what is no such URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url}: no URL of a gateway; it must begin with http:// or https://")
    if parts.username is not None or parts.query or parts.fragment:
        bare = f"{parts.scheme}://{parts.hostname}"
        raise ConfigError(f"{bare}: the URL of a gateway has no user, query or fragment; a key goes into --key")
    authority = parts.netloc
    context = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
    return Address(parts.hostname, port, authority, context)


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a probe is played: gateway, target, the scope and how it is carried (None: not at all)."""

    address: Address
    base_path: str
    target: Target
    scope: str
    carrier: ScopeCarrier | None
    upstream: str
    """`http://host:port` of the simulator."""


class Driver:
    """Plays one probe. `seen_upstream` returns once the provider has seen the request under way."""

    def __init__(self, aim: Aim, seen_upstream: Callable[[], Awaitable[None]]) -> None:
        self._aim = aim
        self._seen_upstream = seen_upstream
        self.asked: list[Asked] = []
        self.conversed: list[Conversed] = []

    async def play(self, probe: Probe) -> None:
        """Do all moves in order; what came of them stands in `asked` and `conversed`."""
        if probe.moves is None:
            await self._play_scenario(probe)
            return
        for move in probe.moves:
            match move:
                case Ask():
                    await self._ask(probe, move)
                case Converse():
                    await self._converse(probe, move)

    # -- the client side of a scenario

    async def _play_scenario(self, probe: Probe) -> None:
        scenario = probe.scenario
        if scenario.surface.is_live:
            await self._converse(probe, Converse(scenario.client, limit_s=session_limit_s(scenario, probe.speed)))
            return
        operation = ""
        for step in scenario.client:
            operation = operation or _operation_in(self._last_json())
            await self._step(probe, step, operation)

    async def _step(self, probe: Probe, step: ClientStep, operation: str) -> None:
        values = self._values(probe)
        match step:
            case Call():
                await self._call(probe, step)
            case Start():
                path = f"{_models(probe)}:predictLongRunning"
                await self._ask(probe, Ask(path, body=step.payload.fill(values)))
            case Poll():
                for _ in range(step.at_most):
                    await self._ask(probe, _poll(probe, operation))
                    if _is_done(self._last_json()):
                        break
            case Download():
                for uri in _uris(self._last_json()):
                    path, _, query = uri[uri.index("/v1") :].partition("?")
                    await self._ask(probe, Ask(path, "GET", query, headers=(), framing="none"))
            case _:
                raise ConfigError(f"{probe.id}: {type(step).__name__.lower()} is no step of an HTTP client")

    async def _call(self, probe: Probe, step: Call) -> None:
        path = step.path or f"{_models(probe)}:{step.method}"
        body = step.payload.fill(self._values(probe))
        headers = (*Ask(path).headers, *step.headers) if body else step.headers
        ask = Ask(path, step.http_method, step.query, headers, body, "length" if body else "none")
        for _ in range(1 + (step.retry.at_most if step.retry else 0)):
            await self._ask(probe, ask)
            response = self.asked[-1].exchange.response
            if step.retry is None or response is None or response.status not in step.retry.on:
                return

    def _last_json(self) -> dict[str, Any]:
        """The JSON object of the last answer; empty if it was none."""
        response = self.asked[-1].exchange.response if self.asked else None
        value: Any = decode_json(response.body) if response is not None else None
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    # -- moves

    async def _ask(self, probe: Probe, ask: Ask) -> None:
        ask = self._filled(ask)
        path, provider_path = self._paths(probe.surface, ask.path, ask.is_whole)
        carrier = self._carrier(probe.surface, ask.key)
        query = self._query(ask.query, carrier, ask.key)
        target = f"{path}?{query}" if query else path
        headers = (
            (b"Host", self._aim.address.authority.encode()),
            *self._key_headers(carrier, ask.key),
            *self._scope_headers(),
            *ask.headers,
            *((b"Expect", b"100-continue"),) * ask.expects_continue,
            *_framing(ask),
        )
        heard = await exchange(
            self._aim.address, head_of(ask.method, target, headers, ask.raw_lines), ask, self._seen_upstream
        )
        request = Request(ask.method, target, headers, ask.body)
        failure = heard.problem or (None if _is_whole(heard.response) else "broken off")
        entry = Exchange(
            len(self.asked), request, heard.response, heard.started, heard.ended, failure, self._origin(probe)
        )
        provider_target = f"{provider_path}?{ask.query}" if ask.query else provider_path
        self.asked.append(Asked(ask, provider_target, entry, heard.head_at, heard.interim, _problem(heard, ask)))

    async def _converse(self, probe: Probe, move: Converse) -> None:
        filled = replace(
            move,
            path=None if move.path is None else self._text(move.path),
            query=self._text(move.query),
            headers=self._headers(move.headers),
        )
        path, _ = self._paths(probe.surface, filled.path or LIVE_PATHS[probe.surface], move.is_whole)
        carrier = self._carrier(probe.surface, move.key)
        query = self._query(filled.query, carrier, move.key)
        subprotocols = move.subprotocols
        if move.key.carrier == "subprotocol":
            subprotocols = (*subprotocols, KEY_SUBPROTOCOL + self._key(move.key))
        headers = (*self._key_headers(carrier, move.key), *self._scope_headers(), *filled.headers)
        values = self._values(probe)
        target = f"{path}?{query}" if query else path
        self.conversed.append(
            await converse(self._aim.address, target, headers, subprotocols, filled, values, probe.speed)
        )

    # -- what is filled in

    def _paths(self, surface: Surface, path: str, is_whole: bool) -> tuple[str, str]:
        """The path that the gateway gets and the one that the provider should see."""
        prefix = "" if is_whole else self._aim.target.prefix(surface)
        scope = f"/~{self._aim.scope}" if self._aim.carrier == "path" and not is_whole else ""
        return f"{self._aim.base_path}{prefix}{scope}{path}", path

    def _key(self, key: Key) -> str:
        if key.value is not None:
            return self._text(key.value)
        return self._aim.target.key.reveal() if self._aim.target.key is not None else ""

    def _carrier(self, surface: Surface, key: Key) -> str:
        return self._aim.target.carrier_on(surface) if key.carrier == "own" else key.carrier

    def _key_headers(self, carrier: str, key: Key) -> RawHeaders:
        value = self._key(key)
        if not value and key.value is None:
            return ()
        match carrier:
            case "bearer":
                return ((b"Authorization", f"Bearer {value}".encode()),)
            case "x-goog-api-key" | "x-litellm-api-key" | "api-key":
                return ((carrier.encode(), value.encode()),)
            case _:
                return ()

    def _query(self, query: str, carrier: str, key: Key) -> str:
        if carrier != "query":
            return query
        shown = quote(self._key(key), safe="")
        return f"{query}&key={shown}" if query else f"key={shown}"

    def _scope_headers(self) -> RawHeaders:
        return ((SCOPE_HEADER, self._aim.scope.encode()),) if self._aim.carrier == "header" else ()

    def _filled(self, ask: Ask) -> Ask:
        return replace(
            ask,
            path=self._text(ask.path),
            query=self._text(ask.query),
            headers=self._headers(ask.headers),
            raw_lines=self._bytes(ask.raw_lines),
        )

    def _headers(self, headers: RawHeaders) -> RawHeaders:
        return tuple((name, self._bytes(value)) for name, value in headers)

    def _text(self, text: str) -> str:
        for slot, value in self._slots():
            text = text.replace(slot, value)
        return text

    def _bytes(self, data: bytes) -> bytes:
        for slot, value in self._slots():
            data = data.replace(slot.encode(), value.encode())
        return data

    def _slots(self) -> Sequence[tuple[str, str]]:
        target = self._aim.target
        return (
            ("{{key}}", target.key.reveal() if target.key is not None else ""),
            ("{{project}}", target.project),
            ("{{location}}", target.location),
            ("{{upstream}}", self._aim.upstream),
        )

    def _values(self, probe: Probe) -> dict[str, str]:
        """What fills the slots of a scenario's payloads."""
        model, target = probe.scenario.model, self._aim.target
        full = f"projects/{target.project}/locations/{target.location}/publishers/google/models/{model}"
        path = full if probe.surface.is_vertex else f"models/{model}"
        return {"model": model, "model_path": path, "scope": self._aim.scope}

    def _origin(self, probe: Probe) -> Origin:
        return Origin(self._aim.scope, probe.surface.value, probe.id)


def _models(probe: Probe) -> str:
    owner = (
        "/v1/projects/{{project}}/locations/{{location}}/publishers/google" if probe.surface.is_vertex else "/v1beta"
    )
    return f"{owner}/models/{probe.scenario.model}"


def _poll(probe: Probe, operation: str) -> Ask:
    if probe.surface.is_vertex:
        body = json.dumps({"operationName": operation}).encode()
        return Ask(f"{_models(probe)}:fetchPredictOperation", body=body)
    return Ask(f"/v1beta/{quote(operation, safe=_AS_IT_STANDS)}", "GET", headers=(), framing="none")


def _operation_in(answer: dict[str, Any]) -> str:
    """The name of the operation that an answer starts; empty if it starts none."""
    name = answer.get("name")
    return name if isinstance(name, str) else ""


def _is_done(answer: dict[str, Any]) -> bool:
    """Whether there is nothing more to poll for: done, or no operation at all."""
    return not answer or bool(answer.get("done")) or "error" in answer


def _uris(answer: dict[str, Any]) -> list[str]:
    """The addresses of the videos that a done operation of the Gemini API names."""
    try:
        samples: list[Any] = answer["response"]["generateVideoResponse"]["generatedSamples"]
        uris = [sample["video"]["uri"] for sample in samples]
    except (KeyError, TypeError):
        return []
    return [quote(uri, safe=_AS_IT_STANDS) for uri in uris if isinstance(uri, str) and "/v1" in uri]


def _framing(ask: Ask) -> RawHeaders:
    match ask.framing:
        case "length":
            return ((b"Content-Length", str(len(ask.body)).encode()),)
        case "chunked":
            return ((b"Transfer-Encoding", b"chunked"),)
        case "none":
            return ()


def _is_whole(response: Response | None) -> bool:
    return response is not None and response.complete


def _problem(heard: Heard, ask: Ask) -> str | None:
    return None if ask.leaves is not None and heard.response is None else heard.problem
