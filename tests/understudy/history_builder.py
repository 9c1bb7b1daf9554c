"""Histories of clients, as transcripts, for the tests of the verdicts about them."""

import json
from dataclasses import replace

from understudy.client_verdicts.catalogue import judge
from understudy.client_verdicts.model import ClientVerdict
from understudy.messages import (
    BINARY,
    TEXT,
    Chunk,
    Close,
    Exchange,
    Frame,
    Origin,
    Request,
    Response,
    Session,
    Transcript,
)
from understudy.rpc_status import retry_info, rpc_status

GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
UPLOAD_PATH = "/upload/v1beta/files"
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
HELLO = b'{"contents":[{"parts":[{"text":"hello"}]}]}'


class History:
    """Collects entries; times are seconds from its start. Each method gives the id of what it added."""

    def __init__(self, scope: str = "", first_id: int = 1) -> None:
        self.scope = scope
        self.exchanges: list[Exchange] = []
        self.sessions: list[Session] = []
        self._next = first_id

    def ask(
        self,
        at: float,
        status: int = 200,
        *,
        told: str | None = None,
        retry_after: str | None = None,
        took: float = 0.01,
        target: str = GENERATE,
        method: str = "POST",
        body: bytes = HELLO,
        answer: bytes | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        answer_headers: tuple[tuple[bytes, bytes], ...] = (),
        failure: str | None = None,
        faults: tuple[str, ...] = (),
        connection: int = 1,
        surface: str = "gemini",
    ) -> int:
        """One request; `told` is the retryDelay of its error, `retry_after` that field of its answer."""
        if answer is None:
            details = [retry_info(told)] if told else []
            answer = b"{}" if status < 400 else json.dumps(rpc_status(status, "no", details)).encode()
        fields = answer_headers + (((b"Retry-After", retry_after.encode()),) if retry_after else ())
        response = Response(status, fields, (Chunk(answer, at + took),) if answer else (), failure is None)
        self.exchanges.append(
            Exchange(
                self._id(),
                Request(method, target, headers, body),
                None if status == 0 else response,
                at,
                at + took,
                failure,
                Origin(self.scope, surface, faults=faults),
                connection,
            )
        )
        return self.exchanges[-1].id

    def session(
        self,
        at: float,
        *frames: tuple[float, str, object],
        ended: float | None = None,
        close: tuple[str, int | None, str] | None = ("client", 1000, ""),
        target: str = LIVE,
        status: int = 101,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        lingers: float = 0.0,
        faults: tuple[str, ...] = (),
    ) -> int:
        """One Live session; frames are the time after its start, the sender, and a JSON value. `ended` is relative: it
        is when the close came; the connection ends `lingers` seconds later."""
        kinds = {"client": TEXT, "server": BINARY}
        passed = tuple(
            Frame(sender, kinds[sender], json.dumps(value).encode(), at + after)  # type: ignore[arg-type]
            for after, sender, value in frames
        )
        end = None if ended is None else at + ended
        closed = None if close is None else Close(close[0], close[1], close[2], at if end is None else end)  # type: ignore[arg-type]
        request = Request("GET", target, headers)
        origin = Origin(self.scope, "gemini-live", faults=faults)
        end = None if end is None else end + lingers
        self.sessions.append(Session(self._id(), request, status, passed, closed, at, end, origin))
        return self.sessions[-1].id

    @property
    def transcript(self) -> Transcript:
        """The history as the simulator would have written it."""
        return Transcript(tuple(self.exchanges), tuple(self.sessions))

    def verdicts(self) -> tuple[ClientVerdict, ...]:
        """What the judge says of it."""
        return judge(self.transcript)

    def rules(self) -> list[str]:
        """The rules that were broken, in order."""
        return [verdict.rule for verdict in self.verdicts()]

    def _id(self) -> int:
        self._next += 1
        return self._next - 1


def together(*histories: History) -> Transcript:
    """Several histories as one transcript, entries in order of start."""
    exchanges = sorted((entry for one in histories for entry in one.exchanges), key=lambda entry: entry.started)
    sessions = sorted((entry for one in histories for entry in one.sessions), key=lambda entry: entry.started)
    return Transcript(tuple(exchanges), tuple(sessions))


def moved(transcript: Transcript, scope: str, first_id: int) -> Transcript:
    """The same in another scope and with other ids."""
    exchanges = tuple(
        replace(entry, id=first_id + entry.id, origin=replace(entry.origin, scope=scope))
        for entry in transcript.exchanges
    )
    sessions = tuple(
        replace(entry, id=first_id + entry.id, origin=replace(entry.origin, scope=scope))
        for entry in transcript.sessions
    )
    return Transcript(exchanges, sessions)
