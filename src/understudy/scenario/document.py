"""A scenario as people write it: the vocabulary of a scenario file, with a sentence for each word.

`parse.py` turns it into the values of `model.py`; `schema.py` gives it to editors.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from .document_bodies import (
    BodyDoc,
    Doc,
    ErrorWord,
    FaultDoc,
    ReplyDoc,
    Status,
    StreamDoc,
    exactly_one,
    files_of,
)
from .document_faults import CloseDoc, InjectionDoc
from .document_match import MatchDoc, SurfaceName
from .document_operations import OperationDoc
from .layout import Layout, slot_mistakes
from .scalars import Count, Duration, Headers, Money, NamePath

Opcode = Literal["text", "binary"]


class PatternDoc(Doc):
    """A pattern of a message."""

    json_: Any = Field(alias="json")
    """What must be there: "*" fits anything, an object is a subset, a list goes by position, null must be absent."""


def _receive_word(value: Any) -> Any:
    return {value: True} if value in ("close", "any") else value


class ReceiveDoc(Doc):
    """Wait for the other side: `close`, `any`, or a pattern."""

    json_: Any = Field(default=None, alias="json")
    """What the next message must have."""
    close: Literal[True] | None = None
    """Wait until the other side closes."""
    any: Literal[True] | None = None
    """Take any message."""
    min_bytes: Annotated[int, Field(ge=0)] = 0
    """Take messages until that many bytes of media have come (of messages, if they carry no media)."""
    within: Duration | None = None
    """The deadline of the whole wait."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("json", "close", "any"), "receive")
        return self


ReceiveWord = Annotated[
    ReceiveDoc,
    BeforeValidator(_receive_word, json_schema_input_type=Literal["close", "any"] | ReceiveDoc),
]


class ReceiveUntilDoc(Doc):
    """Take messages until one fits, or all of them until the other side closes."""

    json_: Any = Field(default=None, alias="json")
    """What the message must have."""
    close: Literal[True] | None = None
    """Until the other side closes."""
    within: Duration | None = None
    """The deadline of the whole wait."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("json", "close"), "receive_until")
        return self


ReceiveUntilWord = Annotated[
    ReceiveUntilDoc,
    BeforeValidator(
        lambda value: {"close": True} if value == "close" else value,
        json_schema_input_type=Literal["close"] | ReceiveUntilDoc,
    ),
]


class GoAwayDoc(Doc):
    """The service's warning that it will end the session (wire-live 5.6)."""

    time_left: Duration
    """How long the client still has."""


class SendDoc(BodyDoc):
    """One WebSocket message."""

    opcode: Opcode | None = None
    """text or binary; absent: as `defaults` says, else binary."""
    layout: Layout = "compact"


class SendAudioDoc(Doc):
    """Audio as a run of messages: exactly one of tone_hz, silence and file."""

    tone_hz: Annotated[float, Field(gt=0, le=24000, strict=False)] | None = None
    silence: Literal[True] | None = None
    file: NamePath | None = None
    """PCM16 little-endian mono, without a header."""
    duration: Duration | None = None
    """How long; a file says it itself."""
    frame: Duration = 0.04
    """The length of one message."""
    pace: Literal["realtime", "none"] | Annotated[float, Field(ge=0, strict=False)] = "none"
    """realtime, none (at once), or the factor on real time."""
    rate_hz: Annotated[int, Field(ge=1000, le=192_000)] = 24_000
    opcode: Opcode | None = None

    @model_validator(mode="after")
    def _one(self, info: ValidationInfo) -> Self:
        word = exactly_one(self, ("tone_hz", "silence", "file"), "send_audio")
        if (word == "file") == (self.duration is not None):
            raise ValueError("send_audio needs a duration" if word != "file" else "a file says its duration itself")
        if self.frame < 0.001 or (self.duration or 0) > 3600:
            raise ValueError("a frame lasts at least 1ms, the audio at most 60m")
        if self.file is not None:
            files_of(info).check(self.file)
            if not files_of(info)[self.file] or len(files_of(info)[self.file]) % 2:
                raise ValueError("the file must hold whole 16-bit samples, at least one")
        return self


class RetryDoc(Doc):
    """When a client asks again."""

    on: list[Status]
    wait: Literal["retry_info"] | Duration = "retry_info"
    """As RetryInfo says, or a duration."""
    at_most: Count


class CallDoc(BodyDoc):
    """A client's HTTP request."""

    method: str = "generateContent"
    """The verb after the colon."""
    headers: Headers = Field(default_factory=dict[str, list[str]])
    query: dict[str, str] = Field(default_factory=dict[str, str])
    http_method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    path: str | None = None
    """A path of its own, instead of the model's."""
    layout: Layout = "compact"

    body_is_needed: ClassVar[bool] = False

    @model_validator(mode="after")
    def _path(self) -> Self:
        mistakes = list(slot_mistakes(self.path))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        if self.path is not None and not self.path.startswith("/"):
            raise ValueError("a path starts with '/'")
        return self


class StartDoc(BodyDoc):
    """A client's start of an operation."""

    layout: Layout = "compact"


class PollDoc(Doc):
    """A client's polls until its operation is done."""

    every: Duration
    at_most: Count


def _download_word(value: Any) -> Any:
    return True if value == {} else value


