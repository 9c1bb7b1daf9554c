"""What an operator may switch on beyond passing traffic on. Everything is off here. Pure; `config` makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .guardrails.values import Guardrail

REFUSED: Final = frozenset({401, 429, 503})
"""Answers that say that nothing was executed (S-75)."""

REPEATABLE: Final = frozenset({*REFUSED, 408, 500, 502, 504})
"""Answers after which a request may be sent again at all; those beside REFUSED only where it costs nothing."""

ANY_MODEL: Final = "*"


@dataclass(frozen=True, slots=True)
class Retries:
    """Sending again (ERR-5). `most`: how often; `statuses`: after which answers, beside failures to connect.

    Between two attempts lie `retry_after_s` or what Retry-After says, whichever is longer; if that is more than
    `longest_wait_s` there is none. A body of up to `body_bytes` is held for it; a longer one is sent once.
    """

    most: int = 0
    retry_after_s: float = 0.0
    statuses: frozenset[int] = frozenset({429, 503})
    longest_wait_s: float = 60.0
    body_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another way to have a request answered (ERR-6): an entry of the model list, by its place there.

    `label` is the entry's `model_name`, which the client is told.
    """

    label: str
    entry: int


@dataclass(frozen=True, slots=True)
class Features:
    """What is switched on. `fallbacks` are by model, as `gemini/NAME` or `vertex_ai/NAME`, or ANY_MODEL."""

    guardrails: tuple[Guardrail, ...] = ()
    retries: Retries = Retries()
    fallbacks: Mapping[str, tuple[Fallback, ...]] = field(default_factory=dict[str, tuple[Fallback, ...]])
    cost_in_streams: bool = False
    stream_error_event: bool = False
    sse_ping_s: float | None = None
    mock_testing: bool = False
    trace_file: str | None = None

    @property
    def is_any(self) -> bool:
        """Whether an exchange is ever more than passed on."""
        return self != Features()
