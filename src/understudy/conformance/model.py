"""What the suite is made of: a Probe is played, a Case is what came of it, a Check judges Cases. Pure.

A Case holds all that a Check may look at, so that a recorded Case can be judged again years later.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ..messages import Exchange, RawHeaders, Response, Session, Transcript
from ..scenario.model import ClientStep, Scenario
from ..surfaces import Surface
from .target import Target

Level = Literal["must", "should", "may"]
"""RFC 2119: a broken MUST fails the run, a broken SHOULD warns, a MAY is informative."""

Status = Literal["passed", "warned", "failed", "errored", "skipped"]

Carrier = Literal["own", "none", "x-goog-api-key", "bearer", "query", "x-litellm-api-key", "api-key", "subprotocol"]
"""Where a client shows its gateway key; `own`: where the target says that its clients do."""

Framing = Literal["length", "chunked", "none"]

JSON_HEADERS: RawHeaders = ((b"Content-Type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Key:
    """How a client shows its gateway key. `value` None is the right one; text is shown in its place."""

    carrier: Carrier = "own"
    value: str | None = None


OWN_KEY = Key()
NO_KEY = Key("none")


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request of the client, byte for byte.

    `path` is the provider's raw path, put behind the target's prefix for the surface (`is_whole`: the gateway's own
    path, no prefix). In `path`, `query`, `headers` and `raw_lines` these slots are filled: `{{key}}` (the gateway
    key), `{{project}}`, `{{location}}`, `{{upstream}}` (`http://host:port` of the simulator).
    The head is: request line, Host, the key's field, the scope's field, `headers`, the framing's field, `raw_lines`
    (whole lines with their CRLF, sent as they stand). `pieces` of the body are sent with `piece_gap_s` between.
    `framing` none sends no framing field (and the body as it stands).
    `leaves`: when the client hangs up: None reads the answer to its end; `mid-upload` after the first piece was sent;
    `unanswered` once the provider has seen the request, before any byte of an answer; `mid-answer` once
    `leaves_after` bytes of the answer's body came. `expects_continue` sends `Expect: 100-continue` and the body only
    after an interim answer (or none in `continue_within_s`).
    """

    path: str
    method: str = "POST"
    query: str = ""
    headers: RawHeaders = JSON_HEADERS
    body: bytes = b""
    framing: Framing = "length"
    key: Key = OWN_KEY
    raw_lines: bytes = b""
    is_whole: bool = False
    pieces: int = 1
    piece_gap_s: float = 0.0
    expects_continue: bool = False
    continue_within_s: float = 2.0
    leaves: Literal["mid-upload", "unanswered", "mid-answer"] | None = None
    leaves_after: int = 0
    limit_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Ping:
    """A WebSocket ping of the client; the driver waits for its pong."""

    payload: bytes = b""
    within_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Drop:
    """The client's TCP connection is reset, without a close frame."""


@dataclass(frozen=True, slots=True)
class Converse:
    """One Live session of the client: the handshake, then its steps in order.

    `path` None is the surface's BidiGenerateContent path of Google's SDKs behind the target's prefix; `is_whole` as in
    `Ask`; slots as in `Ask`, in `path`, `query` and `headers`. At the end of the steps a session that is still open
    is closed with 1000.
    """

    steps: "tuple[ClientStep | Ping | Drop, ...]"
    path: str | None = None
    is_whole: bool = False
    query: str = ""
    headers: RawHeaders = ()
    subprotocols: tuple[str, ...] = ()
    offers_deflate: bool = False
    key: Key = OWN_KEY
    limit_s: float = 15.0


Move = Ask | Converse


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that is played: the scenario armed on the simulator and what the client does.

    `document` is the scenario as the control API takes it (None: `scenario` is a shipped one, armed by its id).
    `moves` None: the scenario's own `client` side. `features` are what the target must claim for it to be played.
    `settle_s` is how long the provider's side may take to end after the client's has; `speed` as of the control API;
    `times` how often the scenario may be played (None: without end).
    """

    scenario: Scenario
    features: tuple[str, ...]
    document: Mapping[str, Any] | None = None
    moves: tuple[Move, ...] | None = None
    speed: float = 0.0
    times: int | None = 1
    settle_s: float = 3.0

    @property
    def id(self) -> str:
        """The id of its scenario: `live/text-turn` of the library, `probe/url/encoded-slash` of the suite's own."""
        return self.scenario.id

    @property
    def surface(self) -> Surface:
        """The surface that it is played on."""
        return self.scenario.surface


