"""Who answers an HTTP request, and what: from a request value to an answer value; no socket.

Order: route, credentials, a body that fits its description, what is known already (operations, files), a scenario, the
handler of the route, or in strict mode a refusal that names the nearest misses. Where there is no route, or nothing is
known of what it names, a scenario that names the path may answer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, assert_never

from understudy.messages import Origin, Request
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.latency import Profile
from understudy.scenario.match import Facts
from understudy.scenario.model import Fault, Reply, StartOperation
from understudy.surfaces import VERSION, Place, Surface, place_of

from .answers.tokens import tokens_of_request
from .arms import Performance, Sort
from .auth.gate import Verdict
from .call import Answer, Begin, Call, Upload
from .google_errors import (
    GoogleError,
    base_url_trap,
    credentials_error,
    not_implemented_here,
    nothing_armed,
    own_error,
    prefix_trap,
    quota_error,
    version_trap,
)
from .heads import Head
from .ids import Identity
from .incoming import inflated
from .injecting import placed
from .layers import Injected
from .pacing import Pace
from .paths import DOWNLOAD
from .playback import Playback
from .rendering import manner_of, rendered
from .replies import Manner, Media, Outgoing, error_answer, json_answer, not_found_page
from .routing import Matched, Route, Router
from .scripted import Begun, Mismatch, Waits, outcome_of, reply_answer
from .single_reply import SingleReply
from .stage import Choice, Stage
from .validation.verdicts import Verdicts
from .video_jobs import VideoJobs, film_media

_PREBUILT_LIMIT: Final = 4096
_GATEWAY_PREFIXES: Final = frozenset({"gemini", "vertex_ai", "vertex-ai"})
"""First parts of the routes by which gateways with LiteLLM's words serve these APIs."""


_NO_MATCH: Final = Matched(Route("", ""), "gemini", "", {})
"""In place of a match where no API has the path."""


class Decision(NamedTuple):
    """An answer and where it comes from, for transcript and terminal; `identity` is what chance is drawn from.

    `latency` is how long the scenario that answers takes, if not as long as all others.
    """

    outgoing: Outgoing
    origin: Origin
    identity: Identity | None = None
    latency: Profile | None = None


class _Case(NamedTuple):
    """One call with its route, and how the service dresses what it answers. `route` None: no API has such a path."""

    call: Call
    route: Route | None
    manner: Manner
    place: Place

    def refused(self, error: GoogleError, misses: tuple[str, ...] = ()) -> Decision:
        return self.answered(error_answer(error, self.manner), misses=misses)

    def answered(self, outgoing: Outgoing, scenario: str | None = None, misses: tuple[str, ...] = ()) -> Decision:
        surface = self.route.surface if self.route is not None and self.route.surface else self.place.surface.value
        return Decision(outgoing, Origin(self.call.scope, surface, scenario, misses), self.call.identity)


