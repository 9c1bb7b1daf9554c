"""LiteLLM's configuration words and ours, read into a GatewayConfig: all mistakes at once, each with file and line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Final

from understudy.errors import ConfigError, Problem, did_you_mean

from ..headers import NO_KEY_HEADERS
from ..settings import GatewayConfig, Limits, Timeouts
from .accounting import read_accounting
from .accounts import key_text_problem, read_accounts
from .callbacks import read_callbacks
from .document import MAX_BYTES, Lines, Path, read_document
from .endpoints import read_endpoints
from .features import read_features
from .files import exposed
from .guardrails import notice_idle
from .keys import read_admin_key, read_keys
from .network import read_network
from .policies import read_policies
from .prices import read_prices
from .reaching import read_reach
from .reading import Block, Check, Reading, checked
from .words import (
    GENERAL,
    GENERAL_IGNORED,
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
    config = _read(reading, _blocks(reading, value), check, check_file)
    if reading.problems:
        raise ConfigError("\n".join(str(problem) for problem in _in_order(reading)))
    return config


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The document, and its `general_settings`, `litellm_settings` and `understudy_settings`."""

    top: Block
    general: Block
    litellm: Block
    ours: Block


def _read(reading: Reading, blocks: _Blocks, check: Check, check_file: Check) -> GatewayConfig:
    """What the blocks say; worth something only if `reading` has no problems after it."""
    top, general, litellm, ours = blocks.top, blocks.general, blocks.litellm, blocks.ours
    development = reading.flag(ours, _OURS, "development")
    accounts = read_accounts(reading, top, ours, check)
    keys = read_keys(reading, top, general, ours, development)
    features = read_features(reading, top, litellm, ours, accounts.models)
    notice_idle(reading, features.guardrails, keys, endpoints := read_endpoints(reading, general))
    return GatewayConfig(
        keys=keys,
        gemini=accounts.gemini,
        vertex=accounts.vertex,
        models=accounts.models,
        key_header=_key_header(reading, general),
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
        admin_key=read_admin_key(reading, ours, development),
        endpoints=endpoints,
        reach=read_reach(reading, ours),
        features=features,
        json_logs=read_callbacks(reading, litellm),
        notices=tuple(reading.notices),
    )


def _blocks(reading: Reading, value: object) -> _Blocks:
    """The blocks of a document; their words are checked."""
    top = reading.block(value, ())
    general = reading.block(top.get("general_settings"), _GENERAL)
    litellm = reading.block(top.get("litellm_settings"), ("litellm_settings",))
    ours = reading.block(top.get("understudy_settings"), _OURS)
    reading.words(top, (), TOP, TOP_IGNORED)
    reading.words(general, _GENERAL, GENERAL, GENERAL_IGNORED)
    reading.words(litellm, ("litellm_settings",), LITELLM, LITELLM_IGNORED)
    reading.strict_words(ours, _OURS, OURS)
    return _Blocks(top, general, litellm, ours)


def _in_order(reading: Reading) -> list[Problem]:
    """The problems in the order of the file, those of the environment last."""
    return sorted(reading.problems, key=lambda problem: (problem.line is None, problem.line or 0))


def _key_header(reading: Reading, general: Block) -> str | None:
    """The further header that may carry the gateway key, in lower case."""
    name = "litellm_key_header_name"
    wanted = "the name of a header such as X-Litellm-Key is wanted"
    header = checked(reading, (*_GENERAL, name), reading.text(general, _GENERAL, name), _FIELD_NAME, wanted)
    if header is None or header.lower().encode() not in NO_KEY_HEADERS:
        return header.lower() if header else None
    reading.problem((*_GENERAL, name), f"{header} has a meaning of its own; {wanted}")
    return None


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
