"""Which account a request uses, and what its model is really called: by the names in it, never at random (LRO-2). Pure.

An alias, an entry of `model_list` whose `model_name` differs from the provider's name, is asked for in the place of
the model; the entry that it stands for gives name and account.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote, unquote

from .model_names import model_span
from .settings import Account, GatewayConfig, ModelAccount, Provider


def account_for(
    config: GatewayConfig,
    provider: Provider,
    model: str | None,
    project: str | None,
    location: str | None,
    entry: ModelAccount | None = None,
) -> Account:
    """The account for what a request names: its model's, else its project's, else the default.

    An entry is not used for a project that is not its own. Among those of a project, one of the same location wins.
    `entry` is the one that an alias chose.
    """
    default = config.gemini if provider == "gemini" else config.vertex
    entries = [one for one in config.models if one.account.provider == provider]
    if entry is not None:
        entries.insert(0, entry)
    mine = [one.account for one in entries if one is entry or (model is not None and one.model == model)]
    others = [one.account for one in entries] if project is not None and project != default.project else []
    for fits in _fits(project, location):
        found = next((account for account in mine if fits(account)), None)
        if found is not None:
            return _filled(found, default)
    for account in others:
        if account.project == project and location in (None, account.location):
            return _filled(account, default)
    return _filled(next((one for one in others if one.project == project), default), default)


def _fits(project: str | None, location: str | None) -> Iterator[Callable[[Account], bool]]:
    """Whether an account of the right model is for this project and location, the best sort first."""
    yield lambda one: project in (None, one.project) and location in (None, one.location)
    yield lambda one: one.project is None and location in (None, one.location)
    yield lambda one: project == one.project or one.project is None


def _filled(account: Account, default: Account) -> Account:
    """A model's account; what it does not say is the default's."""
    if account is default:
        return default
    filled = replace(
        account,
        base=account.base or default.base,
        project=account.project or default.project,
        location=account.location or default.location,
    )
    return replace(filled, id=default.id, source=default.source) if account.source is None else filled


def entry_called(
    entries: Iterable[ModelAccount], provider: Provider, alias: str | None, project: str | None, location: str | None
) -> ModelAccount | None:
    """The entry that an alias stands for: the one for this project and location if there are several."""
    found = [one for one in entries if one.alias == alias and alias is not None and one.account.provider == provider]
    for fits in _fits(project, location):
        chosen = next((one for one in found if fits(one.account)), None)
        if chosen is not None:
            return chosen
    return found[0] if found else None


def asked_alias(path: bytes) -> str | None:
    """What stands in the path where a model's name does, decoded once; None where nothing does."""
    span = model_span(path)
    return None if span is None else unquote(path[slice(*span)].decode("latin-1"))


def renamed(path: bytes, model: str) -> bytes:
    """The path with the real name in the place of the alias; every other byte as it came."""
    span = model_span(path)
    if span is None:
        return path
    return path[: span[0]] + quote(model, safe="@").encode("ascii") + path[span[1] :]
