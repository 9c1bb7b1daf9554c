"""The keys that clients may show, and that of the admin port: words of `general_settings` and `understudy_settings`."""

from typing import Final

from understudy.secret import Secret

from ..limits.windows import Period
from ..model_names import WORD
from ..settings import MASTER_KEY_ID, GatewayKey, Rates
from .document import Path
from .guardrails import key_guardrails
from .reading import Block, Reading
from .words import KEY, KEY_MIN_LENGTH, KNOWN_KEYS

_OURS: Final[Path] = ("understudy_settings",)
_GENERAL: Final[Path] = ("general_settings",)


def read_keys(reading: Reading, top: Block, general: Block, ours: Block, development: bool) -> tuple[GatewayKey, ...]:
    """The master key and those of `understudy_settings.keys`; in `development` they may be anything."""
    found: list[tuple[Path | str, GatewayKey]] = []
    master: Secret | None = None
    place: Path | str = (*_GENERAL, "master_key")
    if "LITELLM_MASTER_KEY" in reading.environ:
        place, master = "LITELLM_MASTER_KEY", Secret(reading.environ["LITELLM_MASTER_KEY"])
    elif general.get("master_key") is not None:
        master = reading.secret(general, _GENERAL, "master_key")
    if master is not None:
        found.append((place, GatewayKey(MASTER_KEY_ID, master)))
    for path, item in reading.items(ours.get("keys"), (*_OURS, "keys")):
        key = _key(reading, reading.block(item, path), path, top)
        if key is not None:
            found.append(((*path, "key"), key))
    if not development:
        _check_keys(reading, found)
        if not found and not reading.problems:
            reading.problem((), "no gateway key: set general_settings.master_key or understudy_settings.keys")
    _check_twins(reading, found)
    return tuple(key for _, key in found)


def read_admin_key(reading: Reading, ours: Block, development: bool) -> Secret | None:
    """The key of the admin port; held to what gateway keys are held to (S-16, S-62)."""
    name = "UNDERSTUDY_ADMIN_KEY"
    place: Path | str = (*_OURS, "admin_key")
    if name in reading.environ:
        place, key = name, Secret(reading.environ[name])
    else:
        key = reading.secret(ours, _OURS, "admin_key")
    if key is not None and not development:
        _check_keys(reading, [(place, GatewayKey("admin", key))])
    return key


def _key(reading: Reading, block: Block, path: Path, top: Block) -> GatewayKey | None:
    reading.strict_words(block, path, KEY)
    name, secret = reading.text(block, path, "id"), reading.secret(block, path, "key")
    for word in ("id", "key"):
        if block.get(word) is None:
            reading.problem(path, f"{word} is missing")
    key = GatewayKey(
        name or "",
        secret or Secret(""),
        models=_models(reading, block, path),
        tags=reading.texts(block, path, "tags"),
        max_budget=reading.number(block, path, "max_budget"),
        budget_duration=_duration(reading, block, path),
        rates=Rates(
            reading.whole(block, path, "rpm_limit"),
            reading.whole(block, path, "tpm_limit"),
            reading.whole(block, path, "max_parallel_requests"),
        ),
        guardrails=key_guardrails(reading, block, path, top),
    )
    return None if name is None or secret is None else key


def _models(reading: Reading, block: Block, path: Path) -> tuple[str, ...]:
    """The models that a key may use; an empty list allows all, as LiteLLM has it."""
    words = reading.texts(block, path, "models")
    for word in words:
        if not WORD.fullmatch(word):
            reading.problem((*path, "models"), "a name such as gemini-2.5-flash, gemini/* or claude-* is wanted")
    return words


def _duration(reading: Reading, block: Block, path: Path) -> str | None:
    text = reading.text(block, path, "budget_duration")
    try:
        Period(text)
    except ValueError as error:
        reading.problem((*path, "budget_duration"), str(error))
        return None
    if text is not None and block.get("max_budget") is None:
        reading.problem((*path, "budget_duration"), "max_budget is missing beside it")
    return text


def _check_keys(reading: Reading, found: list[tuple[Path | str, GatewayKey]]) -> None:
    """No empty, well-known or short key (AUTH-11, S-16)."""
    for place, key in found:
        value = key.key.reveal()
        message = None
        if not value:
            message = "the key is empty"
        elif value in KNOWN_KEYS:
            message = "the key stands in every guide; choose a secret one"
        elif len(value) < KEY_MIN_LENGTH:
            message = f"the key is shorter than {KEY_MIN_LENGTH} characters"
        elif not all(33 <= ord(letter) <= 126 for letter in value):
            message = "the key has characters that cannot stand in a header"
        if message and isinstance(place, str):
            reading.environ_problem(place, message)
        elif message and not isinstance(place, str):
            reading.problem(place, message)


def _check_twins(reading: Reading, found: list[tuple[Path | str, GatewayKey]]) -> None:
    seen: list[GatewayKey] = []
    for place, key in found:
        path = _GENERAL if isinstance(place, str) else place
        if any(key.id == other.id for other in seen):
            reading.problem(path[:-1] or path, f"the id '{key.id}' is used twice")
        if any(key.key == other.key for other in seen):
            reading.problem(path, "the same key stands here under two ids")
        seen.append(key)
