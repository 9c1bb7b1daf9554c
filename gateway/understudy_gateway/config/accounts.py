"""The accounts at the providers, from the environment, `default_vertex_config` and `model_list`.

The environment wins over the file among the defaults; what stands in an entry of `model_list` is for that model alone
and wins there. What the defaults lack is filled from the first entry of the provider.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from understudy.secret import Secret

from ..settings import (
    LOCATION,
    PROJECT,
    UNIX,
    Account,
    ApiKey,
    ApplicationDefault,
    Base,
    KeyFile,
    KeyText,
    ModelAccount,
    Provider,
    Rates,
    Source,
)
from .document import Path
from .prices import is_price_word
from .reading import Block, Check, Reading, checked
from .words import MODEL, PARAMS, PARAMS_IGNORED, VERTEX_CONFIG

_LOCATION_WANTED: Final = "a location such as us-central1 or global is wanted"
_PROJECT_WANTED: Final = "a project id such as my-project is wanted"
_VERSION_AT_END: Final = re.compile(r"/v[0-9]+(?:(?:alpha|beta)[0-9]*)?$")
_KEY_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "impersonated_service_account": ("source_credentials", "service_account_impersonation_url"),
    "external_account": ("audience", "subject_token_type", "token_url", "credential_source"),
}
"""The types of key files that are supported, and what google-auth cannot do without in each."""

_ON_SOCKET: Final = re.compile(r"http://unix:(?P<socket>/[!-9;-~]{1,100})(?::(?P<path>/[!->@-~]*)?)?")
"""An upstream on a Unix socket, as nginx writes it: `http://unix:/path/of/socket:/path`."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_ALIAS: Final = re.compile(r"[A-Za-z0-9._@~-]+")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The default account of each provider, and those of single models."""

    gemini: Account
    vertex: Account
    models: tuple[ModelAccount, ...]

    @property
    def every(self) -> tuple[Account, ...]:
        """The two defaults, and those of the models."""
        return (self.gemini, self.vertex, *(entry.account for entry in self.models))


def read_accounts(reading: Reading, top: Block, ours: Block, check: Check) -> Accounts:
    """All accounts; `ours` is the block `understudy_settings`."""
    models = _models(reading, top, check)
    return Accounts(_gemini(reading, models), _vertex(reading, top, ours, models, check), models)


def _gemini(reading: Reading, models: tuple[ModelAccount, ...]) -> Account:
    first = _first(models, "gemini")
    key = _environ(reading, "GOOGLE_API_KEY", "GEMINI_API_KEY")
    base = _environ_base(reading, "GEMINI_API_BASE")
    return Account(
        "gemini",
        "gemini",
        base=base or (first.base if first else None),
        source=ApiKey(Secret(key)) if key else (first.source if first else None),
    )


def _vertex(reading: Reading, top: Block, ours: Block, models: tuple[ModelAccount, ...], check: Check) -> Account:
    first = _first(models, "vertex_ai") or Account("", "vertex_ai")
    litellm = reading.block(top.get("litellm_settings"), ("litellm_settings",))
    path: Path = ("default_vertex_config",)
    written = top.get("default_vertex_config")
    if "default_vertex_config" in litellm:
        if written is not None:
            reading.problem(("litellm_settings", *path), "stands at the top of the file too; keep one of them")
        path, written = ("litellm_settings", *path), litellm["default_vertex_config"]
    block = reading.block(written, path)
    reading.words(block, path, VERTEX_CONFIG, ())
    filed = _account(reading, block, path, "vertex_ai", "vertex_ai", check)
    project = _environ(reading, "DEFAULT_VERTEXAI_PROJECT", "VERTEXAI_PROJECT")
    location = _environ(reading, "DEFAULT_VERTEXAI_LOCATION", "VERTEXAI_LOCATION")
    _environ_checked(reading, project, ("DEFAULT_VERTEXAI_PROJECT", "VERTEXAI_PROJECT"), PROJECT, _PROJECT_WANTED)
    _environ_checked(reading, location, ("DEFAULT_VERTEXAI_LOCATION", "VERTEXAI_LOCATION"), LOCATION, _LOCATION_WANTED)
    return Account(
        "vertex_ai",
        "vertex_ai",
        base=_environ_base(reading, "VERTEXAI_API_BASE") or filed.base or first.base,
        project=project or filed.project or first.project,
        location=location or filed.location or first.location,
        source=_environ_source(reading, ("DEFAULT_GOOGLE_APPLICATION_CREDENTIALS", "VERTEXAI_CREDENTIALS"), check)
        or filed.source
        or first.source
        or _express(reading, ours)
        or _application_default(reading, ours, check),
    )


