"""Bodies as people write them: exactly one of json, text, base64 and file; in replies also rpc_status."""

from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from ..errors import did_you_mean
from ..provider_errors.catalogue import ERRORS, mistake_in, provider_error
from ..rpc_status import HTTP_STATUS
from .layout import Layout, slot_mistakes
from .scalars import Base64, Duration, Headers, NamePath, duration_s

Status = Annotated[int, Field(ge=200, le=599)]
Parameter = str | Annotated[int, Field(ge=0)] | None
"""A parameter of an error; numbers may stand without quotes."""


class Doc(BaseModel):
    """What all parts of a document have in common: no unknown keys, no silent conversion, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def exactly_one(doc: Doc, words: tuple[str, ...], what: str) -> str:
    """The one of `words` (as written in the document) that is set. Raises ValueError if it is none or several."""
    given = [word for word in words if _attribute(doc, word) in doc.model_fields_set]
    if len(given) != 1:
        found = "both " + " and ".join(given) if len(given) == 2 else ", ".join(given) or "none of them"
        raise ValueError(f"{what} needs exactly one of {', '.join(words)}; found {found}")
    return given[0]


def _attribute(doc: Doc, word: str) -> str:
    fields = type(doc).model_fields
    return next((name for name, info in fields.items() if info.alias == word), word)


class BodyDoc(Doc):
    """A body or a message: exactly one of json, text, base64 and file."""

    json_: Any = Field(default=None, alias="json")
    """A JSON value, written as YAML."""
    text: str | None = None
    """The exact text."""
    base64: Base64 | None = None
    """The exact bytes."""
    file: NamePath | None = None
    """A file below the scenario's folder that holds the exact bytes."""

    body_words: ClassVar[tuple[str, ...]] = ("json", "text", "base64", "file")
    body_is_needed: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_body(self, info: ValidationInfo) -> Self:
        given = set(self.body_words) & {"json" if name == "json_" else name for name in self.model_fields_set}
        if given or self.body_is_needed:
            exactly_one(self, self.body_words, "a body")
        mistakes = [*slot_mistakes(self.json_), *slot_mistakes(self.text)]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        if self.file is not None:
            files_of(info).check(self.file)
        return self


class Files:
    """The files that a document names, each read once. `read` raises OSError or ValueError."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._bytes: dict[str, bytes] = {}

    def check(self, name: str) -> None:
        """Read the file. Raises ValueError saying why it cannot be read."""
        if self._read is None:
            raise ValueError("a scenario that came without a folder names no files")
        if name not in self._bytes:
            try:
                self._bytes[name] = self._read(name)
            except OSError as error:
                raise ValueError(f"file '{name}' cannot be read: {error.strerror or type(error).__name__}") from None

    def __getitem__(self, name: str) -> bytes:
        return self._bytes[name]


def files_of(info: ValidationInfo) -> Files:
    """The files of the document that is being validated."""
    return info.context if isinstance(info.context, Files) else Files(None)


# ---- google.rpc.Status


class RetryInfoDoc(Doc):
    """google.rpc.RetryInfo."""

    retry_delay: str
    """A proto Duration such as 2s or 25.465784708s."""

    @model_validator(mode="after")
    def _delay(self) -> Self:
        if not self.retry_delay.endswith("s") or self.retry_delay.endswith("ms"):
            raise ValueError("retry_delay is a proto Duration: seconds, like 2s or 0.5s")
        duration_s(self.retry_delay)
        return self


class QuotaViolationDoc(Doc):
    """One violation of a google.rpc.QuotaFailure."""

    quota_metric: str | None = None
    quota_id: str | None = None
    quota_dimensions: dict[str, str] | None = None
    quota_value: str | None = None


class QuotaFailureDoc(QuotaViolationDoc):
    """google.rpc.QuotaFailure: one violation, or a list of them."""

    violations: list[QuotaViolationDoc] | None = None


class LinkDoc(Doc):
    """One link of a google.rpc.Help."""

    description: str
    url: str


class HelpDoc(Doc):
    """google.rpc.Help."""

    links: list[LinkDoc]


class ErrorInfoDoc(Doc):
    """google.rpc.ErrorInfo."""

    reason: str
    domain: str = "googleapis.com"
    metadata: dict[str, str] | None = None


class LocalizedMessageDoc(Doc):
    """google.rpc.LocalizedMessage."""

    message: str
    locale: str = "en-US"


class FieldViolationDoc(Doc):
    """One violation of a google.rpc.BadRequest."""

    description: str
    field: str | None = None


class BadRequestDoc(Doc):
    """google.rpc.BadRequest."""

    field_violations: list[FieldViolationDoc]


DETAIL_WORDS = ("retry_info", "quota_failure", "help", "error_info", "localized_message", "bad_request")


class DetailDoc(Doc):
    """One detail of a google.rpc.Status: exactly one of its words."""

    retry_info: RetryInfoDoc | None = None
    quota_failure: QuotaFailureDoc | None = None
    help: HelpDoc | None = None
    error_info: ErrorInfoDoc | None = None
    localized_message: LocalizedMessageDoc | None = None
    bad_request: BadRequestDoc | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, DETAIL_WORDS, "a detail")
        return self


def _rpc_code(value: str) -> str:
    if value not in HTTP_STATUS:
        raise ValueError(f"unknown code '{value}'{did_you_mean(value, HTTP_STATUS)}")
    return value


class RpcStatusDoc(Doc):
    """Google's error envelope (wire-http 5.1)."""

    code: Annotated[str, AfterValidator(_rpc_code)] = Field(json_schema_extra={"enum": list(HTTP_STATUS)})
    """The google.rpc.Code name."""
    message: str
    details: list[DetailDoc] = Field(default_factory=list[DetailDoc])


