"""What passes between the relay and the upstream connections, as values, and the error that ends an exchange. Pure."""

import msgspec

from understudy.messages import RawHeaders

from ..refusals import Reason
from ..routes import Upstream


class UpstreamError(Exception):
    """The exchange failed. `reason` is the refusal to answer with if no head came yet; `was_sent`: maybe executed."""

    def __init__(self, reason: Reason, *, was_sent: bool) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.was_sent = was_sent


class UpstreamSilent(UpstreamError):
    """The provider neither sent nor took anything for as long as it may."""

    def __init__(self) -> None:
        super().__init__(Reason.FIRST_BYTE_TIMEOUT, was_sent=True)


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request to be sent. `headers` have neither Host nor framing.

    `length` is the body's length in bytes if it is known; `is_chunked`: there is a body of unknown length; else none.
    """

    method: str
    upstream: Upstream
    target: bytes
    headers: RawHeaders
    length: int | None = None
    is_chunked: bool = False

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body will follow the head."""
        return self.is_chunked or bool(self.length)


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """An answer's head as it came, but for white space around values. `length` is None where none is given."""

    status: int
    phrase: bytes
    headers: RawHeaders
    length: int | None = None
