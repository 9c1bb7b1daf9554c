"""Which reader fits an exchange: chosen by method, content type and content coding."""

from typing import Final

from .generate import ArrayReader, ContentReader, StreamReader, UnaryReader
from .inflate import BlindReader, inflating
from .operations import OperationReader
from .partners import PartnerReader, PartnerStreamReader
from .policies import DOCUMENTED, Policies
from .predictions import PredictionReader
from .reading import Reader
from .resources import CollectionReader

OPERATION_METHODS: Final = frozenset({"predictLongRunning", "fetchPredictOperation", "get"})
"""Methods whose answer may be about a long-running operation; `get` is any named resource."""

UNREAD_METHODS: Final = frozenset({"countTokens", "computeTokens"})
"""Methods whose answer never tells anything about cost: they are free (pricing 18)."""

PARTNER_METHODS: Final = frozenset({"rawPredict", "streamRawPredict", "chat/completions", "embeddings"})
"""Methods of Claude's and OpenAI's shape. The last two are path ends of the OpenAI-compatible surface."""

PREDICTION_METHODS: Final = frozenset({"predict", "embedContent", "batchEmbedContents"})
"""Methods that answer with pictures, clips, vectors or an older model's text."""

_JSON: Final = "application/json"


def reader_for(
    method: str,
    content_type: str,
    content_encoding: str,
    *,
    with_content: bool = False,
    policies: Policies = DOCUMENTED,
) -> Reader:
    """The reader for the answer to `method` (`Place.method`), by the answer's two header values (empty if absent).

    `with_content`: what the answer says is counted too, for the few models that bill by it (`needs_content`).
    """
    if method == "generateContent" and not (with_content or content_encoding) and content_type.startswith(_JSON):
        return UnaryReader()  # as below, with fewer questions: most answers are of this kind
    kind = content_type.partition(";")[0].strip().lower()
    return inflating(content_encoding, _plain_reader(method, kind, with_content, policies))


def _plain_reader(method: str, kind: str, with_content: bool, policies: Policies) -> Reader:
    if method in UNREAD_METHODS:
        return BlindReader()
    if method in PARTNER_METHODS:
        # Whether it streams shows in the answer's content type, not in the path (pricing 16).
        return PartnerStreamReader() if kind == "text/event-stream" else PartnerReader()
    if kind == "text/event-stream":
        return StreamReader(policies, with_content=with_content)
    if method in PREDICTION_METHODS:
        return PredictionReader()
    if method in OPERATION_METHODS:
        # A resource may be a file of any size and kind: only JSON can be about an operation.
        return OperationReader() if method != "get" or kind in ("application/json", "") else BlindReader()
    if method == "streamGenerateContent":
        return ArrayReader(policies, with_content=with_content)
    if method == "list":
        return CollectionReader()
    return ContentReader() if with_content else UnaryReader()
