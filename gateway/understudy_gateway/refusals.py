"""What the gateway itself answers: a fixed table (S-9), in Google's error shape, marked as the gateway's own (ERR-2).

A text may name a setting or a header, never a value, an address, a project or what the client sent.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Final

from understudy.messages import RawHeaders
from understudy.rpc_status import error_info, rpc_status

DOMAIN: Final = "gateway"

_TRAP: Final = (
    "The request names nothing below the base URL. google-genai does this in Vertex mode when project and location "
    "are not both arguments of the constructor: write genai.Client(vertexai=True, project=..., location=...)."
)
_LIVE_TRAP: Final = (
    "The request names something below a Live route. A client that has an API key, or a project and location, appends "
    "Google's own path to its base URL: give it .../vertex_ai (or .../gemini) as its base URL, not the Live route."
)
_PREFIXES: Final = (
    "No such route. The gateway serves /gemini/..., /vertex_ai/... and /vertex-ai/..., and Live sessions at "
    "/vertex_ai/live, /vertex-ai/live and /v1/vertex-ai/live."
)


class Reason(Enum):
    """Each refusal: HTTP status and text. `{}` takes the name of a setting or of a header."""

    BAD_REQUEST = 400, "The request is not HTTP/1.1 that can be read in one way only."
    INVALID_TARGET = 400, "The target of the request must be a path in visible ASCII."
    PATH_CLIMBS = 400, "The path climbs above the base URL by its dot segments."
    INVALID_LOCATION = 400, "The location is not one: letters a-z, digits and hyphens, such as us-central1 or global."
    INVALID_PROJECT = 400, "The project is not one: at most 63 of a-z, 0-9, '.', ':' and '-'."
    NO_PROJECT = 400, "The path names no project, and none is configured: set {}."
    NO_LOCATION = 400, "The path names no location, and none is configured: set {}."
    BASE_URL_TRAP = 400, _TRAP
    LIVE_BASE_URL_TRAP = 400, _LIVE_TRAP
    BAD_PARAMETER = 400, "The parameter {} has a value that it cannot have."
    UNKNOWN_PARAMETER = 400, "The query has a parameter that is not known here."
    KEY_ELSEWHERE = 400, "The gateway key stands in a place where it would reach the provider."
    GUARDRAIL = 400, "The guardrail {} does not let this request pass."
    MOCK_CONTEXT_WINDOW = 400, "Asked for by x-mock-testing: the input is longer than the model's context window."
    MOCK_CONTENT_POLICY = 400, "Asked for by x-mock-testing: the content is against the provider's policy."
    HEADER_DENIED = 400, "The header {} cannot be set with x-pass-."
    INVALID_HEADER = 400, "A header has a value that cannot be passed on."
    AMBIGUOUS_REQUEST = 400, "The request could be read in two ways, and what it may do or costs depends on which."
    NO_KEY = 401, "No gateway key: show it as x-goog-api-key, Authorization: Bearer, x-litellm-api-key or ?key=."
    WRONG_KEY = 401, "The gateway key is not valid."
    TWO_KEYS = 401, "The request shows two different gateway keys."
    NO_CREDENTIALS = 401, "The gateway has no credentials for this provider: set {}."
    ORIGIN_REFUSED = 403, "This web page may not use the gateway: see allowed_origins."
    MODEL_REFUSED = 403, "This gateway key may not use the model."
    MODEL_NOT_NAMED = 403, "This gateway key is limited to models, and the path names none."
    NOT_ADMIN = 403, "This key may not ask for that: the admin key is wanted."
    NOT_LOCAL = 403, "The admin port answers programs on this machine, at its loopback address."
    NO_ROUTE = 404, _PREFIXES
    NO_ADMIN_ROUTE = 404, "No such route. The admin port serves /health/..., /spend/logs, /spend/summary and /metrics."
    NO_STORE = 404, "The gateway keeps no spend store."
    METHOD_REFUSED = 405, "The gateway does not pass this method."
    REQUEST_TIMEOUT = 408, "The request body stopped before its end."
    HEAD_TIMEOUT = 408, "The head of the request was not there in time."
    BODY_TOO_LARGE = 413, "The request body is larger than the gateway's limit."
    LIMIT_REACHED = 429, "The gateway's limit of {} is reached."
    BUDGET_EXCEEDED = 429, "The budget of this gateway key is used up."
    MOCK_RATE_LIMIT = 429, "Asked for by x-mock-testing: the provider's limit is reached."
    HEAD_TOO_LARGE = 431, "The request line or the header is larger than the gateway's limit."
    INTERNAL = 500, "The gateway failed."
    UNREACHABLE = 502, "The provider cannot be reached."
    UPSTREAM_BROKE = 502, "The provider closed the connection before it answered."
    UPSTREAM_MALFORMED = 502, "The provider's answer is not HTTP."
    HOST_NOT_ALLOWED = 502, "The provider's host is none that may be connected to: see upstream_hosts, plain_upstream."
    CREDENTIALS_FAILED = 503, "The gateway could not get its token for this provider."
    STORE_DOWN = 503, "The gateway cannot write what requests cost, and is set to take none then."
    ADMIN_BUSY = 503, "The admin port has as many questions as it may."
    MOCK_UNAVAILABLE = 503, "Asked for by x-mock-testing: the provider is unavailable."
    STORE_UNREADABLE = 503, "The spend store could not be read in time."
    DRAINING = 503, "The gateway is shutting down."
    TOO_MANY_SESSIONS = 503, "The gateway has as many Live sessions as it takes."
    OVERLOADED = 503, "The gateway has no room for another connection."
    CONNECT_TIMEOUT = 504, "The provider could not be reached in time."
    FIRST_BYTE_TIMEOUT = 504, "The provider did not answer in time."
    LOOP_DETECTED = 508, "The provider's address is the gateway itself."

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of the gateway's own. `name` fills the text's `{}`, or is the `Allow` of a 405 if it is not the usual;
    `retry_after_s` becomes Retry-After.
    """

    reason: Reason
    name: str = ""
    retry_after_s: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.reason.status

    @property
    def message(self) -> str:
        """The text for people."""
        return self.reason.value[1].format(self.name)


class Refused(Exception):
    """The exchange ends with a refusal of the gateway's own. `was_sent`: the provider may have executed it."""

    def __init__(self, refusal: Refusal, *, was_sent: bool = False) -> None:
        super().__init__(refusal.reason.name)
        self.refusal = refusal
        self.was_sent = was_sent


def headers_of(refusal: Refusal) -> RawHeaders:
    """The header fields that belong to a refusal, without framing, ids and date."""
    fields = [
        (b"Content-Type", b"application/json; charset=UTF-8"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"x-understudy-error", refusal.reason.name.encode("ascii")),
    ]
    if refusal.status == 401:
        fields.append((b"WWW-Authenticate", b"Bearer"))
    if refusal.status == 405:
        fields.append((b"Allow", refusal.name.encode("ascii") or b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    if refusal.retry_after_s is not None:
        fields.append((b"Retry-After", str(refusal.retry_after_s).encode("ascii")))
    return tuple(fields)


def body_of(refusal: Refusal) -> bytes:
    """Google's error envelope as JSON bytes."""
    details = [error_info(refusal.reason.name, DOMAIN)]
    return json.dumps(rpc_status(refusal.status, refusal.message, details), indent=2).encode() + b"\n"