class Service:
    """Answers the requests of all HTTP surfaces."""

    def __init__(self, stage: Stage, router: Router) -> None:
        self._stage = stage
        self._router = router
        self._verdicts = Verdicts()
        self._jobs = VideoJobs(stage)
        self._prebuilt: dict[tuple[Playback | SingleReply, Manner], Outgoing] = {}

    def answer(self, head: Head, request: Request, scope: str) -> Decision:
        """The answer to a whole request, which is stripped of the path carrier of its scope."""
        identity = self._stage.next_identity(scope)
        case = self._case(head, request, scope, identity)
        if not self._stage.has_layers:
            return self._answer(case, head, request)
        injected = self._injected(case)
        replaced = self._replaced(case, injected)
        return replaced or _laid_over(case, self._answer(case, head, request), injected)

    def _answer(self, case: _Case, head: Head, request: Request) -> Decision:
        if case.route is not None:
            return self._refusal(case, head) or self._performed(case, case.route)
        place = place_of(request.path)
        if place is None or place.surface.is_live:
            return self._placed(case) or _lost(request, case.call.scope, case.call.identity)
        return self._refusal(case, head) or self._placed(case) or self._unserved(case)

    async def upload(self, head: Head, body: AsyncIterator[bytes]) -> Decision:
        """The answer to a call whose body is read piece by piece, of a route with an upload handler."""
        identity = self._stage.next_identity(head.scope)
        case = self._case(head, head.request, head.scope, identity)
        injected = self._injected(case) if self._stage.has_layers else ()
        replaced = self._replaced(case, injected)
        if replaced is not None:
            return replaced
        return _laid_over(case, await self._uploaded(case, head, body), injected)

    async def _uploaded(self, case: _Case, head: Head, body: AsyncIterator[bytes]) -> Decision:
        refusal = self._refusal(case, head)
        if refusal is not None:
            return refusal
        handler = None if case.route is None else case.route.upload
        if handler is None:
            raise ValueError(f"{head.request.path}: it is not an upload")
        answer = await handler(Upload(case.call, body))
        return self._answered(case, answer, None, ())

    def _case(self, head: Head, request: Request, scope: str, identity: Identity) -> _Case:
        matched = head.matched or _NO_MATCH
        call = Call(
            request,
            scope,
            matched.service,
            matched.rpc,
            matched.version,
            matched.project,
            matched.location,
            matched.names,
            head.query,
            LazyJson(inflated(request.body) if head.is_gzip else request.body),
            identity,
            self._stage.clock.now(),
            head.origin,
            self._stage.store.shelf(scope),
            head.caller,
            matched.place,
        )
        route = None if head.matched is None else matched.route
        return _Case(call, route, manner_of(call, matched.route.pattern), call.place)

    def _refusal(self, case: _Case, head: Head) -> Decision | None:
        """Why the call is not admitted, or None: its credentials, then its body."""
        call, route = case.call, case.route
        if route is None or (route.needs_credentials and not (route.upload and "upload_id" in call.query)):
            gate, presented = self._stage.gate, head.presented
            verdict = gate.judge(
                presented, is_vertex=call.is_vertex, has_project=call.project is not None, project=call.project
            )
            if verdict is not Verdict.ADMITTED:
                about = gate.refused_project(call.project, presented.user_project)
                refusal = credentials_error(verdict, case.place, about)
                return None if refusal is None else case.refused(refusal)
        if route is None or not (route.message or route.check) or self._stage.takes_any_body(call.scope):
            return None
        if route.check is not None:
            answer = route.check(call)
            return None if answer is None else self._placed(case) or self._answered(case, answer, None, ())
        model = call.names.get("model", "")
        mistake = self._verdicts.on(call.service, call.version, call.rpc, model, route.message, call.body)
        # A scenario that names the path answers whatever comes there.
        return None if mistake is None else self._placed(case) or case.refused(mistake)

    def _beyond_quota(self, case: _Case) -> Decision | None:
        """The refusal of a call for which no quota is left, or None. Without quotas nothing is counted."""
        quotas, call = self._stage.quotas, case.call
        if not quotas:
            return None
        tokens = sum(tokens_of_request(call.body.value).values()) if call.has_json else 0
        exceeded = quotas.take(call.service, call.project or call.key, case.place.model or "", tokens, call.now)
        if exceeded is None:
            return None
        return case.refused(quota_error(exceeded, has_retry_after=self._stage.settings.retry_after))

    def _unserved(self, case: _Case) -> Decision:
        """The answer to a method that its path does not have, or to a path that the simulator does not serve."""
        request = case.call.request
        if self._router.has(request.path):
            return case.answered(not_found_page(request.path))
        return case.refused(not_implemented_here(f"{request.method} of {case.place.name.partition('/')[0]}"))

    # -- who answers

    def _performed(self, case: _Case, route: Route) -> Decision:
        if route.surface == "oauth":
            # Whoever names this path means it; `*` means the API's.
            named = self._placed(case, "exact")
            if named is not None:
                return named
        polled = self._polled(case) if route.kind == "known" else None
        if polled is not None:
            return polled
        answer = _handled(route, case.call) if route.kind == "known" else None
        if answer is not None and not _refuses(answer):
            return self._answered(case, answer, None, ())
        if route.kind == "generating":
            exceeded = self._beyond_quota(case)
            if exceeded is not None:
                return exceeded
        choice = self._choice(case, route)
        if choice.performance is not None:
            return self._played(case, choice.performance)
        if route.kind == "generating" and self._stage.is_strict(case.call.scope):
            return case.refused(
                nothing_armed(choice.misses, self._stage.armed_elsewhere(case.call.scope)), choice.misses
            )
        return self._answered(case, answer or _handled(route, case.call), None, choice.misses)

    def _answered(self, case: _Case, answer: Answer, scenario: str | None, misses: tuple[str, ...]) -> Decision:
        if isinstance(answer, Begin):
            run = self._stage.settings.video_run
            start = replace(answer.start, running_polls=run.polls, running_for_s=run.seconds)
            return case.answered(self._begun(case, start), scenario, misses)
        if isinstance(answer, Media) and self._stage.settings.redirects_downloads:
            redirect = _redirect(case.call)
            if redirect is not None:
                return case.answered(redirect, scenario, misses)
        asked = case.call.header("range") if isinstance(answer, Media) else None
        return case.answered(rendered(answer, case.manner, asked), scenario, misses)

    # -- operations and their videos

    def _polled(self, case: _Case) -> Decision | None:
        """The answer to a poll, or to a download of a video, if that operation is under way or done."""
        call = case.call
        if "operation" not in call.names and (call.rpc != "fetchPredictOperation" or "job" in call.names):
            return self._video(case)
        found = self._jobs.polled(call)
        if found is None:
            return None
        operation, answer = found
        case = case._replace(call=replace(call, scope=operation.scope))
        if operation.has_failed and operation.failure is not None:
            failed = reply_answer(operation.failure, self._values(case), case.manner)
            return case.answered(failed, operation.scenario)
        return case.answered(json_answer(answer, case.manner), operation.scenario)

    def _video(self, case: _Case) -> Decision | None:
        found = self._jobs.delivered(case.call)
        if found is None:
            return None
        operation, file_id = found
        if case.call.rpc == "get":
            shown = self._jobs.resource(case.call, operation, file_id)
            return case.answered(json_answer(shown, case.manner), operation.scenario)
        case = case._replace(call=replace(case.call, scope=operation.scope))
        return self._answered(case, film_media(operation, file_id), operation.scenario, ())

    # -- faults laid over answers

    def _injected(self, case: _Case) -> tuple[Injected, ...]:
        """What befalls the answer to a call, whoever gives it."""
        facts, call = self._stage.coming_call(self._facts(case)), case.call
        layers = self._stage.layers(call.scope)
        return tuple(one for layer in layers for one in layer.injected(facts, call.identity, call.now))

    def _replaced(self, case: _Case, injected: Sequence[Injected]) -> Decision | None:
        """The answer, or its absence, in the place of any other; None if nothing of that sort comes."""
        first = next((one for one in injected if one.is_instead), None)
        if first is None:
            return None
        outgoing = Outgoing()
        if isinstance(first.what, Reply):
            outgoing = reply_answer(first.what, self._values(case), case.manner)
            outgoing = replace(outgoing, told=(first.name,))
        return _laid_over(case, case.answered(outgoing, first.scenario), injected)

    # -- scenarios

    def _placed(self, case: _Case, sort: Sort = "placed") -> Decision | None:
        """The answer of a scenario that names the path, where no other may answer."""
        performance = self._stage.choose(self._facts(case), self._values(case), sort).performance
        return None if performance is None else self._played(case, performance)

    def _choice(self, case: _Case, route: Route) -> Choice:
        """Who answers. Plain routes, token counts and polls are left to scenarios that name their method or path, so
        that the scenario of a conversation is not used up by what a client does beside it."""
        is_asked = route.kind == "generating" and case.call.rpc != "countTokens"
        sort: Sort = "any" if is_asked else "named"
        return self._stage.choose(self._facts(case), self._values(case), sort)

    def _played(self, case: _Case, performance: Performance) -> Decision:
        if performance.layer is None:
            return self._performance(case, performance)
        call = case.call
        injected = performance.layer.injected(self._facts(case), call.identity, call.now, own=True)
        return self._replaced(case, injected) or _laid_over(case, self._performance(case, performance), injected)

    def _performance(self, case: _Case, performance: Performance) -> Decision:
        scenario, playback = performance.scenario, performance.playback
        outcome = self._outcome(playback, case)
        origin = Origin(case.call.scope, _surface_of(case, scenario.surface), scenario.id)
        match outcome:
            case Outgoing():
                return Decision(_at_speed(outcome, performance.speed), origin, case.call.identity, performance.latency)
            case Begun(start, before):
                outgoing = self._begun(case, start, performance, before)
                return Decision(_at_speed(outgoing, performance.speed), origin, case.call.identity, performance.latency)
            case Mismatch(why):
                error = own_error(501, "UNEXPECTED_REQUEST", f"understudy: {scenario.id}: {why}", (why,))
                return Decision(error_answer(error, case.manner), replace(origin, misses=(why,)))
            case _:
                assert_never(outcome)

    def _outcome(self, playback: Playback | SingleReply, case: _Case) -> Outgoing | Begun | Mismatch:
        """What a scenario says to a call. A reply that is the same each time is put together once."""
        key = (playback, case.manner)
        known = self._prebuilt.get(key)
        if known is not None:
            return known
        outcome = outcome_of(playback.answer(case.call.body), self._values(case), case.manner)
        if isinstance(playback, SingleReply) and playback.is_constant and isinstance(outcome, Outgoing):
            if len(self._prebuilt) >= _PREBUILT_LIMIT:
                self._prebuilt.clear()
            self._prebuilt[key] = outcome
        return outcome

    def _begun(
        self, case: _Case, start: StartOperation, performed: Performance | None = None, before: Waits = ()
    ) -> Outgoing:
        """Start an operation; the answer is its name (wire-http 6.3), or why there is none."""
        scenario, speed, own = None, None, None
        if performed is not None:
            scenario, speed, own = performed.scenario.id, performed.speed, performed.latency
        profile = own or self._stage.latency
        if profile is not None:
            takes_s = Pace(profile, case.call.identity, self._stage.under_way).drawn("operation")
            start = replace(start, running_for_s=start.running_for_s + takes_s)
        name = self._jobs.begin(case.call, start, scenario, speed)
        if isinstance(name, GoogleError):
            return error_answer(name, case.manner)
        return replace(json_answer({"name": name}, case.manner), before=before)

    def _facts(self, case: _Case) -> Facts:
        call, request, place = case.call, case.call.request, case.place
        return Facts(
            None if case.route is None else place.surface,
            place.method,
            request.path,
            place.model,
            request.headers,
            request.query,
            call.body,
            call.scope,
        )

    def _values(self, case: _Case) -> Mapping[str, str]:
        return self._stage.slot_values(case.call.scope, case.call.identity, case.place, case.call.request.path)


