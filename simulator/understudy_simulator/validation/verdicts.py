"""Verdicts on bodies: a client that sends the same bytes again, as load tests do, gets the same verdict at once."""

from typing import Final, Literal

from understudy.scenario.json_subset import LazyJson

from ..google_errors import GoogleError
from .loading import descriptions
from .reading import request_error
from .rules import request_rules

_KNOWN_LIMIT: Final = 512
_LARGEST: Final = 16 * 1024
"""Longer bodies are not remembered: they are rarely the same, and would fill the memory."""

_Key = tuple[str, str, str, str, str, bytes]


class Verdicts:
    """What Google would refuse in bodies: their form first, then what they mean."""

    def __init__(self) -> None:
        self._known: dict[_Key, GoogleError | None] = {}

    def on(
        self, service: Literal["gemini", "vertex"], version: str, rpc: str, model: str, message: str, body: LazyJson
    ) -> GoogleError | None:
        """The refusal of a body, or None. `message` is its description, `rpc` the method, `model` the bare id."""
        if len(body.raw) > _LARGEST:
            return _judged(service, version, rpc, model, message, body)
        key = (service, version, rpc, model, message, body.raw)
        if key in self._known:
            return self._known[key]
        verdict = _judged(service, version, rpc, model, message, body)
        if len(self._known) >= _KNOWN_LIMIT:
            self._known.clear()
        self._known[key] = verdict
        return verdict


def _judged(
    service: Literal["gemini", "vertex"], version: str, rpc: str, model: str, message: str, body: LazyJson
) -> GoogleError | None:
    mistake = request_error(descriptions(service, version), message, body)
    return mistake if mistake is not None else request_rules(service, rpc, model, body.value)