@dataclass(frozen=True, slots=True)
class Asked:
    """What the client saw of one request. `exchange.request` is what it sent, with the path as the gateway got it.

    `provider_target` is the raw target that the provider should see, as far as the suite knows it (without the parts
    that belong to the gateway). `head_at` is when the head of the final answer was whole; `interim` the statuses of
    1xx answers; `exchange.response` None: no answer came. `problem` says what went wrong in words ("no answer in
    10 s", "connection reset").
    """

    ask: Ask
    provider_target: str
    exchange: Exchange
    head_at: float | None = None
    interim: tuple[int, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Conversed:
    """What the client saw of one session. `refusal` is the HTTP answer of a handshake that was not accepted.

    `session.close` is how it ended at the client: sender "server" if the gateway closed first, code None if it ended
    without a close frame (then `was_lost`) or by one without a code. `problem` says which step did not go as written.
    """

    converse: Converse
    session: Session
    refusal: Response | None = None
    subprotocol: str | None = None
    pongs: tuple[bytes, ...] = ()
    problem: str | None = None
    was_lost: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One entry of the gateway's books: an id (of the request, or the operation's name) and what it cost.

    `amount` None: the gateway calls the cost unknown.
    """

    id: str
    amount: Decimal | None
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """What the gateway's books hold of one case. `figures` may be empty: nothing was found in time."""

    figures: tuple[Figure, ...] = ()

    @property
    def total(self) -> Decimal | None:
        """The sum; None if one of them is unknown, or if there are none."""
        amounts = [figure.amount for figure in self.figures]
        if not amounts or None in amounts:
            return None
        return sum((amount for amount in amounts if amount is not None), Decimal(0))


@dataclass(frozen=True, slots=True)
class Case:
    """A probe that was played: what the client saw, what the provider saw, what the gateway's books say.

    `upstream` is the provider's transcript of the case's scope; `elsewhere` what it saw in that time outside every
    scope (token requests, strays). `books` None: the target does not show its costs, or no check asked. `expected` is
    the cost by the target's price book, None if the scenario names none. `origin` is the simulator's `host:port`;
    `seconds` is how long it was played.
    """

    probe: Probe
    target: Target
    asked: tuple[Asked, ...] = ()
    conversed: tuple[Conversed, ...] = ()
    upstream: Transcript = field(default_factory=Transcript)
    elsewhere: Transcript = field(default_factory=Transcript)
    books: Books | None = None
    expected: Decimal | None = None
    origin: str = ""
    scope: str = ""
    seconds: float = 0.0

    @property
    def client(self) -> Transcript:
        """The client's transcript."""
        return Transcript(tuple(asked.exchange for asked in self.asked), tuple(one.session for one in self.conversed))

    def pairs(self) -> Iterator[tuple[Asked, Exchange]]:
        """What the client asked beside what the provider was asked, in order, as far as both go."""
        return zip(self.asked, self.upstream.exchanges, strict=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: what is wrong in one sentence, and the evidence (short lines, `name: value`), shown redacted."""

    message: str
    evidence: tuple[str, ...] = ()
    is_timeout: bool = False


Judge = Callable[[Case], Iterable[Finding]]
"""Pure: the findings of one case; none if all held."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `id` is `<requirement id>/<slug>`; `sentence` the requirement in one sentence.

    `probes` are what it is played on; with none it judges every library scenario that `fits`. `features` are what the
    target must claim, beside those of the probe; `reference` says where the rule comes from (RFC section, issue, ...).
    """

    id: str
    sentence: str
    judge: Judge
    level: Level = "must"
    features: tuple[str, ...] = ()
    reference: str = ""
    probes: tuple[Probe, ...] = ()
    fits: Callable[[Scenario], bool] | None = None
    needs_books: bool = False

    @property
    def requirement(self) -> str:
        """The id of the requirement, such as `HDR-4`."""
        return self.id.partition("/")[0]

    @property
    def area(self) -> str:
        """The area of the requirement, such as `HDR`."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one check on one probe. `reason` is a word for what is not plain: `timeout`, `undeclared`,
    `unsupported`, `known deviation`, or the error's text when the suite could not judge."""

    check: Check
    probe: str
    status: Status
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """All that a report needs. `carriers` says by surface how the scope went through (`header`, `path`, `marker`,
    None: not at all, so played one by one); `cases` are the played ones by probe id; `command` is how it was called.
    """

    target: Target
    url: str
    simulator: str
    verdicts: tuple[Verdict, ...]
    carriers: Mapping[Surface, str | None]
    cases: Mapping[str, Case]
    started: str
    seconds: float
    versions: Mapping[str, str]
    command: tuple[str, ...]
    strict: bool = False
    is_partial: bool = False
