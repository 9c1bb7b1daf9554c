"""A valid document as the values of `model.py`: bodies become bytes, durations seconds, defaults are filled in."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from ..messages import BINARY, TEXT, RawHeaders
from ..rpc_status import (
    HTTP_STATUS,
    Detail,
    bad_request,
    error_info,
    help_links,
    localized_message,
    quota_failure,
    retry_info,
    rpc_status,
)
from ..surfaces import Surface
from . import model
from .convert_faults import fault_of, match_of, trigger_of
from .document import (
    CallDoc,
    ClientStepDoc,
    ExpectDoc,
    GoAwayDoc,
    ReceiveDoc,
    RetryDoc,
    ScenarioDoc,
    SendAudioDoc,
    ServerStepDoc,
    StepDoc,
)
from .document_bodies import (
    DETAIL_WORDS,
    BodyDoc,
    ChunkDoc,
    DetailDoc,
    ErrorDoc,
    Files,
    QuotaFailureDoc,
    QuotaViolationDoc,
    ReplyDoc,
    RpcStatusDoc,
    StreamDoc,
)
from .document_faults import InjectionDoc
from .document_operations import FilmDoc, OperationDoc
from .errors_by_name import error_close, error_payload, error_reply
from .layout import Layout, json_text, payload_of_text

_OPCODES = {"text": TEXT, "binary": BINARY}


def scenario_of(doc: ScenarioDoc, scenario_id: str, source: str, files: Files) -> model.Scenario:
    """The scenario that `doc` describes."""
    surface = Surface(doc.surface)
    # A scenario that only lays faults over others' answers may do so on any surface.
    kind = None if not doc.server else surface.is_live
    own = (surface, doc.model, kind)
    steps = _Steps(files, doc.defaults.opcode, surface, doc.model)
    return model.Scenario(
        id=scenario_id,
        title=doc.title,
        surface=surface,
        model=doc.model,
        match=match_of(doc.match, *own),
        server=tuple(steps.server(step) for step in doc.server),
        client=tuple(steps.client(step) for step in doc.client),
        expect=_expect(doc.expect),
        seed=doc.seed,
        source=source,
        faults=tuple(steps.injection(injection) for injection in doc.faults),
    )


def _expect(doc: ExpectDoc) -> model.Expect:
    return model.Expect(
        bodies=doc.bodies,
        frames=doc.frames,
        operation_name=doc.operation_name,
        usage={side: dict[str, int](counts.items()) for side, counts in doc.usage.items()},
        cost=doc.cost,
        statuses=tuple(doc.statuses),
        polls=tuple(doc.polls),
        upstream_requests=doc.upstream_requests,
        close=doc.close,
    )


class _Steps:
    """Turns steps of a document into steps that are played; knows the document's defaults and files."""

    def __init__(self, files: Files, opcode: str, surface: Surface, model_id: str) -> None:
        self._files = files
        self._opcode = opcode
        self._surface = surface
        self._model_id = model_id

    def server(self, doc: ServerStepDoc) -> model.ServerStep:
        fault = fault_of(doc.fault, self.payload) if doc.fault else None
        if doc.repeat:
            return model.Repeat(tuple(self.server(step) for step in doc.repeat.steps), doc.repeat.times)
        if doc.branch:
            cases = [model.Case(case.match.json_, self._servers(case.steps)) for case in doc.branch.cases]
            return model.Branch(tuple(cases), self._servers(doc.branch.otherwise))
        if doc.reply:
            return self._reply(doc.reply, doc.times or 1, fault)
        if doc.stream:
            return self._stream(doc.stream, doc.times or 1, fault)
        if doc.operation:
            return self._operation(doc.operation)
        if doc.error:
            return self._error(doc.error, doc.times or 1, fault)
        if doc.go_away:
            return self._go_away(doc.go_away)
        return self._common(doc, fault)

    def client(self, doc: ClientStepDoc) -> model.ClientStep:
        if doc.repeat:
            return model.Repeat(tuple(self.client(step) for step in doc.repeat.steps), doc.repeat.times)
        if doc.branch:
            cases = [model.Case(case.match.json_, self._clients(case.steps)) for case in doc.branch.cases]
            return model.Branch(tuple(cases), self._clients(doc.branch.otherwise))
        if doc.call:
            return self._call(doc.call, doc.retry)
        if doc.start:
            return model.Start(self.payload(doc.start, doc.start.layout))
        if doc.poll:
            return model.Poll(doc.poll.every, doc.poll.at_most)
        if doc.download:
            return model.Download()
        return self._common(doc, fault_of(doc.fault, self.payload) if doc.fault else None)

    def injection(self, doc: InjectionDoc) -> model.Injection:
        """One of the faults that are laid over answers."""
        what: model.Fault | model.Reply | model.CloseSession
        if doc.fault:
            what = fault_of(doc.fault, self.payload)
        elif doc.reply:
            what = self._reply(doc.reply, 1, None)
        elif doc.close:
            what = model.CloseSession(doc.close.code, doc.close.reason)
        else:
            assert doc.error is not None
            what = self._error(doc.error, 1, None)
        return model.Injection(what, trigger_of(doc), 0 if doc.at == "handshake" else doc.at)

    def _servers(self, docs: Sequence[ServerStepDoc]) -> tuple[model.Step, ...]:
        return tuple(self.server(doc) for doc in docs)

    def _clients(self, docs: Sequence[ClientStepDoc]) -> tuple[model.Step, ...]:
        return tuple(self.client(doc) for doc in docs)

    def _common(
        self, doc: StepDoc, fault: model.Fault | None
    ) -> (
        model.Receive
        | model.ReceiveUntil
        | model.Send
        | model.SendAudio
        | model.Pause
        | model.CloseSession
        | model.Fault
    ):
        """The steps that both sides have."""
        if doc.receive:
            return _receive(doc.receive)
        if doc.receive_until:
            until = doc.receive_until
            return model.ReceiveUntil(until.json_, until.within, bool(until.close))
        if doc.send:
            opcode = _OPCODES[doc.send.opcode or self._opcode]
            return model.Send(self.payload(doc.send, doc.send.layout), opcode, fault)
        if doc.send_audio:
            interrupt_on = doc.interrupt_on.json_ if doc.interrupt_on else None
            return self._audio(doc.send_audio, interrupt_on)
        if doc.close:
            return model.CloseSession(doc.close.code, doc.close.reason)
        if doc.drop:
            return model.Fault("reset_peer")
        if fault is not None:
            return fault
        return model.Pause(doc.pause or 0.0)

    def _go_away(self, doc: GoAwayDoc) -> model.Send:
        """As Google writes it; a Duration in JSON is seconds with the unit, `50s` or `9.5s` (wire-live 4)."""
        seconds = f"{doc.time_left:.9f}".rstrip("0").rstrip(".")
        payload = payload_of_text(json_text({"goAway": {"timeLeft": f"{seconds}s"}}, "compact"), "json")
        return model.Send(payload, _OPCODES[self._opcode])

    def _audio(self, doc: SendAudioDoc, interrupt_on: model.JsonPattern | None) -> model.SendAudio:
        pcm = self._files[doc.file] if doc.file else None
        pace = {"realtime": 1.0, "none": 0.0}.get(doc.pace) if isinstance(doc.pace, str) else doc.pace
        return model.SendAudio(
            duration_s=len(pcm) / 2 / doc.rate_hz if pcm is not None else doc.duration or 0.0,
            frame_s=doc.frame,
            rate_hz=doc.rate_hz,
            tone_hz=doc.tone_hz or 0.0,
            pcm=pcm,
            pace=pace or 0.0,
            opcode=_OPCODES[doc.opcode or self._opcode],
            interrupt_on=interrupt_on,
        )

    def _reply(self, doc: ReplyDoc, times: int, fault: model.Fault | None) -> model.Reply:
        if doc.rpc_status is None:
            return model.Reply(
                doc.status or 200, _headers(doc.headers), self.payload(doc, doc.layout), times=times, fault=fault
            )
        status = doc.status or HTTP_STATUS[doc.rpc_status.code]
        payload = payload_of_text(json_text(_rpc_status(doc.rpc_status, status), doc.layout), "json")
        return model.Reply(status, _headers(doc.headers), payload, times=times, fault=fault)

    def _error(self, doc: ErrorDoc, times: int, fault: model.Fault | None) -> model.Reply | model.CloseSession:
        if self._surface.is_live:
            return error_close(doc, self._surface, self._model_id)
        return error_reply(doc, self._surface, times, fault)

    def _operation(self, doc: OperationDoc) -> model.StartOperation:
        then = doc.then
        outcome: model.Videos | model.OperationResponse | model.OperationError
        if then.videos is not None:
            outcome = model.Videos(then.videos, then.filtered, tuple(then.reasons or ()), _film(then.film))
        elif then.error is not None:
            outcome = model.OperationError(then.error.code, then.error.message)
        else:
            outcome = model.OperationResponse(then.response or {})
        failure = None if doc.poll_error is None else error_reply(doc.poll_error, self._surface, 1, None)
        times = doc.running_polls, doc.running_for, doc.gone_after
        return model.StartOperation(outcome, *times, doc.failing_polls or 0, failure)

    def _stream(self, doc: StreamDoc, times: int, fault: model.Fault | None) -> model.Stream:
        parts = tuple(self._chunk(chunk) for chunk in doc.chunks)
        return model.Stream(parts, doc.status, _headers(doc.headers), doc.framing, times=times, fault=fault)

    def _chunk(self, doc: ChunkDoc) -> model.StreamChunk | model.Pause | model.Fault:
        if doc.pause is not None:
            return model.Pause(doc.pause)
        if doc.fault is not None:
            return fault_of(doc.fault, self.payload)
        if doc.error is not None:
            return model.StreamChunk(error_payload(doc.error, self._surface, "event"))
        if doc.raw is not None and doc.raw.error is not None:
            return model.StreamChunk(error_payload(doc.raw.error, self._surface, "google"), framed=False)
        if doc.raw is not None:
            return model.StreamChunk(self.payload(doc.raw, "google"), framed=False)
        # In array framing the player lays an element out anew; most streams are events.
        return model.StreamChunk(self.payload(doc, "event"))

    def _call(self, doc: CallDoc, retry: RetryDoc | None) -> model.Call:
        wait_s = retry.wait if retry and not isinstance(retry.wait, str) else None
        return model.Call(
            method=doc.method,
            payload=self.payload(doc, doc.layout),
            headers=_headers(doc.headers),
            query=urlencode(doc.query),
            http_method=doc.http_method,
            path=doc.path,
            retry=model.Retry(tuple(retry.on), retry.at_most, wait_s) if retry else None,
        )

    def payload(self, doc: BodyDoc, layout: Layout) -> model.Payload:
        """The body's bytes, or places to be filled in them."""
        if doc.text is not None:
            return payload_of_text(doc.text, "text")
        if doc.base64 is not None:
            return model.Payload((doc.base64,), "bytes")
        if doc.file is not None:
            return model.Payload((self._files[doc.file],), "bytes")
        if "json_" in doc.model_fields_set:
            return payload_of_text(json_text(doc.json_, layout), "json")
        return model.EMPTY