def _laid_over(case: _Case, decision: Decision, injected: Sequence[Injected]) -> Decision:
    """The decision with the faults among what is injected laid over its answer."""
    faults = [(one.what, one.at) for one in injected if isinstance(one.what, Fault)]
    if not faults:
        return decision
    return decision._replace(outgoing=placed(decision.outgoing, faults), identity=case.call.identity)


def _redirect(call: Call) -> Outgoing | None:
    """The redirect to where the bytes of a download are (wire-http 6.4); None if the call came there."""
    path = call.request.path.lstrip("/")
    if path.startswith(DOWNLOAD + "/"):
        return None
    query = f"?{call.request.query}" if call.request.query else ""
    location = f"{call.origin}/{DOWNLOAD}/{path}{query}".encode()
    return Outgoing(302, ((b"Location", location), (b"Content-Length", b"0")))


def _refuses(answer: Answer) -> bool:
    return isinstance(answer, GoogleError) or (isinstance(answer, Outgoing) and answer.status == 404)


def _handled(route: Route, call: Call) -> Answer:
    if route.handler is None:
        raise ValueError(f"{route.pattern}: its body is to be read piece by piece")
    return route.handler(call)


def _surface_of(case: _Case, surface: Surface) -> str:
    return surface.value if case.route is None else case.place.surface.value


def _at_speed(outgoing: Outgoing, speed: float | None) -> Outgoing:
    return outgoing if speed is None else replace(outgoing, speed=speed)


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
