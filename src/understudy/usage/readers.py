"""Which reader fits an exchange: chosen by method, content type and content coding."""

from typing import Final

from .generate import ArrayReader, StreamReader, UnaryReader
from .inflate import BlindReader, inflating
from .operations import OperationReader
from .reading import Reader

OPERATION_METHODS: Final = frozenset({"predictLongRunning", "fetchPredictOperation", "get"})
"""Methods whose answer may be about a long-running operation; `get` is any named resource."""

UNREAD_METHODS: Final = frozenset({"countTokens", "computeTokens"})
"""Methods whose answer never tells anything about cost: they are free (pricing 18)."""


def reader_for(method: str, content_type: str, content_encoding: str) -> Reader:
    """The reader for the answer to `method` (`Place.method`), by the answer's two header values (empty if absent)."""
    kind = content_type.partition(";")[0].strip().lower()
    return inflating(content_encoding, _plain_reader(method, kind))


def _plain_reader(method: str, kind: str) -> Reader:
    if method in UNREAD_METHODS:
        return BlindReader()
    if kind == "text/event-stream":
        return StreamReader()
    if method in OPERATION_METHODS:
        # A resource may be a file of any size and kind: only JSON can be about an operation.
        return OperationReader() if method != "get" or kind in ("application/json", "") else BlindReader()
    if method == "streamGenerateContent":
        return ArrayReader()
    return UnaryReader()
