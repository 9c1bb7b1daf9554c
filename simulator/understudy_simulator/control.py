"""The control API on the admin port: `/__understudy__/v1/{health,play,reset,transcript,verdicts,clock,scopes}`.

It is for this machine: loopback peers only, unless a control key is set, which every caller must then show in
`x-understudy-control-key` (security-reliability S-62). Requests of web pages (`Origin`) are refused in any case.
Messages: src/understudy/control_schemas, docs/reference/control-api.md.
"""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from aiohttp import web

from understudy.client_verdicts.catalogue import judge
from understudy.client_verdicts.model import to_json as verdict_json
from understudy.errors import UnderstudyError, did_you_mean
from understudy.rpc_status import rpc_status
from understudy.scenario.latency import Profile, latency_profile
from understudy.scenario.model import Scenario
from understudy.scenario.parse import parse_scenario
from understudy.secret import Secret
from understudy.transcript_json import to_json

from .clock import rfc3339
from .incoming import BodyTooLarge, read_body
from .stage import Carrier, Stage

PREFIX: Final = "/__understudy__/v1/"
KEY_HEADER: Final = "x-understudy-control-key"
_BODY_LIMIT: Final = 64 * 1024 * 1024
_CARRIERS: Final[Mapping[str, Carrier]] = {"path": "path", "header": "header", "marker": "marker"}
_LONGEST_ADVANCE_S: Final = 10 * 365 * 86_400


def _version() -> str:
    try:
        return version("understudy")
    except PackageNotFoundError:
        return "unknown"


_VERSION: Final = _version()

Json = dict[str, Any]


