"""LiteLLM's configuration words and ours, read into a GatewayConfig: all mistakes at once, each with file and line."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Final

from understudy.errors import ConfigError, Problem, did_you_mean
from understudy.secret import Secret

from ..limits.windows import Period
from ..model_names import WORD
from ..settings import MASTER_KEY_ID, GatewayConfig, GatewayKey, Limits, Rates, Timeouts
from .accounting import read_accounting
from .accounts import key_text_problem, read_accounts
from .callbacks import read_callbacks
from .document import MAX_BYTES, Lines, Path, read_document
from .endpoints import read_endpoints
from .features import read_features
from .files import exposed
from .guardrails import key_guardrails, notice_idle
from .network import read_network
from .policies import read_policies
from .prices import read_prices
from .reaching import read_reach
from .reading import Block, Check, Reading, checked
from .words import (
    GENERAL,
    GENERAL_IGNORED,
    KEY,
    KEY_MIN_LENGTH,
    KNOWN_KEYS,
    LITELLM,
    LITELLM_IGNORED,
    OURS,
    TOP,
    TOP_IGNORED,
)

_OURS: Final[Path] = ("understudy_settings",)
_GENERAL: Final[Path] = ("general_settings",)
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TIMEOUTS: Final = tuple(Timeouts.__dataclass_fields__)
_LIMITS: Final = tuple(Limits.__dataclass_fields__)
_MAY_BE_OFF: Final = ("drain_delay_s", "live_ping_s", "live_idle_s", "wrong_key_s")

PRICE_BOOKS: Final = ("frozen", "shipped")
"""Price books that need no file."""


def load_config(path: FilePath, environ: Mapping[str, str]) -> GatewayConfig:
    """The configuration in the file `path`, with the environment over it.

    Raises ConfigError: one line for each mistake, with file, line, setting and the nearest good word.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: the file is larger than {MAX_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8") from error
    value, lines = read_document(text, str(path))
    config = parse_config(value, environ, str(path), lines, check=_key_file_problem, check_file=_file_problem)
    return replace(config, notices=(*config.notices, *exposed(path, text, config)))


def parse_config(
    value: object,
    environ: Mapping[str, str],
    source: str = "config.yaml",
    lines: Lines | None = None,
    *,
    check: Check = lambda path: None,
    check_file: Check = lambda path: None,
) -> GatewayConfig:
    """The configuration that a decoded document and an environment describe.

    `source` and `lines` are for the texts of errors. `check` looks at a key file, `check_file` at any other: each gives
    what is wrong with the file at a path, or None. Raises ConfigError with a line for each mistake.
    """
    reading = Reading(source, lines or {}, environ)
    top, general, litellm, ours = _blocks(reading, value)
    development = reading.flag(ours, _OURS, "development")
    accounts = read_accounts(reading, top, ours, check)
    header = checked(
        reading,
        (*_GENERAL, "litellm_key_header_name"),
        reading.text(general, _GENERAL, "litellm_key_header_name"),
        _FIELD_NAME,
        "the name of a header such as X-Litellm-Key is wanted",
    )
    keys = _keys(reading, top, general, ours, development)
    features = read_features(reading, top, litellm, ours, accounts.models)
    notice_idle(reading, features.guardrails, keys, endpoints := read_endpoints(reading, general))
    config = GatewayConfig(
        keys=keys,
        gemini=accounts.gemini,
        vertex=accounts.vertex,
        models=accounts.models,
        key_header=header.lower() if header else None,
        upstream_ca=_upstream_ca(reading, ours, check_file),
        price_book=_price_book(reading, ours, check_file),
        model_prices=read_prices(reading, top),
        cost_policies=read_policies(reading, ours, _OURS),
        development=development,
        client_credentials=reading.flag(ours, _OURS, "client_credentials"),
        response_cost_header=reading.flag(ours, _OURS, "response_cost_header"),
        accounting=read_accounting(reading, ours, _OURS, keys, accounts.models),
        key_spend_header=reading.flag(ours, _OURS, "key_spend_header"),
        live_budget_check=reading.flag(ours, _OURS, "live_budget_check"),
        refuse_without_store=reading.flag(ours, _OURS, "refuse_without_store"),
        live_api_version=_live_version(reading, ours),
        timeouts=_timeouts(reading, general, ours),
        limits=_limits(reading, ours),
        network=read_network(reading, ours, _OURS, accounts.every),
        admin_key=_admin_key(reading, ours, development),
        endpoints=endpoints,
        reach=read_reach(reading, ours),
        features=features,
        json_logs=read_callbacks(reading, litellm),
        notices=tuple(reading.notices),
    )
    if reading.problems:
        raise ConfigError("\n".join(str(problem) for problem in _in_order(reading)))
    return config


def _blocks(reading: Reading, value: object) -> tuple[Block, Block, Block, Block]:
    """The document, its `general_settings`, `litellm_settings` and `understudy_settings`; their words are checked."""
    top = reading.block(value, ())
    general = reading.block(top.get("general_settings"), _GENERAL)
    litellm = reading.block(top.get("litellm_settings"), ("litellm_settings",))
    ours = reading.block(top.get("understudy_settings"), _OURS)
    reading.words(top, (), TOP, TOP_IGNORED)
    reading.words(general, _GENERAL, GENERAL, GENERAL_IGNORED)
    reading.words(litellm, ("litellm_settings",), LITELLM, LITELLM_IGNORED)
    reading.strict_words(ours, _OURS, OURS)
    return top, general, litellm, ours


def _in_order(reading: Reading) -> list[Problem]:
    """The problems in the order of the file, those of the environment last."""
    return sorted(reading.problems, key=lambda problem: (problem.line is None, problem.line or 0))


def _keys(reading: Reading, top: Block, general: Block, ours: Block, development: bool) -> tuple[GatewayKey, ...]:
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


def _admin_key(reading: Reading, ours: Block, development: bool) -> Secret | None:
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


def _upstream_ca(reading: Reading, ours: Block, check: Check) -> str | None:
    name = "UNDERSTUDY_UPSTREAM_CA"
    from_environ = reading.environ.get(name)
    path = from_environ or reading.text(ours, _OURS, "upstream_ca")
    problem = check(path) if path else None
    if problem and from_environ:
        reading.environ_problem(name, problem)
    elif problem:
        reading.problem((*_OURS, "upstream_ca"), problem)
    return path or None


def _price_book(reading: Reading, ours: Block, check: Check) -> str:
    name = reading.text(ours, _OURS, "price_book") or "shipped"
    problem = None if name in PRICE_BOOKS else check(name)
    if problem:
        hint = did_you_mean(name, PRICE_BOOKS)
        reading.problem((*_OURS, "price_book"), f"frozen, shipped or a file is wanted{hint}: {problem}")
    return name


def _live_version(reading: Reading, ours: Block) -> str:
    version = reading.text(ours, _OURS, "live_api_version")
    if version is None or version in ("v1", "v1beta1"):
        return version or "v1beta1"
    reading.problem((*_OURS, "live_api_version"), "v1 or v1beta1 is wanted")
    return "v1beta1"


def _timeouts(reading: Reading, general: Block, ours: Block) -> Timeouts:
    path: Path = (*_OURS, "timeouts")
    block = reading.block(ours.get("timeouts"), path)
    reading.strict_words(block, path, _TIMEOUTS)
    given = {name: reading.number(block, path, name) for name in _TIMEOUTS}
    if given["first_byte_s"] is None:
        given["first_byte_s"] = reading.number(general, _GENERAL, "pass_through_request_timeout")
    for name, value in given.items():
        if value == 0 and name not in _MAY_BE_OFF:
            reading.problem((*path, name), "more than 0 seconds are wanted")
    return Timeouts(**{name: float(value) for name, value in given.items() if value is not None})


def _limits(reading: Reading, ours: Block) -> Limits:
    path: Path = (*_OURS, "limits")
    block = reading.block(ours.get("limits"), path)
    reading.strict_words(block, path, _LIMITS)
    given = {name: reading.whole(block, path, name) for name in _LIMITS}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _file_problem(path: str) -> str | None:
    try:
        with FilePath(path).open("rb"):
            return None
    except OSError as error:
        return f"the file {path} cannot be read: {error.strerror}"


def _key_file_problem(path: str) -> str | None:
    problem = _file_problem(path)
    if problem:
        return problem
    try:
        wrong = key_text_problem(FilePath(path).read_text("utf-8"))
    except UnicodeDecodeError:
        wrong = "the credentials are not JSON"
    return f"the file {path}: {wrong}" if wrong else None
