"""What may be switched on: retries and fallbacks in LiteLLM's words, and our own block of switches."""

from collections.abc import Mapping, Sequence
from typing import Final

from understudy.errors import did_you_mean

from ..features import ANY_MODEL, REPEATABLE, Fallback, Features, Retries
from ..settings import ModelAccount
from .document import Path
from .guardrails import read_guardrails
from .reading import Block, Reading

_OURS: Final[Path] = ("understudy_settings",)
_LITELLM: Final[Path] = ("litellm_settings",)
_ROUTER: Final[Path] = ("router_settings",)

ROUTER: Final = frozenset({"num_retries", "retry_after", "fallbacks", "default_fallbacks"})
ROUTER_IGNORED: Final = frozenset(
    {
        *("routing_strategy", "routing_strategy_args", "allowed_fails", "allowed_fails_policy", "cooldown_time"),
        *("redis_host", "redis_port", "redis_password", "redis_url", "timeout", "stream_timeout", "retry_policy"),
        *("enable_pre_call_checks", "model_group_alias", "context_window_fallbacks", "content_policy_fallbacks"),
        *("model_group_retry_policy", "disable_cooldowns", "cache_responses", "max_fallbacks", "debug_level"),
        *("provider_budget_config", "optional_pre_call_checks", "set_verbose", "polling_interval"),
    }
)
RETRIES: Final = ("statuses", "longest_wait_s", "body_bytes")
LITELLM: Final = ("num_retries", "fallbacks", "default_fallbacks", "include_cost_in_streaming_usage")
OURS: Final = ("retries", "stream_error_event", "sse_ping_s", "mock_testing", "trace_file")
"""Our own words that are read here."""


def read_features(
    reading: Reading, top: Block, litellm: Block, ours: Block, models: Sequence[ModelAccount]
) -> Features:
    """All that is switched on; `litellm` and `ours` are the blocks of settings."""
    router = reading.block(top.get("router_settings"), _ROUTER)
    reading.words(router, _ROUTER, ROUTER, ROUTER_IGNORED)
    ping = reading.number(ours, _OURS, "sse_ping_s")
    if ping is not None and not 1 <= ping <= 3600:
        reading.problem((*_OURS, "sse_ping_s"), "1 to 3600 seconds are wanted")
    return Features(
        guardrails=read_guardrails(reading, top),
        retries=_retries(reading, router, litellm, ours),
        fallbacks=_fallbacks(reading, router, litellm, models),
        cost_in_streams=reading.flag(litellm, _LITELLM, "include_cost_in_streaming_usage"),
        stream_error_event=reading.flag(ours, _OURS, "stream_error_event"),
        sse_ping_s=None if ping is None else float(ping),
        mock_testing=reading.flag(ours, _OURS, "mock_testing"),
        trace_file=reading.text(ours, _OURS, "trace_file"),
    )


def _retries(reading: Reading, router: Block, litellm: Block, ours: Block) -> Retries:
    path: Path = (*_OURS, "retries")
    block = reading.block(ours.get("retries"), path)
    reading.strict_words(block, path, RETRIES)
    default = Retries()
    place, holder = _holder(reading, router, litellm, "num_retries")
    most = reading.whole(holder, place, "num_retries") or 0
    if most > 10:
        reading.problem((*place, "num_retries"), "at most 10 are wanted")
    pause = reading.number(router, _ROUTER, "retry_after")
    wait = reading.number(block, path, "longest_wait_s")
    size = reading.whole(block, path, "body_bytes")
    if block and not most:
        reading.notice(path, "has no effect: num_retries is not set in router_settings or litellm_settings")
    return Retries(
        most,
        0.0 if pause is None else float(pause),
        _statuses(reading, block, path) if block.get("statuses") is not None else default.statuses,
        default.longest_wait_s if wait is None else float(wait),
        default.body_bytes if size is None else size,
    )


def _holder(reading: Reading, router: Block, litellm: Block, word: str) -> tuple[Path, Block]:
    """Which of LiteLLM's two blocks has a word; in both it is a problem."""
    if router.get(word) is not None and litellm.get(word) is not None:
        reading.problem((*_LITELLM, word), "stands in router_settings too; keep one of them")
    return (_LITELLM, litellm) if router.get(word) is None else (_ROUTER, router)


def _statuses(reading: Reading, block: Block, path: Path) -> frozenset[int]:
    found: set[int] = set()
    for place, item in reading.items(block.get("statuses"), (*path, "statuses")):
        if isinstance(item, int) and item in REPEATABLE:
            found.add(item)
        else:
            reading.problem(place, f"one of {', '.join(map(str, sorted(REPEATABLE)))} is wanted")
    return frozenset(found)


def _fallbacks(
    reading: Reading, router: Block, litellm: Block, models: Sequence[ModelAccount]
) -> Mapping[str, tuple[Fallback, ...]]:
    found: dict[str, tuple[Fallback, ...]] = {}
    place, holder = _holder(reading, router, litellm, "default_fallbacks")
    if holder.get("default_fallbacks") is not None:
        found[ANY_MODEL] = _named(reading, holder.get("default_fallbacks"), (*place, "default_fallbacks"), models)
    place, holder = _holder(reading, router, litellm, "fallbacks")
    for path, item in reading.items(holder.get("fallbacks"), (*place, "fallbacks")):
        for name, value in reading.block(item, path).items():
            targets = _named(reading, value, (*path, name), models)
            for model in _models_of(reading, name, path, models):
                found[model] = targets
    return found


def _named(reading: Reading, value: object, path: Path, models: Sequence[ModelAccount]) -> tuple[Fallback, ...]:
    """The entries of the model list with these names, in their order."""
    found: list[Fallback] = []
    for place, item in reading.items(value, path):
        name = reading.plain_text(item, place)
        entries = [at for at, entry in enumerate(models) if name is not None and entry.name == name]
        if name is not None and not entries:
            hint = did_you_mean(name, {entry.name for entry in models})
            reading.problem(place, f"no entry of model_list for Gemini or Vertex AI has the model_name '{name}'{hint}")
        if name is not None and not _is_label(name):
            reading.problem(place, "the name goes into a header: letters, digits and . _ / - are wanted")
        found += [Fallback(name or "", at) for at in entries]
    return tuple(found)


def _is_label(name: str) -> bool:
    return name.isascii() and all(letter.isalnum() or letter in "._/-" for letter in name)


def _models_of(reading: Reading, name: str, path: Path, models: Sequence[ModelAccount]) -> list[str]:
    """The provider's models that a name stands for: a group of the model list, or a model itself."""
    if name == ANY_MODEL:
        return [ANY_MODEL]
    group = [f"{entry.account.provider}/{entry.model}" for entry in models if entry.name == name]
    if group:
        return group
    if name.startswith(("gemini/", "vertex_ai/")):
        return [name]
    hint = did_you_mean(name, {entry.name for entry in models})
    reading.problem(path, f"'{name}' is neither a model_name nor a model such as gemini/gemini-2.5-flash{hint}")
    return []