class _Refused(Exception):
    """The request is not as the API wants it; the text says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ControlSide:
    """The handler of the admin port. `load` finds a scenario by id; without it only inline scenarios can be played.

    `load_latency` finds a latency profile by its name. `traffic` gives the URLs of the traffic ports, HTTP and (or
    None) HTTPS, once they are known.
    """

    def __init__(
        self,
        stage: Stage,
        load: Callable[[str], Scenario] | None = None,
        traffic: Callable[[], tuple[str, str | None]] = lambda: ("", None),
        load_latency: Callable[[str], Profile] | None = None,
    ) -> None:
        self._stage = stage
        self._load = load
        self._load_latency = load_latency
        self._traffic = traffic
        self.routes: Mapping[tuple[str, str], Callable[[Json], Json | Awaitable[Json]]] = {
            ("GET", "health"): self._health,
            ("POST", "play"): self._play,
            ("POST", "reset"): self._reset,
            ("GET", "transcript"): self._transcript,
            ("GET", "verdicts"): self._verdicts,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._advance,
            ("GET", "scopes"): self._scopes,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every answer is JSON."""
        try:
            self._admit(request)
            answer = await self._answer(request)
        except _Refused as refused:
            return _json(rpc_status(refused.status, str(refused)), refused.status)
        except UnderstudyError as error:
            return _json(rpc_status(400, str(error)), 400)
        except web.RequestPayloadError:
            return _json(rpc_status(400, "the message breaks off or is no HTTP"), 400)
        except BodyTooLarge:
            return _json(rpc_status(413, f"the message is longer than {_BODY_LIMIT} bytes"), 413)
        return _json(answer, 200)

    def _admit(self, request: web.BaseRequest) -> None:
        if "Origin" in request.headers:
            raise _Refused(403, "the control API does not answer web pages (Origin is set)")
        key = self._stage.settings.control_key
        if key is not None:
            if Secret(request.headers.get(KEY_HEADER, "")) != key:
                raise _Refused(401, f"{KEY_HEADER}: missing or not the control key")
            return
        if not _is_loopback(request.remote or "") or not _is_loopback(_host_name(request)):
            raise _Refused(403, "the control API answers loopback only; set a control key to reach it from elsewhere")

    async def _answer(self, request: web.BaseRequest) -> Json:
        name = request.path.removeprefix(PREFIX)
        route = self.routes.get((request.method, name)) if request.path.startswith(PREFIX) else None
        if route is None:
            names = {known for _, known in self.routes}
            if request.path.startswith(PREFIX) and name in names:
                raise _Refused(405, f"{request.method} is not what {name} takes")
            raise _Refused(404, f"no such route: {request.path[:200]}{did_you_mean(name[:200], names)}")
        if request.method == "GET":
            message: Json = dict(parse_qsl(request.query_string, keep_blank_values=True))
        else:
            parts: list[bytes] = []
            await read_body(request, _BODY_LIMIT, parts)
            message = _object(b"".join(parts))
        answer = route(message)
        return await answer if isinstance(answer, Awaitable) else answer

    # -- routes

    def _health(self, message: Json) -> Json:
        _only(message, ())
        settings = self._stage.settings
        http, https = self._traffic()
        return {
            "status": "ok",
            "api": 1,
            "version": _VERSION,
            "strict": settings.strict,
            "speed": settings.speed,
            "seed": settings.seed,
            "auth": settings.auth,
            "http": http,
            "https": https,
        }

    def _play(self, message: Json) -> Json:
        _only(message, ("scenario", "scope", "carrier", "times", "speed", "latency"))
        wanted = message.get("scenario")
        if isinstance(wanted, str):
            if self._load is None:
                raise _Refused(400, "scenario: this simulator has no library; send the scenario itself")
            scenario = self._load(wanted)
        elif isinstance(wanted, dict):
            scenario = parse_scenario(cast("Json", wanted), source="play")
        else:
            raise _Refused(400, "scenario: wanted an id or a scenario document")
        carrier = _CARRIERS.get(str(message.get("carrier", "header")))
        if carrier is None:
            raise _Refused(400, f"carrier: wanted one of {', '.join(_CARRIERS)}")
        scope = _text(message, "scope") or ""
        times = message.get("times", 1)
        if times is not None and (not isinstance(times, int) or isinstance(times, bool)):
            raise _Refused(400, "times: wanted a whole number, or null for without end")
        speed = _number(message, "speed")
        latency = self._latency(message.get("latency"))
        try:
            self._stage.arm(scenario, scope=scope, carrier=carrier, times=times, speed=speed, latency=latency)
        except ValueError as error:
            raise _Refused(400, str(error)) from error
        known = {"scenario": scenario.id, "scope": scope, "carrier": carrier, "times": times, "speed": speed}
        return known if latency is None else known | {"latency": latency.name}

    def _latency(self, wanted: Any) -> Profile | None:
        if isinstance(wanted, str):
            if self._load_latency is None:
                raise _Refused(400, "latency: this simulator has no library; send the profile itself")
            return self._load_latency(wanted)
        if isinstance(wanted, dict):
            return latency_profile(cast("Json", wanted), name="inline", source="latency")
        if wanted is not None:
            raise _Refused(400, "latency: wanted the name of a profile or a profile")
        return None

    def _reset(self, message: Json) -> Json:
        _only(message, ("scope", "strict", "any_body"))
        self._stage.reset(_text(message, "scope"), _flag(message, "strict"), _flag(message, "any_body"))
        return {}

    def _transcript(self, message: Json) -> Json:
        _only(message, ("scope",))
        return to_json(self._stage.recorder.transcript(_text(message, "scope")))

    async def _verdicts(self, message: Json) -> Json:
        _only(message, ("scope", "over"))
        over = message.get("over", "false")
        if over not in ("true", "false"):
            raise _Refused(400, "over: wanted true or false")
        # Connections and access tokens belong to all scopes: the whole transcript is looked at.
        seen = self._stage.recorder.transcript()
        now = None if over == "true" else self._stage.clock.elapsed()
        # A long transcript takes a while; clients are not to wait for it.
        found = await asyncio.to_thread(judge, seen, now, _text(message, "scope"))
        return {"dropped": seen.dropped, "verdicts": [verdict_json(verdict) for verdict in found]}

    def _clock(self, message: Json) -> Json:
        _only(message, ())
        return {"now": rfc3339(self._stage.clock.now()), "monotonic_s": self._stage.clock.elapsed()}

    def _advance(self, message: Json) -> Json:
        _only(message, ("advance_s",))
        seconds = _number(message, "advance_s")
        if seconds is None or seconds > _LONGEST_ADVANCE_S:
            raise _Refused(400, f"advance_s: wanted seconds, 0 to {_LONGEST_ADVANCE_S}")
        self._stage.clock.advance(seconds)
        return self._clock({})

    def _scopes(self, message: Json) -> Json:
        _only(message, ())
        return {
            "scopes": [
                {
                    "name": state.name,
                    "requests": state.requests,
                    "armed": list(state.armed),
                    "played_out": list(state.played_out),
                    "operations": state.operations,
                    "faults": dict(state.faults),
                }
                for state in self._stage.scopes()
            ]
        }


def _object(body: bytes) -> Json:
    try:
        value: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _Refused(400, f"the message is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _Refused(400, "the message is not a JSON object")
    return cast("Json", value)


def _only(message: Json, known: tuple[str, ...]) -> None:
    for name in message:
        if name not in known:
            raise _Refused(400, f"unknown member {name[:200]!r}{did_you_mean(name[:200], known)}")


def _text(message: Json, name: str) -> str | None:
    value = message.get(name)
    if value is not None and not isinstance(value, str):
        raise _Refused(400, f"{name}: wanted text")
    return value


def _flag(message: Json, name: str) -> bool | None:
    value = message.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Refused(400, f"{name}: wanted true or false")
    return value


def _number(message: Json, name: str) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _Refused(400, f"{name}: wanted a number, zero or more")
    return value


def _host_name(request: web.BaseRequest) -> str:
    host = request.headers.get("Host", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return "127.0.0.1" if name.lower() == "localhost" else name


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _json(value: Json, status: int) -> web.Response:
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers={
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