# ---- errors by name


class ErrorDoc(Doc):
    """One of the services' errors by its name, and its parameters."""

    name: str = Field(json_schema_extra={"enum": list(ERRORS)})
    """The name; docs/reference/errors.md lists them."""
    at: Parameter = None
    excerpt: Parameter = None
    field: Parameter = None
    file: Parameter = None
    high: Parameter = None
    limit: Parameter = None
    location: Parameter = None
    low: Parameter = None
    message: Parameter = None
    method: Parameter = None
    metric: Parameter = None
    model: Parameter = None
    operation: Parameter = None
    path: Parameter = None
    permission: Parameter = None
    project: Parameter = None
    publisher: Parameter = None
    quota_id: Parameter = None
    retry_after: Parameter = None
    retry_delay: Parameter = None
    rpc_method: Parameter = None
    service: Parameter = None
    status: Parameter = None
    type: Parameter = None
    value: Parameter = None
    version: Parameter = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that are given."""
        return {name: str(getattr(self, name)) for name in self.model_fields_set - {"name"}}

    @model_validator(mode="after")
    def _known(self) -> Self:
        mistake = mistake_in(self.name, self.parameters)
        mistakes = [mistake] if mistake else list(slot_mistakes(self.parameters))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


def _error_word(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _no_page(doc: ErrorDoc) -> ErrorDoc:
    if provider_error(doc.name, doc.parameters).page is not None:
        raise ValueError(f"'{doc.name}' is a page in HTML, which has no place in a stream")
    return doc


_ErrorName = Annotated[str, Field(json_schema_extra={"enum": list(ERRORS)})]
ErrorWord = Annotated[ErrorDoc, BeforeValidator(_error_word, json_schema_input_type=_ErrorName | ErrorDoc)]
StreamErrorWord = Annotated[ErrorWord, AfterValidator(_no_page)]


class RawDoc(BodyDoc):
    """Bytes of a stream that stand outside its framing: a body, or an error by its name."""

    error: StreamErrorWord | None = None
    """The bare error object, as Gemini breaks a stream off (wire-http 5.3)."""

    body_words: ClassVar[tuple[str, ...]] = (*BodyDoc.body_words, "error")


# ---- replies and streams


class ReplyDoc(BodyDoc):
    """One whole HTTP answer."""

    status: Status | None = None
    """The HTTP status; absent: that of rpc_status, else 200."""
    headers: Headers = Field(default_factory=dict[str, list[str]])
    """Fields in place of the usual ones; a list repeats a field."""
    rpc_status: RpcStatusDoc | None = None
    """An error in Google's envelope, in place of a body."""
    layout: Layout = "google"
    """How `json` is laid out: as Google's unary answers (default), without spaces, or as one line of a stream."""

    body_words: ClassVar[tuple[str, ...]] = (*BodyDoc.body_words, "rpc_status")
    body_is_needed: ClassVar[bool] = False