class StepDoc(Doc):
    """One step: exactly one step word, and what stands beside it (held by fitting.py)."""

    receive: ReceiveWord | None = None
    receive_until: ReceiveUntilWord | None = None
    send: SendDoc | None = None
    send_audio: SendAudioDoc | None = None
    pause: Duration | None = None
    close: CloseDoc | None = None
    drop: Literal[True] | None = None
    """The connection is gone, without a close frame."""
    fault: FaultDoc | None = None
    """A fault by itself, or one that befalls the send, reply or stream beside it."""
    interrupt_on: PatternDoc | None = None
    """Beside send_audio: a message that fits ends the audio."""

    step_words: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[dict[str, tuple[str, ...]]] = {}


class ServerStepDoc(StepDoc):
    """One step of the server."""

    repeat: "ServerRepeatDoc | None" = None
    branch: "ServerBranchDoc | None" = None
    reply: ReplyDoc | None = None
    stream: StreamDoc | None = None
    operation: OperationDoc | None = None
    go_away: GoAwayDoc | None = None
    error: ErrorWord | None = None
    """One of the services' errors, by its name; on Live the session is closed with it."""
    times: Count | None = None
    """Beside reply, stream or error: that many requests get this answer."""

    step_words: ClassVar[tuple[str, ...]] = (
        *("receive", "receive_until", "send", "send_audio", "pause", "close", "drop", "fault", "repeat", "branch"),
        *("reply", "stream", "operation", "go_away", "error"),
    )
    beside: ClassVar[dict[str, tuple[str, ...]]] = {
        "times": ("reply", "stream", "error"),
        "fault": ("send", "reply", "stream", "error"),
        "interrupt_on": ("send_audio",),
    }


class ServerRepeatDoc(Doc):
    """Steps that are played again and again."""

    steps: Annotated[list[ServerStepDoc], Field(min_length=1)]
    times: Count | None = None
    """Absent: without end, until the other side closes."""


class ServerCaseDoc(Doc):
    """One way out of a branch."""

    match: PatternDoc
    steps: list[ServerStepDoc]


class ServerBranchDoc(Doc):
    """What the next message fits decides how it goes on."""

    cases: Annotated[list[ServerCaseDoc], Field(min_length=1)]
    otherwise: list[ServerStepDoc] = Field(default_factory=list["ServerStepDoc"])


class ClientStepDoc(StepDoc):
    """One step of the client."""

    repeat: "ClientRepeatDoc | None" = None
    branch: "ClientBranchDoc | None" = None
    call: CallDoc | None = None
    start: StartDoc | None = None
    poll: PollDoc | None = None
    download: Annotated[Literal[True] | None, BeforeValidator(_download_word)] = Field(
        default=None, json_schema_extra={"anyOf": [{"const": True}, {"type": "object", "maxProperties": 0}]}
    )
    retry: RetryDoc | None = None
    """Beside call: when the client asks again."""

    step_words: ClassVar[tuple[str, ...]] = (
        *("receive", "receive_until", "send", "send_audio", "pause", "close", "drop", "fault", "repeat", "branch"),
        *("call", "start", "poll", "download"),
    )
    beside: ClassVar[dict[str, tuple[str, ...]]] = {
        "retry": ("call",),
        "fault": ("send",),
        "interrupt_on": ("send_audio",),
    }


class ClientRepeatDoc(Doc):
    """Steps that are played again and again."""

    steps: Annotated[list[ClientStepDoc], Field(min_length=1)]
    times: Count | None = None


class ClientCaseDoc(Doc):
    """One way out of a branch."""

    match: PatternDoc
    steps: list[ClientStepDoc]


class ClientBranchDoc(Doc):
    """What the next message fits decides how it goes on."""

    cases: Annotated[list[ClientCaseDoc], Field(min_length=1)]
    otherwise: list[ClientStepDoc] = Field(default_factory=list["ClientStepDoc"])


PollState = Literal["running", "done", "error"]
TokenCount = Annotated[int, Field(ge=0)]
Modality = Literal["text", "audio", "image", "video", "document"]


class ExpectDoc(Doc):
    """What must hold after the conversation."""

    bodies: Literal["unchanged"] | None = None
    frames: Literal["unchanged"] | None = None
    operation_name: Literal["unchanged"] | None = None
    usage: dict[Literal["prompt", "response"], dict[Modality, TokenCount]] = Field(
        default_factory=dict[Literal["prompt", "response"], dict[Modality, TokenCount]]
    )
    cost: Money | None = None
    """US dollars by the frozen price book; write the sum beside it in a comment."""
    statuses: list[Status] = Field(default_factory=list[Status])
    polls: list[PollState] = Field(default_factory=list[PollState])
    upstream_requests: Annotated[int, Field(ge=0)] | None = None
    close: int | None = None
    """The close code that the client sees."""


class DefaultsDoc(Doc):
    """What steps are unless they say otherwise."""

    opcode: Opcode = "binary"


class ScenarioDoc(Doc):
    """One scripted conversation: what each side does, and what must hold."""

    id: NamePath | None = None
    """The path of the file below the scenarios folder, without its ending."""
    title: Annotated[str, Field(min_length=1)]
    surface: SurfaceName
    model: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    defaults: DefaultsDoc = DefaultsDoc()
    match: MatchDoc = MatchDoc()
    server: Annotated[list[ServerStepDoc], Field(min_length=1)] = Field(default_factory=list["ServerStepDoc"])
    """What the simulator does."""
    faults: Annotated[list[InjectionDoc], Field(min_length=1)] = Field(default_factory=list[InjectionDoc])
    """What is done to its answers on purpose; without `server` to whatever is answered."""
    client: list[ClientStepDoc] = Field(default_factory=list["ClientStepDoc"])
    """What a driver does."""
    expect: ExpectDoc = ExpectDoc()