def _models(reading: Reading, top: Block, check: Check) -> tuple[ModelAccount, ...]:
    found: list[ModelAccount] = []
    for path, item in reading.items(top.get("model_list"), ("model_list",)):
        entry = reading.block(item, path)
        reading.words(entry, path, MODEL, ())
        place: Path = (*path, "litellm_params")
        block = reading.block(entry.get("litellm_params"), place)
        reading.words(block, place, PARAMS | set(filter(is_price_word, block)), PARAMS_IGNORED)
        name = reading.text(block, place, "model")
        if name is None:
            if not isinstance(block.get("model"), str):
                reading.problem(place, "model is missing")
            continue
        provider, _, model = name.partition("/")
        if provider not in ("gemini", "vertex_ai") or not model:
            reading.notice((*place, "model"), "has no effect here: it begins with neither gemini/ nor vertex_ai/")
            continue
        account = _account(reading, block, place, f"model_list[{path[1]}]", provider, check)
        alias = _alias(reading, entry, path, provider, model)
        found.append(ModelAccount(model, account, _rates(reading, block, place), alias, _label(reading, entry, path)))
    return tuple(found)


def _alias(reading: Reading, entry: Block, path: Path, provider: Provider, model: str) -> str | None:
    """The name that clients may use instead of the model's; None if it is the same, or could stand in no path."""
    given = reading.text(entry, path, "model_name")
    name = given.removeprefix(f"{provider}/") if given is not None else None
    if name is None or name == model or "*" in name or "*" in model:
        return None
    if _ALIAS.fullmatch(name) and _ALIAS.fullmatch(model):
        return name
    reading.notice((*path, "model_name"), "cannot be asked for in the place of the model: one of the names is no word")
    return None


def _label(reading: Reading, entry: Block, path: Path) -> str:
    return reading.text(entry, path, "model_name") or ""


def _rates(reading: Reading, block: Block, path: Path) -> Rates:
    return Rates(*(reading.whole(block, path, word) for word in ("rpm", "tpm", "max_parallel_requests")))


def _account(reading: Reading, block: Block, path: Path, name: str, provider: Provider, check: Check) -> Account:
    """The account that a block with LiteLLM's words describes."""
    base = _base(reading, (*path, "api_base"), reading.text(block, path, "api_base"))
    project = checked(
        reading, (*path, "vertex_project"), reading.text(block, path, "vertex_project"), PROJECT, _PROJECT_WANTED
    )
    location = checked(
        reading, (*path, "vertex_location"), reading.text(block, path, "vertex_location"), LOCATION, _LOCATION_WANTED
    )
    source: Source | None = None
    if block.get("vertex_credentials") is not None:
        source = _google_source(reading, block, path, check)
    elif path[0] == "model_list" and block.get("api_key") is not None:
        key = reading.secret(block, path, "api_key")
        if key is not None and not key:
            reading.problem((*path, "api_key"), "the key is empty")
        source = ApiKey(key) if key else None
    return Account(name, provider, base, project, location, source)


def _google_source(reading: Reading, block: Block, path: Path, check: Check) -> Source | None:
    """A path, or JSON as text or as a block of its own."""
    value, place = block["vertex_credentials"], (*path, "vertex_credentials")
    text = json.dumps(value) if isinstance(value, dict) else reading.plain_text(value, place)
    if text is None:
        return None
    if not text.lstrip().startswith("{"):
        problem = check(text)
        if problem:
            reading.problem(place, problem)
        return KeyFile(text)
    problem = key_text_problem(text)
    if problem:
        reading.problem(place, problem)
    return KeyText(Secret(text))


