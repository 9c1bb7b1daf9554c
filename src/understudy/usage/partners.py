"""Readers of partner models' answers: Claude's shape and OpenAI's, whole or as an event stream (pricing 16).

Which shape it is shows in the answer: `rawPredict` says nothing about it.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from .bodies import EventsReader, object_reading
from .reading import Reading
from .skeleton import Body
from .tokens import Form
from .wire_json import as_array, as_count, as_object, as_text, decoded, is_object

_CLAUDE: Final = (
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"),
    "server_tool_use.web_search_requests",
)
_OPENAI: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_tokens_details.cached_tokens", "prompt_tokens_details.audio_tokens"),
    *("completion_tokens_details.reasoning_tokens", "completion_tokens_details.audio_tokens"),
)


class _Answer(msgspec.Struct, gc=False):
    """What of an answer or event says something about its cost; the rest is skipped, not built."""

    type: Any = None
    usage: Any = None
    model: Any = None
    message: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer, float_hook=Decimal)


class _Fold:
    """One answer, or the events of a stream; counts are cumulative, so that later ones overwrite."""

    def __init__(self) -> None:
        self._usage: dict[str, int] = {}
        self._form: Form | None = None
        self._model: str | None = None
        self._began = False  # a Claude stream
        self._ended = False
        self.is_whole = True
        self.problem: str | None = None

    def take_text(self, data: bytes | bytearray) -> bool:
        """Take one JSON text; False if it is no object."""
        try:
            answer = _ANSWER.decode(data)
        except (ValueError, ArithmeticError, RecursionError):
            value = decoded(data)
            value = (as_array(value) or [value])[0]
            if not is_object(value):
                return False
            answer = _Answer(**{name: value[name] for name in _Answer.__struct_fields__ if name in value})
        self.take(answer)
        return True

    def take(self, answer: _Answer) -> None:
        if answer.error is not None or answer.type == "error":
            self.is_whole = False
        message = as_object(answer.message)
        self._began |= answer.type == "message_start"
        self._ended |= answer.type == "message_stop"
        model = as_text(answer.model) or as_text(message.get("model"))
        if model:
            self._model = model.removeprefix("models/").removeprefix("google/")[:200]
        for usage in (as_object(message.get("usage")), as_object(answer.usage)):
            if usage:
                self._take_usage(usage)

    def _take_usage(self, usage: dict[str, Any]) -> None:
        if self._form is None:
            is_claude = not usage.keys() & {"prompt_tokens", "total_tokens"}
            self._form = Form.CLAUDE if is_claude else Form.OPENAI
        for name in _CLAUDE if self._form is Form.CLAUDE else _OPENAI:
            first, _, second = name.partition(".")
            value = as_object(usage.get(first)).get(second) if second else usage.get(first)
            if value is None:
                continue
            count = as_count(value)
            if count is None:
                self.problem = f"usage.{name} is not a count"
            else:
                self._usage[name] = count

    def result(self) -> Reading:
        return Reading(
            usage=self._usage or None,
            model_version=self._model,
            is_whole=self.is_whole and self._began <= self._ended,
            problem=self.problem,
            form=self._form or Form.OPENAI,
        )


def partner_reading(value: dict[str, Any]) -> Reading:
    """What one decoded answer said, such as a line of a batch holds."""
    fold = _Fold()
    fold.take(_Answer(**{name: value[name] for name in _Answer.__struct_fields__ if name in value}))
    return fold.result()


class PartnerReader(Body):
    """Reads an answer that is one JSON object."""

    __slots__ = ()

    def finish(self) -> Reading:
        """What the answer said."""
        return object_reading(self, _Fold())


class PartnerStreamReader(EventsReader):
    """Reads an answer that comes as server-sent events: Claude's ends with `message_stop`, OpenAI's with `[DONE]`."""

    def __init__(self) -> None:
        super().__init__(_Fold(), b"[DONE]")
