"""How Live sessions are refused: close codes and reasons as data, and who says them (wire-live 5.1). Pure.

The services refuse after the handshake, by a close frame; the code follows from the google.rpc.Code, the reason is its
message, cut at 123 bytes. What the simulator says for itself is 1008 with a reason that starts with `understudy: `.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from understudy.provider_errors.live import CLOSE_CODES, cut_reason
from understudy.rpc_status import RPC_NAME
from understudy.surfaces import Place, model_id

from ..cues import Action, CloseWith, Event, Finished
from ..google_errors import GoogleError, unknown_model
from .families import family_of

_QUERY_FIELDS: Final = frozenset(
    {
        *("key", "access_token", "oauth_token", "alt", "$alt", "$.xgafv", "$httpHeaders", "$httpMethod", "callback"),
        *("fields", "prettyPrint", "quotaUser", "uploadType", "upload_protocol", "$prettyPrint", "$unique"),
    }
)
"""Google's system parameters (https://cloud.google.com/apis/docs/system-parameters)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A close frame that ends a session: code, and the reason before it is cut."""

    code: int
    reason: str

    @property
    def cut(self) -> str:
        """The reason as it fits into a close frame."""
        return cut_reason(self.reason)


class Refusing:
    """In the place of who would answer a session: closes it with its refusal."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal
        self.finished = False
        self.is_behind = False

    def on(self, event: Event) -> tuple[Action, ...]:
        """The refusal, whatever happens first."""
        if self.finished:
            return ()
        self.finished = True
        return (CloseWith(self._refusal.code, self._refusal.reason), Finished())


INVALID_ARGUMENT: Final = Refusal(1007, "Request contains an invalid argument.")
VOICE_WITHOUT_AUDIO: Final = Refusal(1007, "Cannot extract voices from a non-audio request.")
MEDIA_CHUNKS: Final = Refusal(1007, "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.")
ACTIVITY_CONTROL: Final = Refusal(
    1007, "Explicit activity control is not supported when automatic activity detection is enabled."
)
MALFORMED_HANDLE: Final = Refusal(1007, "Invalid session handle")
UNKNOWN_HANDLE: Final = Refusal(1008, "BidiGenerateContent session not found")
GO_AWAY_IGNORED: Final = Refusal(
    1008,
    "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the "
    "session duration limit was reached.",
)
DEADLINE: Final = Refusal(1011, "Deadline expired before operation could complete.")
ABORTED: Final = Refusal(1008, "The operation was aborted")
TOKEN_EXPIRED: Final = Refusal(1008, "The ephemeral token has expired.")
UNAVAILABLE: Final = Refusal(1011, "The service is currently unavailable.")


def traced(code: int, trace_id: str, error: str) -> Refusal:
    """A refusal in the words of a backend, which begin with the id of a trace: 16 hex digits."""
    return Refusal(code, f"Request trace id: {trace_id}, [ORIGINAL ERROR] {error}")


def two_modalities(trace_id: str) -> Refusal:
    """Text and audio were asked of a model of 2024."""
    return traced(1007, trace_id, "generic::invalid_argument: Error in program Instantiation for language")


def too_many_sessions(trace_id: str) -> Refusal:
    """As many sessions as are allowed are open."""
    return traced(
        1011,
        trace_id,
        "generic::resource_exhausted: RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded.",
    )


def idle_refusal(model: str, trace_id: str) -> Refusal:
    """Nothing happened for too long on a session of that model; those of 2024 say it in the backend's words."""
    if family_of(model).tells_traces:
        return traced(1011, trace_id, "RPC::DEADLINE_EXCEEDED: ")
    return DEADLINE


def refusal_of(error: GoogleError) -> Refusal:
    """An error of the HTTP surfaces as it looks on a Live session."""
    name = error.name or RPC_NAME.get(error.status, "INTERNAL")
    return Refusal(CLOSE_CODES.get(name, 1011), error.message)


def unknown_live_model(name: str, place: Place) -> Refusal:
    """The model of a setup message (`name` as sent) does not exist on the service, or has no Live sessions."""
    return refusal_of(unknown_model(live_model_place(name, place)))


def live_model_place(name: str, place: Place) -> Place:
    """The place of the model that a setup message names, as if a path had named it."""
    parts = name.split("/")
    named = dict(zip(parts[0::2], parts[1::2], strict=False))
    is_vertex = place.surface.is_vertex
    return Place(
        place.surface,
        "bidiGenerateMusic" if place.method == "bidiGenerateMusic" else "bidiGenerateContent",
        place.version,
        name if "/" in name else f"models/{name}",
        model=model_id(name),
        project=named.get("projects"),
        location=named.get("locations"),
        publisher=named.get("publishers", "google") if is_vertex else None,
    )


def unsupported_modalities(modalities: Sequence[str], model_name: str) -> Refusal:
    """The model does not answer in those modalities."""
    wanted = ", ".join(modalities)
    return Refusal(
        1007, f"The requested combination of response modalities ({wanted}) is not supported by the model. {model_name}"
    )


def unsupported_language(code: str, model_name: str) -> Refusal:
    """Speech is not to be had in that language; only the beginning of the text is known from reports."""
    return Refusal(1007, f"Unsupported language code '{code[:40]}' for model {model_name}")


def malformed_message(raw: bytes) -> Refusal:
    """A message is no JSON object."""
    return Refusal(1007, f"Invalid JSON payload received. Unexpected token.\n{raw[:40].decode('utf-8', 'replace')}\n^")


def unknown_field(name: str, path: str = "") -> Refusal:
    """A message has a member that its type does not have."""
    where = f" at '{path}'" if path else ""
    return Refusal(1007, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def bad_base64(path: str) -> Refusal:
    """The data of a blob is not base64."""
    return Refusal(1007, f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed.")


def query_refusal(query: str) -> Refusal | None:
    """The refusal of a raw query that holds a field which Google does not know; None if it knows them all."""
    for name, _ in parse_qsl(query, keep_blank_values=True, encoding="latin-1"):
        if name not in _QUERY_FIELDS:
            return Refusal(
                1007,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request.",
            )
    return None


def own_refusal(why: str) -> Refusal:
    """The simulator speaks for itself."""
    return Refusal(1008, f"understudy: {why}")