def key_text_problem(text: str) -> str | None:
    """What is wrong with the text of a Google key file, or None; the text itself is not repeated."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return "the credentials are not JSON"
    found = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in _KEY_FIELDS:
        return f"the credentials are no Google key file of a type that is supported ({', '.join(_KEY_FIELDS)})"
    missing = [name for name in _KEY_FIELDS[kind] if not found.get(name)]
    return f"the credentials of type {kind} lack {', '.join(missing)}" if missing else None


def _express(reading: Reading, ours: Block) -> Source | None:
    key = _environ(reading, "VERTEX_API_KEY")
    if key:
        return ApiKey(Secret(key))
    filed = reading.secret(ours, ("understudy_settings",), "vertex_api_key")
    if filed is not None and not filed:
        reading.problem(("understudy_settings", "vertex_api_key"), "the key is empty")
    return ApiKey(filed) if filed else None


def _application_default(reading: Reading, ours: Block, check: Check) -> Source | None:
    """Google's own variable, or, only when asked for, whatever else this machine has (a metadata server, say)."""
    found = _environ_source(reading, ("GOOGLE_APPLICATION_CREDENTIALS",), check)
    asked = reading.flag(ours, ("understudy_settings",), "vertex_adc")
    return found or (ApplicationDefault() if asked else None)


def _first(models: tuple[ModelAccount, ...], provider: Provider) -> Account | None:
    """The entries of a provider folded into one account: for each field the first entry that has it."""
    found: Account | None = None
    for account in (entry.account for entry in models if entry.account.provider == provider):
        found = found or replace(account, id=provider)
        found = replace(
            found,
            base=found.base or account.base,
            project=found.project or account.project,
            location=found.location or account.location,
            source=found.source or account.source,
        )
    return found


def _environ(reading: Reading, *names: str) -> str | None:
    """The first of the variables that is set and not empty."""
    return next((value for name in names if (value := reading.environ.get(name))), None)


def _environ_checked(
    reading: Reading, value: str | None, names: tuple[str, ...], pattern: re.Pattern[str], wanted: str
) -> None:
    if value is not None and not pattern.fullmatch(value):
        reading.environ_problem(next(name for name in names if reading.environ.get(name)), wanted)


def _environ_source(reading: Reading, names: tuple[str, ...], check: Check) -> Source | None:
    for name in names:
        value = reading.environ.get(name)
        if not value:
            continue
        is_text = value.lstrip().startswith("{")
        problem = key_text_problem(value) if is_text else check(value)
        if problem:
            reading.environ_problem(name, problem)
        return KeyText(Secret(value)) if is_text else KeyFile(value)
    return None


def _environ_base(reading: Reading, name: str) -> Base | None:
    value = reading.environ.get(name)
    if not value:
        return None
    found = base_of(value)
    if isinstance(found, str):
        reading.environ_problem(name, found)
        return None
    if _VERSION_AT_END.search(found.path):
        reading.notices.append(f"environment: {name}: the version at its end is left out; each path brings its own")
    return replace(found, path=_VERSION_AT_END.sub("", found.path))


def _base(reading: Reading, path: Path, value: str | None) -> Base | None:
    if value is None:
        return None
    found = base_of(value)
    if isinstance(found, str):
        reading.problem(path, found)
        return None
    if found.scheme == "http" and found.host not in LOOPBACK and not found.host.startswith(UNIX):
        reading.notice(path, "the provider is reached without TLS: everyone on the way can read the credential")
    if _VERSION_AT_END.search(found.path):
        reading.notice(path, "the version at its end is left out; each path brings its own")
    return replace(found, path=_VERSION_AT_END.sub("", found.path))


def base_of(url: str) -> Base | str:
    """The base that a URL names, or what is wrong with the URL (which is not repeated: it may hold a password)."""
    wanted = "a URL such as https://host or http://host:8900/path is wanted"
    if (socket := _ON_SOCKET.fullmatch(url)) is not None:
        return Base("http", UNIX + socket["socket"], 80, (socket["path"] or "").rstrip("/"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return wanted
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        return wanted
    if parts.query or parts.fragment or parts.username is not None or "?" in url or "#" in url:
        return "a URL without user, query and fragment is wanted"
    if not re.fullmatch(r"[!-~]*", parts.path):
        return wanted
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Base(scheme, host, port or (443 if scheme == "https" else 80), parts.path.rstrip("/"))
