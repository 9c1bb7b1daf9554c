"""Calls of surfaces without a socket: a request through the routes of a few families, and its answer on the wire."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.call import Answer, Begin, Call
from understudy_simulator.ids import Identity
from understudy_simulator.rendering import manner_of, rendered
from understudy_simulator.replies import Outgoing
from understudy_simulator.routing import Route, Router
from understudy_simulator.store import Store
from understudy_simulator.validation.loading import descriptions
from understudy_simulator.validation.reading import request_error
from understudy_simulator.validation.rules import request_rules

VERTEX = "/v1/projects/p/locations/us-central1"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What went out."""

    status: int
    headers: dict[str, str]
    body: bytes
    parts: tuple[Any, ...]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object, taken out of a one-element array too."""
        value = self.json
        return (value[0] if isinstance(value, list) else value)["error"]

    @property
    def events(self) -> list[Any]:
        """The values of the server-sent events that are JSON."""
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


class World:
    """A small simulator: these routes, one store, a number for every request."""

    def __init__(self, *routes: Route, seed: int = 1, any_body: bool = False) -> None:
        self.router = Router(routes)
        self.now = NOW
        self.store = Store(lambda: self.now)
        self.seed = seed
        self.any_body = any_body
        self.number = 0

    def call(self, method: str, target: str, body: Any = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Call:
        """The call that a request is."""
        self.number += 1
        path, _, query = target.partition("?")
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, target, headers, raw)
        matched = self.router.find(method, path)
        assert matched is not None, f"{method} {path}: no route"
        return Call(
            request,
            "",
            matched.service,
            matched.route.rpc or path.rpartition(":")[2],
            matched.version,
            matched.project,
            matched.location,
            matched.names,
            dict(parse_qsl(query, keep_blank_values=True)),
            LazyJson(raw),
            Identity(self.seed, "", self.number),
            self.now,
            "http://sim.test",
            self.store.shelf(""),
        )

    def ask(self, method: str, target: str, body: Any = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Said:
        """The answer to a request."""
        call = self.call(method, target, body, headers)
        matched = self.router.find(method, call.request.path)
        assert matched is not None
        assert matched.route.handler is not None
        answer = (None if self.any_body else mistake_in(call, matched.route)) or matched.route.handler(call)
        assert not isinstance(answer, Begin)
        manner = manner_of(call, matched.route.pattern)
        return said(rendered(answer, manner))

    def post(self, target: str, body: Any = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Said:
        return self.ask("POST", target, body, headers)


def mistake_in(call: Call, route: Route) -> Answer | None:
    """The refusal of a body that does not fit its description, or the rules of its method: as the service has it."""
    if not route.message:
        return route.check(call) if route.check else None
    known = descriptions(call.service, call.version)
    refusal = request_error(known, route.message, call.body)
    return refusal or request_rules(call.service, call.rpc, call.names.get("model", ""), call.body.value)


def said(outgoing: Outgoing) -> Said:
    headers = {name.decode().lower(): value.decode() for name, value in outgoing.headers}
    body = b"".join(part for part in outgoing.parts if isinstance(part, bytes))
    return Said(outgoing.status, headers, body, outgoing.parts)
