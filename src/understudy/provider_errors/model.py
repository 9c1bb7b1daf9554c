"""What an error of the services is as a value, and what the catalogue says of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..messages import RawHeaders
from ..rpc_status import RPC_NAME, Detail, rpc_status

Known = Literal["captured", "documented", "assumed"]
"""How well a text is known: seen in real traffic, told by Google's documentation, or general knowledge of the platform.

These are wire-http's tags R, I and C; D, S and W; U.
"""

Service = Literal["gemini", "vertex"]

GEMINI_SERVICE: Final = "generativelanguage.googleapis.com"
VERTEX_SERVICE: Final = "aiplatform.googleapis.com"


@dataclass(frozen=True, slots=True)
class ProviderError:
    """One error: HTTP status, message, details in Google's order, the google.rpc.Code name where it is not the usual
    one of the status, and header fields beside the usual ones.

    `page` set: the frontend's own HTML page, which has no envelope.
    """

    status: int
    message: str
    details: tuple[Detail, ...] = ()
    code: str | None = None
    headers: RawHeaders = ()
    page: str | None = None

    @property
    def rpc_name(self) -> str:
        """The google.rpc.Code name, as in `status` of the envelope."""
        return self.code or RPC_NAME.get(self.status, "UNKNOWN")

    @property
    def value(self) -> dict[str, Any]:
        """The JSON value of its envelope (wire-http 5.1)."""
        return rpc_status(self.status, self.message, self.details, self.code)


Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NamedError:
    """An error that can be called by its name.

    `meaning` is one sentence, `parameters` are those it takes and what they are unless given. `{{model}}` and the other
    slots in them are filled with what the request says (scenario-format.md). `service` is whose error it is; None: both
    have it, each with its own words.
    """

    name: str
    meaning: str
    known: Known
    build: Callable[[Parameters], ProviderError]
    parameters: Parameters = field(default_factory=dict[str, str])
    service: Service | None = None


def host_of(is_vertex: bool) -> str:
    """The host name by which Google calls the service in error details."""
    return VERTEX_SERVICE if is_vertex else GEMINI_SERVICE
