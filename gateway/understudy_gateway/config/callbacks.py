"""LiteLLM's words for where its figures go: what they come to here is told, so that nobody waits in vain."""

from typing import Final

from .document import Path
from .reading import Block, Reading

_LITELLM: Final[Path] = ("litellm_settings",)
WORDS: Final = ("success_callback", "failure_callback", "callbacks")

_MEANINGS: Final = {
    "prometheus": "is not needed: the admin port's /metrics counts every request",
    "otel": "has no effect here: understudy_settings.trace_file writes spans as OpenTelemetry's JSON lines",
    "arize": "has no effect here: understudy_settings.trace_file writes spans as OpenTelemetry's JSON lines",
}


def read_callbacks(reading: Reading, litellm: Block) -> bool:
    """Notices for callbacks; whether `json_logs` asks for log lines in JSON."""
    for word in WORDS:
        value = litellm.get(word)
        items = [((*_LITELLM, word), value)] if isinstance(value, str) else reading.items(value, (*_LITELLM, word))
        for path, item in items:
            name = reading.plain_text(item, path)
            if name is not None:
                reading.notice(path, f"{_shown(name)} {_MEANINGS.get(name, 'has no effect here')}")
    return reading.flag(litellm, _LITELLM, "json_logs")


def _shown(name: str) -> str:
    return f"'{name}'" if len(name) <= 40 and name.isascii() and name.isprintable() else "it"