def _receive(doc: ReceiveDoc) -> model.Receive:
    return model.Receive(
        pattern=doc.json_ if not doc.any else None,
        close=bool(doc.close),
        min_bytes=doc.min_bytes,
        within_s=doc.within,
    )


def _film(doc: FilmDoc | None) -> model.FilmWords:
    if doc is None:
        return model.FilmWords()
    width, _, height = (doc.size or "").partition("x")
    return model.FilmWords((int(width), int(height)) if doc.size else None, doc.duration, doc.rate, doc.sound)


def _headers(fields: dict[str, list[str]]) -> RawHeaders:
    return tuple((name.encode("ascii"), text.encode("latin-1")) for name, texts in fields.items() for text in texts)


def _rpc_status(doc: RpcStatusDoc, status: int) -> dict[str, Any]:
    return rpc_status(status, doc.message, [_detail(detail) for detail in doc.details], doc.code)


def _detail(doc: DetailDoc) -> Detail:
    if doc.retry_info:
        return retry_info(doc.retry_info.retry_delay)
    if doc.quota_failure:
        return quota_failure(_violations(doc.quota_failure))
    if doc.help:
        return help_links([(link.description, link.url) for link in doc.help.links])
    if doc.error_info:
        return error_info(doc.error_info.reason, doc.error_info.domain, doc.error_info.metadata)
    if doc.localized_message:
        return localized_message(doc.localized_message.message, doc.localized_message.locale)
    if doc.bad_request:
        return bad_request([(found.field, found.description) for found in doc.bad_request.field_violations])
    raise AssertionError(f"a detail without any of {DETAIL_WORDS} is refused when it is read")


def _violations(doc: QuotaFailureDoc) -> list[dict[str, Any]]:
    own = _violation(doc)
    return ([own] if own else []) + [_violation(violation) for violation in doc.violations or ()]


def _violation(doc: QuotaViolationDoc) -> dict[str, Any]:
    """In the order in which Google writes the members (wire-http 5.2)."""
    members = {
        "quotaMetric": doc.quota_metric,
        "quotaId": doc.quota_id,
        "quotaDimensions": doc.quota_dimensions,
        "quotaValue": doc.quota_value,
    }
    return {name: value for name, value in members.items() if value is not None}
