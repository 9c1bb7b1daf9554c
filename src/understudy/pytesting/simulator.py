"""The handle that tests have of the simulator: plain and synchronous, so that any style of test can use it."""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from ..client_verdicts.model import ClientVerdict
from ..documents import read_document
from ..errors import TargetError
from ..library import id_after, load
from ..messages import Request, Session, Transcript
from ..scenario.parse import parse_scenario
from .server import Server
from .verdict import complaints, excerpt, is_endless, misses

_SETTLE_S: Final = 2.0
_LOOK_S: Final = 0.01
_UNDER_WAY: Final = "not ended yet"

Sections = list[tuple[str, str]]


class SimulatorHandle:
    """The simulator during one test. It was reset when the test began.

    `url` and `https_url` are where clients and gateways find it. On a simulator that others use too `scope` is a name,
    which the URLs carry in their path; requests that come another way carry it as the header `x-understudy-scope`.
    """

    def __init__(self, server: Server, worker: str = "main", *, speed: float = 0.0, strict: bool = True) -> None:
        """Raises TargetError if the simulator cannot be reached."""
        self.scope = f"pytest-{worker}-{secrets.token_hex(6)}" if server.is_shared else ""
        carrier = f"/~{self.scope}" if self.scope else ""
        self.url = server.url + carrier
        self.https_url = None if server.https_url is None else server.https_url + carrier
        self.admin_url = server.admin_url
        self.key_file = server.key_file
        self.bundle = server.bundle
        self.seed = server.seed
        self.is_strict = strict
        self._speed = speed
        self._is_shared = server.is_shared
        self._endless: set[str] = set()
        self._last: Sections | None = None
        self._control = server.control()
        self._control.reset(self.scope if self._is_shared else None, strict=strict)

    def play(
        self,
        scenario: str | Path | Mapping[str, Any],
        *,
        speed: float | None = None,
        times: int | None = 1,
    ) -> str:
        """Arm a scenario after those that are armed already; gives its id.

        `scenario` is the id of a shipped one, the path of a file (`.yaml`), or a document as a mapping. `speed` 1 plays
        pauses as written, 0 without any; None: as the marker says, else 0. `times` None plays it without end.
        Raises ScenarioError with all mistakes of the scenario, TargetError if the simulator refuses.
        """
        wish: str | Mapping[str, Any]
        if isinstance(scenario, Mapping):
            wish, known = scenario, parse_scenario(dict(scenario), source="play")
        elif isinstance(scenario, Path) or scenario.endswith((".yaml", ".yml")):
            known = load(Path(scenario))
            document = cast("dict[str, Any]", read_document(Path(scenario))[0])
            wish = {"id": id_after(Path(scenario))} | document
        else:
            wish, known = scenario, load(scenario)
        if times is None or is_endless(known.server):
            self._endless.add(known.id)
        self._control.play(wish, scope=self.scope, times=times, speed=self._speed if speed is None else speed)
        return known.id

    @property
    def transcript(self) -> Transcript:
        """All that the simulator has seen since the test began, exact."""
        return self._control.transcript(self.scope if self._is_shared else None)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The HTTP requests, in order; those for access tokens are not among them."""
        seen = self.transcript.exchanges
        return tuple(exchange.request for exchange in seen if exchange.origin.surface != "oauth")

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The Live sessions, in order."""
        return self.transcript.sessions

    @property
    def verdicts(self) -> tuple[ClientVerdict, ...]:
        """What the client did wrong since the test began (docs/reference/verdicts.md); what it has not done by now
        counts as left undone."""
        return self._control.verdicts(self.scope if self._is_shared else None, over=True)

    def advance(self, seconds: float) -> None:
        """Move scenario time forward: pauses end, access tokens grow older."""
        self._control.advance(seconds)

    def complaints(self) -> tuple[str, ...]:
        """What is to be said against the test now that it ends; nothing if it is not strict.

        What is still under way is waited for, at most two seconds.
        """
        transcript = self._settled()
        found = complaints(transcript, self._unplayed()) if self.is_strict else ()
        self._last = self._sections(transcript)
        return found

    def judged(self) -> tuple[ClientVerdict, ...]:
        """What the client did wrong, for the report too; to be asked for after `complaints`."""
        found = self.verdicts
        if self._last is not None:
            self._last += _verdict_section(found)
        return found

    def sections(self) -> Sections:
        """What the report of a failed test shows: titles and texts."""
        if self._last is not None:
            return self._last
        try:
            sections = self._sections(self.transcript)
            return sections + _verdict_section(self.verdicts)
        except TargetError as error:
            return [("understudy transcript", str(error))]

    def close(self) -> None:
        """Forget what is armed in a scope of our own, and close the connections."""
        try:
            if self._is_shared:
                self._control.reset(self.scope)
        finally:
            self._control.close()

    def _sections(self, transcript: Transcript) -> Sections:
        sections = [("understudy transcript", "\n".join(excerpt(transcript)))]
        nearest = misses(transcript)
        if nearest:
            sections.append(("understudy nearest misses", "\n".join(nearest)))
        return [*sections, ("understudy seed", f"{self.seed} (--understudy-seed {self.seed})")]

    def _unplayed(self) -> list[str]:
        scopes = [scope for scope in self._control.scopes() if scope.name == self.scope]
        return [name for scope in scopes for name in scope.armed if name not in self._endless]

    def _settled(self) -> Transcript:
        deadline = time.monotonic() + _SETTLE_S
        while True:
            seen = self.transcript
            if time.monotonic() > deadline or (
                all(exchange.failure != _UNDER_WAY for exchange in seen.exchanges)
                and all(session.ended is not None for session in seen.sessions)
            ):
                return seen
            time.sleep(_LOOK_S)


def _verdict_section(verdicts: tuple[ClientVerdict, ...]) -> Sections:
    return [("understudy verdicts", "\n".join(verdict.line for verdict in verdicts))] if verdicts else []