class FaultDoc(Doc):
    """Something bad done on purpose: exactly one of its words."""

    latency: Duration | None = None
    """Wait that long before."""
    jitter: Duration | None = None
    """Wait before each message or chunk, at most that long; how long comes from the seed."""
    stall: Duration | None = None
    """Neither read nor write for that long."""
    slow_head: Duration | None = None
    """The head of the answer takes that long, byte by byte."""
    slow_close: Duration | None = None
    """Hold the connection that long after all has been said, then close it."""
    bandwidth: Annotated[int, Field(ge=1)] | None = None
    """Send at most that many bytes a second."""
    slice: Annotated[int, Field(ge=1)] | Literal["utf8"] | None = None
    """Send in pieces of that many bytes; utf8: cut inside of each character of several bytes."""
    truncate: Annotated[int, Field(ge=0)] | None = None
    """Send that many bytes, then cut the connection."""
    reset_peer: Literal[True] | None = None
    """Reset the connection."""
    hang_up: Literal[True] | None = None
    """Close the connection (FIN) without ending what is being said."""
    half_close: Literal[True] | None = None
    """Send FIN, and hold the connection until the other side closes it."""
    stop: Literal[True] | None = None
    """From here on nothing more is sent; the connection stays open."""
    end: Literal[True] | None = None
    """The answer ends here, as if it were whole."""
    drop: Literal[True] | None = None
    """Leave the message or chunk out."""
    duplicate: Literal[True] | None = None
    """Send the message or chunk twice."""
    reorder: Literal[True] | None = None
    """Send the message or chunk behind the one that follows it."""
    insert: BodyDoc | None = None
    """Send this message before."""
    corrupt: Annotated[int, Field(ge=1)] | None = None
    """Change that many bytes, where the seed says."""
    shorten: Annotated[int, Field(ge=0)] | None = None
    """Keep that many bytes of the body or message, and end it properly."""
    pad: Annotated[int, Field(ge=1, le=256 * 1024 * 1024)] | None = None
    """Put that many spaces inside, where JSON allows it."""
    malformed: Literal[True] | None = None
    """Break the JSON: the first colon becomes a semicolon."""
    invalid_utf8: Literal[True] | None = None
    """Put a byte inside that no UTF-8 text has; on Live the message is sent as text."""
    duplicate_field: Annotated[str, Field(min_length=1)] | None = None
    """Write that member of the JSON object twice."""
    without: Annotated[str, Field(min_length=1)] | None = None
    """Leave out all members of that name, at any depth."""
    content_type: Annotated[str, Field(pattern=r"^[\t\x20-\x7e]+$")] | None = None
    """Send the answer as this type."""
    opcode: Annotated[int, Field(ge=0, le=15)] | None = None
    """Send the WebSocket message with that opcode (RFC 6455 section 5.2)."""
    reserved_bit: Annotated[int, Field(ge=1, le=3)] | None = None
    """Send the WebSocket frame with that reserved bit set."""
    masked: Literal[True] | None = None
    """Mask the WebSocket frame, as no server may."""
    ignore_pings: Literal[True] | None = None
    """Answer no ping any more."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, FAULT_WORDS, "a fault")
        return self


FAULT_WORDS = tuple(FaultDoc.model_fields)


class ChunkDoc(BodyDoc):
    """One part of a streamed body, or what happens between two parts."""

    error: StreamErrorWord | None = None
    """One of the services' errors by its name, as an event or an element of the array (wire-http 5.3)."""
    raw: RawDoc | None = None
    """Bytes that go out as they stand, outside the framing."""
    pause: Duration | None = None
    fault: FaultDoc | None = None

    body_words: ClassVar[tuple[str, ...]] = (*BodyDoc.body_words, "error", "raw", "pause", "fault")


class StreamDoc(Doc):
    """A streamed HTTP answer."""

    chunks: list[ChunkDoc]
    status: Status = 200
    headers: Headers = Field(default_factory=dict[str, list[str]])
    """Fields in place of the usual ones; a list repeats a field."""
    framing: Literal["auto", "sse", "array", "none"] = "auto"
    """auto follows the request: server-sent events with alt=sse, else Google's JSON array."""


def one_or_many(value: Any) -> Any:
    """A single value as a list of it."""
    return cast("Any", value if isinstance(value, list) else [value])
