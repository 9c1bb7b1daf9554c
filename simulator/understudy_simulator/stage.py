"""What is on, and what was seen: scopes with their armed scenarios and counters, operations, the transcript.

A request belongs to a scope by its path (`/~NAME/...`), its header `x-understudy-scope`, or a marker in its body, in
this order; without any it belongs to the default scope "". An HTTP scenario that is armed is one performance that
advances from request to request; a Live scenario is performed anew by each session. Both end after `times`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Literal, NamedTuple

from understudy.messages import Request, header_value
from understudy.scenario.latency import Profile
from understudy.scenario.match import Facts, Hit, Matcher, Miss, nearest_misses
from understudy.scenario.model import Scenario
from understudy.surfaces import Place

from .arms import Arm, Performance, Sort
from .auth.gate import Gatekeeper
from .clock import Clock, rfc3339
from .google_errors import request_slots
from .ids import Identity
from .layers import Layer
from .live.machine.memory import SessionMemory
from .operations import OperationDesk
from .pacing import UnderWay
from .quotas import Quotas
from .recorder import Recorder
from .service_account import ServiceAccount
from .settings import SimulatorSettings
from .spool import Spool, discard
from .store import Store

Carrier = Literal["path", "header", "marker"]
SCOPE_HEADER: Final = b"x-understudy-scope"
_NAME: Final = r"[A-Za-z0-9._-]{1,80}"
_SCOPE: Final = re.compile(_NAME)
_PATH_CARRIER: Final = re.compile(rf"/~({_NAME})(?=/|\?|$)")
_MARKER_START: Final = b"[[understudy-scope:"
_MARKER: Final = re.compile(re.escape(_MARKER_START) + rf"({_NAME})\]\]".encode())
_NAME_LIMIT: Final = 80
_TO_NAME: Final[Mapping[Sort, str]] = {
    "any": "",
    "named": "this method or path",
    "placed": "this path",
    "exact": "this path, and not just any",
}
_MISSES_SHOWN: Final = 3


def _no_scope(carrier: str, written: str) -> str:
    """The mistake of a carrier that names no scope; short, since a close reason has room for 123 bytes."""
    return f"{carrier}: {written[:30]!r} is no scope (1 to 80 of A-Z a-z 0-9 . _ -)"


class Scoped(NamedTuple):
    """The scope of a request, and the request without the path carrier of its scope.

    `mistake` says what is wrong with a carrier that names no scope; the request is then to be refused, since its sender
    meant another scope than the default one.
    """

    scope: str
    request: Request
    mistake: str = ""


class Choice(NamedTuple):
    """What the stage has for a request: a performance, or why there is none, nearest miss first (at most three)."""

    performance: Performance | None
    misses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeState:
    """What the control API shows of a scope; `faults` counts those injected, by kind."""

    name: str
    requests: int
    armed: tuple[str, ...]
    played_out: tuple[str, ...]
    operations: int
    faults: Mapping[str, int]


class _Spent:
    """The places of arms that were played to their end in a scope."""

    __slots__ = ("_arms", "_scope")

    def __init__(self, arms: Sequence[Arm], scope: str) -> None:
        self._arms = arms
        self._scope = scope

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self._arms[index].is_over(self._scope)


class _Unasked:
    """The places of arms that requests of a sort are not for."""

    __slots__ = ("_arms", "_sort")

    def __init__(self, arms: Sequence[Arm], sort: Sort) -> None:
        self._arms = arms
        self._sort: Sort = sort

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and not self._arms[index].names(self._sort)


class SlotValues(Mapping[str, str]):
    """What fills the slots of a scenario's payloads, each found out when it is asked for.

    The time is that of the first asking: all chunks of a stream have the same (wire-http 3).
    """

    __slots__ = ("_clock", "_create_time", "_identity", "_path", "_place", "_scope")

    def __init__(self, scope: str, identity: Identity, clock: Clock, place: Place, path: str) -> None:
        self._scope = scope
        self._identity = identity
        self._clock = clock
        self._place = place
        self._path = path
        self._create_time = ""

    def __getitem__(self, name: str) -> str:
        match name:
            case "model":
                return self._place.model or ""
            case "model_path":
                return self._place.name
            case "scope":
                return self._scope
            case "response_id":
                return self._identity.response_id
            case "create_time":
                self._create_time = self._create_time or rfc3339(self._clock.now())
                return self._create_time
            case _:
                return request_slots(self._place, self._path)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("model", "model_path", "scope", "response_id", "create_time", *request_slots(self._place, "")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Room:
    """The arms and counters of one scope."""

    def __init__(self) -> None:
        self.arms: list[Arm] = []
        self.layers: list[Arm] = []
        self.requests = 0
        self.calls = 0
        self.strict: bool | None = None
        self.any_body: bool | None = None
        self._matcher: Matcher | None = None

    def add(self, arm: Arm) -> None:
        """Put one more on."""
        if not arm.scenario.server:
            self.layers.append(arm)
            return
        self.arms.append(arm)
        self._matcher = None

    def find(self, facts: Facts, sort: Sort) -> Arm | tuple[Miss, ...]:
        """The first arm that fits, or all misses; `sort` as in `Stage.choose`."""
        if self._matcher is None:
            self._matcher = Matcher(arm.scenario for arm in self.arms)
        unasked = () if sort == "any" else _Unasked(self.arms, sort)
        found = self._matcher.find(facts, _Spent(self.arms, facts.scope), unasked, _TO_NAME[sort])
        return self.arms[found.index] if isinstance(found, Hit) else found


class Stage:
    """The one place that remembers; everything that answers asks it."""

    def __init__(self, settings: SimulatorSettings, clock: Clock, account: ServiceAccount) -> None:
        self.settings = settings
        self.clock = clock
        self.gate = Gatekeeper(settings, account, clock)
        self.recorder = Recorder(clock, settings.transcript_limit, settings.transcript_bytes)
        self.operations = OperationDesk()
        self.store = Store(clock.now, discard)
        self.spool = Spool()
        self.live_memory = SessionMemory(clock.now)
        self._strict = settings.strict
        self._any_body = settings.any_body
        self.quotas = Quotas(settings.quotas)
        self._scopes: dict[str, _Room] = {}
        self._everywhere = _Room()
        self._reads_markers = False
        self._latest_misses: tuple[tuple[Miss, ...], tuple[str, ...]] = ((), ())
        self.under_way = UnderWay()
        self.has_layers = False
        """Whether anything is armed that lays faults over others' answers."""

    def arm(
        self,
        scenario: Scenario,
        *,
        scope: str | None = "",
        carrier: Carrier = "header",
        times: int | None = 1,
        speed: float | None = None,
        latency: Profile | None = None,
    ) -> Arm:
        """Put a scenario on, after those that are on already. `scope` None: it answers in every scope, after the
        scope's own. `times` None plays it without end. Only if `carrier` is "marker" are bodies searched for scopes.
        `latency` is how long its answers take; None: as long as all others.

        Raises ValueError if `scope` is no name (`[A-Za-z0-9._-]{1,80}`) or `times` is below 1.
        """
        if scope and not _SCOPE.fullmatch(scope):
            raise ValueError(f"scope must be 1 to 80 characters of A-Z a-z 0-9 . _ -, not {scope!r}")
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        arm = Arm(scenario, times, speed, self.clock.now(), latency)
        room = self._everywhere if scope is None else self._room(scope)
        room.add(arm)
        self.has_layers = self.has_layers or not scenario.server
        self._reads_markers = self._reads_markers or carrier == "marker"
        return arm

    def reset(self, scope: str | None = None, strict: bool | None = None, any_body: bool | None = None) -> None:
        """Back to the start: one scope, or (None) all. What was armed for every scope stays, and begins anew.

        `strict` says whether what no scenario answers is refused from now on, `any_body` whether bodies that Google
        would refuse pass; None: as the simulator was started. Quotas are whole again when all is reset.
        Issued tokens stay good: a gateway in front has cached one, and must not be refused because a test began.
        """
        self.recorder.clear(scope)
        self.operations.forget(scope)
        self.live_memory.forget(scope)
        for resource in self.store.forget(scope):
            discard(resource.hidden)
        for arm in (*self._everywhere.arms, *self._everywhere.layers):
            arm.start_over(scope, self.clock.now())
        if scope is not None:
            self._scopes.pop(scope, None)
            if strict is not None or any_body is not None:
                room = self._room(scope)
                room.strict, room.any_body = strict, any_body
            return
        self.quotas.reset()
        self._strict = self.settings.strict if strict is None else strict
        self._any_body = self.settings.any_body if any_body is None else any_body
        self._scopes.clear()
        self._reads_markers = False
        self.has_layers = bool(self._everywhere.layers)

    @property
    def latency(self) -> Profile | None:
        """How long answers take; None: no longer than it takes to find them."""
        return self.settings.latency

    @property
    def reads_markers(self) -> bool:
        """Whether bodies are searched for the marker of a scope."""
        return self._reads_markers

    def is_strict(self, scope: str) -> bool:
        """Whether what no scenario of that scope answers is refused."""
        room = self._scopes.get(scope)
        return self._strict if room is None or room.strict is None else room.strict

    def takes_any_body(self, scope: str) -> bool:
        """Whether what Google would refuse in a body of that scope is let pass."""
        room = self._scopes.get(scope)
        return self._any_body if room is None or room.any_body is None else room.any_body

    def scope_of(self, request: Request, first_message: bytes = b"") -> Scoped:
        """The scope of a request. For a Live session `first_message` stands in for the body."""
        found = _PATH_CARRIER.match(request.target)
        if found:
            rest = request.target[found.end() :]
            target = rest if rest.startswith("/") else "/" + rest
            return Scoped(found[1], replace(request, target=target))
        if request.target.startswith("/~"):
            return Scoped("", request, _no_scope("the path", request.target[2:].partition("/")[0]))
        header = (header_value(request.headers, SCOPE_HEADER) or b"").decode("latin-1")
        if header:
            is_name = _SCOPE.fullmatch(header) is not None
            mistake = "" if is_name else _no_scope(SCOPE_HEADER.decode(), header)
            return Scoped(header if is_name else "", request, mistake)
        scope, mistake = self._marked_scope(first_message or request.body)
        return Scoped(scope, request, mistake)

    def _marked_scope(self, body: bytes) -> tuple[str, str]:
        """The scope that a marker names, and what is wrong with a marker that names none."""
        start = body.find(_MARKER_START) if self._reads_markers else -1
        if start < 0:
            return "", ""
        found = _MARKER.match(body, start)
        if found:
            return found[1].decode(), ""
        written = body[start + len(_MARKER_START) :][:_NAME_LIMIT].partition(b"]]")[0]
        return "", _no_scope("the marker", written.decode("utf-8", "replace"))

    def next_identity(self, scope: str) -> Identity:
        """Count one more request of a scope; gives the source of its ids."""
        room = self._room(scope)
        room.requests += 1
        return Identity(self.settings.seed, scope, room.requests)

    def choose(self, facts: Facts, values: Mapping[str, str], sort: Sort = "any") -> Choice:
        """Who answers a request: the scope's own scenarios first, then those armed for every scope.

        `facts.call` is counted and filled in here; `values` (`slot_values`) fill what a Live scenario sends.
        `sort` "named": only scenarios whose `match` names a method or a path may answer; "placed": only those that
        name a path. Both count as no call.
        """
        room = self._room(facts.scope)
        room.calls += sort == "any"
        counted = facts.at_call(room.calls)
        misses: tuple[Miss, ...] = ()
        for place in (room, self._everywhere):
            if not place.arms:
                continue
            found = place.find(counted, sort)
            if isinstance(found, Arm):
                return Choice(found.perform(facts.scope, values))
            misses += found
        return Choice(None, self._told(misses))

    def layers(self, scope: str) -> Iterator[Layer]:
        """What is laid over answers in a scope, its own first."""
        for room in (self._scopes.get(scope), self._everywhere):
            for arm in () if room is None else room.layers:
                if arm.layer is not None:
                    yield arm.layer

    def coming_call(self, facts: Facts) -> Facts:
        """The facts with the number that the call will have if it is one."""
        return facts.at_call(self._room(facts.scope).calls + 1)

    def _told(self, misses: tuple[Miss, ...]) -> tuple[str, ...]:
        """The nearest misses in words; of the same misses, which a matcher gives again and again, found out once."""
        if misses is not self._latest_misses[0]:
            self._latest_misses = misses, tuple(str(miss) for miss in nearest_misses(misses, _MISSES_SHOWN))
        return self._latest_misses[1]

    def armed_elsewhere(self, scope: str) -> tuple[str, ...]:
        """Other scopes in which something is armed that was not played to its end, sorted: at most three."""
        names = (
            name
            for name, room in sorted(self._scopes.items())
            if name != scope and not all(arm.is_over(name) for arm in room.arms)
        )
        return tuple(islice(names, _MISSES_SHOWN))

    def scopes(self) -> tuple[ScopeState, ...]:
        """All scopes that were used, the default one always, sorted by name."""
        names = sorted({"", *self._scopes})
        return tuple(self._state(name) for name in names)

    def slot_values(self, scope: str, identity: Identity, place: Place, path: str = "") -> Mapping[str, str]:
        """What fills the slots of a scenario's payloads; `operation` is added where there is one.

        `place` and the raw `path` are the request's: its model's bare id, and its name as the request has it
        (`models/m`, `projects/.../models/m`), fill `model` and `model_path`.
        """
        return SlotValues(scope, identity, self.clock, place, path)

    def _room(self, scope: str) -> _Room:
        return self._scopes.setdefault(scope, _Room())

    def _state(self, name: str) -> ScopeState:
        room = self._scopes.get(name, _Room())
        arms = (*room.layers, *room.arms, *self._everywhere.layers, *self._everywhere.arms)
        return ScopeState(
            name,
            room.requests,
            tuple(arm.scenario.id for arm in arms if not arm.is_over(name)),
            tuple(arm.scenario.id for arm in arms if arm.is_over(name)),
            self.operations.count(name),
            self.recorder.faults_in(name),
        )
