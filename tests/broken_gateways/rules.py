"""What the honest gateway knows: its routes, which fields and parameters stay behind, and how paths are read. Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus

from understudy.surfaces import VERSION

from .books import Spend

CREDENTIAL_FIELDS: Final = frozenset(
    {
        *(b"authorization", b"x-goog-api-key", b"x-litellm-api-key", b"api-key", b"x-api-key"),
        *(b"ocp-apim-subscription-key", b"proxy-authorization"),
    }
)
KEY_PARAMETERS: Final = frozenset({"key", "access_token", "oauth_token"})
KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
DENIED: Final = (
    CREDENTIAL_FIELDS | HOP_BY_HOP | {b"host", b"content-length", b"cookie", b"expect", b"forwarded", b"tags"}
)
"""What `x-pass-` cannot set, with what begins so:"""
DENIED_STARTS: Final = (b"x-forwarded-", b"proxy-", b"sec-websocket-", b"x-litellm-", b"x-pass-", b"x-mock-testing-")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PREFIXES: Final = ("/gemini", "/vertex_ai", "/vertex-ai")
SHORT_LIVE: Final = ("/vertex_ai/live", "/vertex-ai/live", "/v1/vertex-ai/live")
VERTEX_LIVE: Final = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


@dataclass(frozen=True)
class Setting:
    """What every gateway of this folder is given; `upstream` is the provider's host and port."""

    upstream: tuple[str, int]
    key: str
    spend: Spend
    project: str
    location: str


def completed(path: str, setting: Setting) -> str:
    """A path of Vertex AI; a short one with version, project and location."""
    version, _, rest = path.removeprefix("/").partition("/")
    if not VERSION.fullmatch(version):
        version, rest = "v1", path.removeprefix("/")
    if not rest.startswith("publishers/"):
        return path
    return f"/{version}/projects/{setting.project}/locations/{setting.location}/{rest}"


def climbs(path: str) -> bool:
    """Whether the dot segments of a path, decoded once, lead above where it begins (RFC 3986 5.2.4)."""
    depth = 0
    for segment in unquote(path).split("/")[1:]:
        depth += {"..": -1, ".": 0}.get(segment, 1)
        if depth < 0:
            return True
    return False


def parameter_name(part: str) -> str:
    """The name of one `name=value` of a query, decoded to be compared."""
    return unquote_plus(part.partition("=")[0])
