"""Who answers an HTTP request, and what: from a request value to an answer value; no socket.

Order: place, credentials, what is known already (operations, files), a scenario, model lists, and last the simulator
by itself or, in strict mode, a refusal that names the nearest misses. Where there is no place, or nothing is known of
it, a scenario that names the path may answer.
"""

from dataclasses import dataclass, replace
from typing import Final, assert_never
from urllib.parse import parse_qsl

from understudy.messages import Origin, Request
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.match import Facts
from understudy.scenario.model import StartOperation, Videos
from understudy.surfaces import VERSION, Place, Surface, place_of

from .answers.reading import member, text_in
from .auth import presented_in
from .encoding import ArrayFraming, SseFraming, array_element, one_line_json
from .google_errors import (
    GoogleError,
    base_url_trap,
    credentials_error,
    invalid_argument,
    not_implemented_here,
    nothing_armed,
    own_error,
    prefix_trap,
    unknown_file,
    unknown_operation,
    version_trap,
)
from .ids import Identity
from .improvise import GENERATING, Asked, Begin, Chunks, Unary, improvised, static_answer
from .incoming import decoded_body
from .media import sample_video
from .operations import VideoSource, begun, operation_answer
from .replies import (
    JSON_TYPE,
    SSE_TYPE,
    Manner,
    Outgoing,
    error_answer,
    json_answer,
    media_answer,
    not_found_page,
    service_headers,
    token_answer,
)
from .scripted import Begun, Mismatch, Waits, outcome_of
from .stage import Choice, Performance, Sort, Stage

_SCRIPTED: Final = frozenset({*GENERATING, "predictLongRunning"} - {"countTokens"})
_POSTS: Final = frozenset({*GENERATING, "predictLongRunning", "fetchPredictOperation"})
_USUAL_VERSION: Final = "v1beta"
_NOWHERE: Final = Place(Surface.GEMINI, "", "", "")
_GATEWAY_PREFIXES: Final = frozenset({"gemini", "vertex_ai", "vertex-ai"})
"""First parts of the routes by which gateways with LiteLLM's words serve these APIs."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer and where it comes from, for transcript and terminal."""

    outgoing: Outgoing
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Call:
    """One request under way. `request` is without the path carrier of the scope. Without `is_placed` the path is none
    of any API over HTTP, and `place` says nothing but the surface of the scenario that answers."""

    request: Request
    scope: str
    place: Place
    is_placed: bool
    query: dict[str, str]
    body: LazyJson
    identity: Identity

    @property
    def manner(self) -> Manner:
        is_stream = self.place.method == "streamGenerateContent"
        is_sse = is_stream and self.query.get("alt") == "sse"
        return Manner(
            self.place.surface.is_vertex,
            self.identity.duration_ms,
            is_sse=is_sse,
            wraps_errors=is_stream and not is_sse,
            has_tier=self.place.method in GENERATING[:2],
        )

    def refused(self, error: GoogleError, misses: tuple[str, ...] = ()) -> Decision:
        return self.answered(error_answer(error, self.manner), misses=misses)

    def answered(self, outgoing: Outgoing, scenario: str | None = None, misses: tuple[str, ...] = ()) -> Decision:
        return Decision(outgoing, Origin(self.scope, self.place.surface.value, scenario, misses))


class Service:
    """Answers the requests of all HTTP surfaces."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def answer(self, request: Request, scope: str, scheme: str = "http") -> Decision:
        """The answer to a request that has been stripped of the path carrier of its scope."""
        identity = self._stage.next_identity(scope)
        if request.method == "POST" and request.path.endswith("/token"):
            return self._token(request, scope, identity, scheme)
        found = place_of(request.path)
        place = found if found is not None and not found.surface.is_live else None
        query = dict(parse_qsl(request.query, keep_blank_values=True, encoding="latin-1"))
        body = LazyJson(decoded_body(request))
        call = _Call(request, scope, place or _NOWHERE, place is not None, query, body, identity)
        if place is None:
            return self._placed(call) or _lost(request, scope, identity)
        presented = presented_in(request)
        verdict = self._stage.gate.judge(
            presented, is_vertex=place.surface.is_vertex, has_project=place.project is not None
        )
        refusal = credentials_error(verdict, place)
        if refusal is not None:
            return call.refused(refusal)
        return self._known(call) or self._performed(call)

    def _token(self, request: Request, scope: str, identity: Identity, scheme: str) -> Decision:
        form = dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
        hosts = [value for name, value in request.headers if name.lower() == b"host"]
        host = hosts[0].decode("latin-1") if hosts else ""
        given = self._stage.gate.exchange(form, f"{scheme}://{host}{request.path}", identity.access_token)
        return Decision(token_answer(given.body, given.status), Origin(scope, "oauth"))

    # -- what is known already

    def _known(self, call: _Call) -> Decision | None:
        """Polls, downloads and wrong HTTP methods; None if it is for a scenario to answer."""
        place, method = call.place, call.request.method
        if place.method in _POSTS:
            if method != "POST":
                return self._placed(call) or call.answered(not_found_page(call.request.path))
            return self._fetched(call) if place.method == "fetchPredictOperation" else None
        if place.operation is not None and place.method == "get" and method == "GET":
            return self._polled(call, place.operation)
        if place.name.startswith("files/") and not place.surface.is_vertex and method == "GET":
            return self._file(call)
        return None

    def _fetched(self, call: _Call) -> Decision | None:
        name = text_in(call.body.value, "operationName")
        if name is None:
            return self._placed(call) or call.refused(invalid_argument())
        return self._polled(call, name)

    def _polled(self, call: _Call, name: str) -> Decision | None:
        operation = self._stage.operations.poll(name)
        if operation is None:
            choice = self._choice(call)
            if choice.performance is not None:
                return self._played(call, choice.performance)
            return call.refused(unknown_operation(name), choice.misses)
        source = VideoSource(sample_video(), self._stage.settings.file_host, call.place.version or _USUAL_VERSION)
        outgoing = json_answer(operation_answer(operation, source), call.manner)
        return replace(call, scope=operation.scope).answered(outgoing, operation.scenario)

    def _file(self, call: _Call) -> Decision:
        # The last part is the id, also in `files/https://host/v1beta/files/ID` (wire-http 6.4, the SDK trap).
        file_id = call.place.name.rpartition("/")[2].partition(":")[0]
        operation = self._stage.operations.of_file(file_id)
        if operation is None:
            return self._placed(call) or call.refused(unknown_file(file_id))
        if call.place.method != "download":
            return call.refused(not_implemented_here("the resource of a file"))
        outgoing = media_answer(sample_video(), b"video/mp4")
        return replace(call, scope=operation.scope).answered(outgoing, operation.scenario)

    # -- scenarios

    def _placed(self, call: _Call) -> Decision | None:
        """The answer of a scenario that names the path, where no other may answer."""
        performance = self._stage.choose(self._facts(call), self._values(call), "placed").performance
        return None if performance is None else self._played(call, performance)

    def _performed(self, call: _Call) -> Decision:
        choice = self._choice(call)
        if choice.performance is not None:
            return self._played(call, choice.performance)
        static = static_answer(self._asked(call)) if call.request.method == "GET" else None
        if isinstance(static, Unary):
            return call.answered(json_answer(static.value, call.manner))
        if static is not None:
            return call.refused(static)
        if self._stage.is_strict(call.scope):
            return call.refused(nothing_armed(choice.misses, self._stage.armed_elsewhere(call.scope)), choice.misses)
        return self._improvised(call, choice.misses)

    def _choice(self, call: _Call) -> Choice:
        """Who answers. Plain routes, token counts and polls are left to scenarios that name their method or path, so
        that the scenario of a conversation is not used up by what a client does beside it."""
        sort: Sort = "any" if call.place.method in _SCRIPTED else "named"
        return self._stage.choose(self._facts(call), self._values(call), sort)

    def _played(self, call: _Call, performance: Performance) -> Decision:
        scenario, values = performance.scenario, self._values(call)
        if not call.is_placed:
            call = replace(call, place=replace(call.place, surface=scenario.surface))
        outcome = outcome_of(performance.playback.answer(call.body), values, call.manner)
        match outcome:
            case Outgoing():
                return call.answered(replace(outcome, speed=performance.speed), scenario.id)
            case Begun(start, before):
                outgoing = self._begun(call, start, scenario.id, _storage_uri(call.body), before)
                return call.answered(replace(outgoing, speed=performance.speed), scenario.id)
            case Mismatch(why):
                error = own_error(501, "UNEXPECTED_REQUEST", f"understudy: {scenario.id}: {why}", (why,))
                return call.answered(error_answer(error, call.manner), scenario.id, (why,))
            case _:
                assert_never(outcome)

    def _begun(
        self, call: _Call, start: StartOperation, scenario: str | None, storage_uri: str, before: Waits
    ) -> Outgoing:
        """Start an operation; the answer is its name (wire-http 6.3)."""
        is_vertex, place = call.place.surface.is_vertex, call.place
        last = call.identity.uuid if is_vertex else call.identity.operation_id
        name = f"{place.name}/operations/{last}"
        count = start.outcome.count if isinstance(start.outcome, Videos) else 0
        files = tuple(call.identity.file_id(index) for index in range(count))
        operation = begun(start, name=name, scope=call.scope, is_vertex=is_vertex, files=files, scenario=scenario)
        self._stage.operations.start(replace(operation, storage_uri=storage_uri))
        return replace(json_answer({"name": name}, call.manner), before=before)

    # -- by itself

    def _improvised(self, call: _Call, misses: tuple[str, ...]) -> Decision:
        if call.place.method not in _POSTS:
            what = f"{call.request.method} {call.place.method} of {call.place.name.partition('/')[0]}"
            return call.refused(not_implemented_here(what), misses)
        said = improvised(self._asked(call))
        match said:
            case Unary(value):
                return call.answered(json_answer(value, call.manner), misses=misses)
            case Chunks(values):
                return call.answered(_stream(values, call.manner), misses=misses)
            case Begin(start, storage_uri):
                return call.answered(self._begun(call, start, None, storage_uri, ()), misses=misses)
            case GoogleError():
                return call.refused(said, misses)
            case _:
                assert_never(said)

    def _asked(self, call: _Call) -> Asked:
        return Asked(call.place, call.query, call.body, call.identity, self._stage.clock.now())

    def _facts(self, call: _Call) -> Facts:
        place, request = call.place, call.request
        return Facts(
            place.surface if call.is_placed else None,
            place.method,
            request.path,
            place.model,
            request.headers,
            request.query,
            call.body,
            call.scope,
        )

    def _values(self, call: _Call) -> dict[str, str]:
        place = call.place
        return dict(self._stage.slot_values(call.scope, call.identity, place.model or "", place.name))


def _stream(values: tuple[object, ...], manner: Manner) -> Outgoing:
    if manner.is_sse:
        sse = SseFraming()
        events = tuple(sse.element(one_line_json(value)) for value in values)
        return Outgoing(200, service_headers(manner, SSE_TYPE), events)
    array = ArrayFraming()
    elements = tuple(array.element(array_element(value)) for value in values)
    return Outgoing(200, service_headers(manner, JSON_TYPE), (*elements, array.end()))


def _storage_uri(body: LazyJson) -> str:
    """Where a Vertex client wants its videos; only looked for in bodies that mention it."""
    if b"storageUri" not in body.raw and b"storage_uri" not in body.raw:
        return ""
    return text_in(member(body.value, "parameters"), "storageUri") or ""


def _lost(request: Request, scope: str, identity: Identity) -> Decision:
    """A path that no API has: a known mistake in a base URL, or the frontend's 404 page."""
    trap = _trap(request)
    if trap is None:
        return Decision(not_found_page(request.path), Origin(scope))
    return Decision(error_answer(trap, Manner(is_vertex=False, duration_ms=identity.duration_ms)), Origin(scope))


def _trap(request: Request) -> GoogleError | None:
    """The known mistake in a base URL that leads to such a path."""
    parts = [part for part in request.path.split("/") if part]
    if request.method == "POST" and (not parts or (len(parts) == 1 and VERSION.fullmatch(parts[0]))):
        return base_url_trap(request.path)
    if len(parts) > 1 and VERSION.fullmatch(parts[0]) and (parts[1] == "ws" or VERSION.fullmatch(parts[1])):
        return version_trap(request.path)
    if len(parts) > 1 and parts[0] in _GATEWAY_PREFIXES:
        return prefix_trap(request.path)
    return None
