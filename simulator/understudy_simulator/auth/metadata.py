"""The metadata server of Compute Engine, as a pure function (wire-http 11.5; GCE_METADATA_HOST leads clients here).

What it says of the instance is made up; the account, its tokens and the project are the simulator's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ..service_account import DEFAULT_PROJECT, ServiceAccount
from .grants import CLOUD_PLATFORM

FLAVOR: Final = ("Metadata-Flavor", "Google")
_TEXT: Final = "application/text"
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=UTF-8"
_NUMBER: Final = "123456789012"
_ZONE: Final = f"projects/{_NUMBER}/zones/us-central1-a"

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MetadataAnswer:
    """What the metadata server says. `token` and `identity` ask the caller to issue what is to be said."""

    status: int
    content_type: str
    body: str
    wants_token: bool = False
    identity_for: str | None = None


def metadata_answer(account: ServiceAccount, path: str, query: Mapping[str, str], has_flavor: bool) -> MetadataAnswer:
    """The answer to a GET of `path` below `computeMetadata/v1/`; `has_flavor`: the request had `Metadata-Flavor`."""
    if not has_flavor:
        return _page(403, "Forbidden", 'Missing required header "Metadata-Flavor": "Google"')
    names = [name for name in path.split("/") if name]
    if names[:2] == ["instance", "service-accounts"] and len(names) == 4 and names[2] in ("default", account.email):
        if names[3] == "token":
            return MetadataAnswer(200, _JSON, "", wants_token=True)
        if names[3] == "identity":
            audience = query.get("audience")
            if not audience:
                return _page(400, "Bad Request", "non-empty audience parameter required")
            return MetadataAnswer(200, _HTML.partition(";")[0], "", identity_for=audience)
    found = _find(_tree(account), names)
    if found is None:
        return _page(404, "Not Found", "The requested URL was not found on this server.")
    is_recursive = query.get("recursive", "").lower() == "true"
    if isinstance(found, str) and query.get("alt") != "json":
        return MetadataAnswer(200, _TEXT, found)
    if is_recursive or not isinstance(found, dict):
        return MetadataAnswer(200, _JSON, json.dumps(_camel(found), separators=(",", ":")))
    return MetadataAnswer(200, _TEXT, "".join(_listed(cast("Tree", found), names)))


def root_answer() -> MetadataAnswer:
    """The answer to the ping at `/`."""
    return MetadataAnswer(200, _TEXT, "computeMetadata/\n")


def _tree(account: ServiceAccount) -> Tree:
    scopes = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/userinfo.email"]
    card = {"aliases": ["default"], "email": account.email, "scopes": scopes}
    return {
        "instance": {
            "attributes": {},
            "hostname": f"understudy.us-central1-a.c.{DEFAULT_PROJECT}.internal",
            "id": "1234567890123456789",
            "name": "understudy",
            "service-accounts": {"default": card, account.email: card},
            "zone": _ZONE,
        },
        "project": {"attributes": {}, "numeric-project-id": _NUMBER, "project-id": DEFAULT_PROJECT},
        "universe": {"universe-domain": "googleapis.com"},
    }


def _find(tree: Tree, names: list[str]) -> Any:
    found: Any = tree
    for name in names:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    return "".join(f"{line}\n" for line in cast("list[str]", found)) if isinstance(found, list) else found


def _listed(tree: Tree, names: list[str]) -> list[str]:
    """A line for each entry of a directory; directories end with a slash."""
    lines = [f"{name}/\n" if isinstance(value, dict) else f"{name}\n" for name, value in tree.items()]
    is_account = names[:2] == ["instance", "service-accounts"] and len(names) == 3
    return sorted([*lines, "identity\n", "token\n"] if is_account else lines)


def _camel(value: Any) -> Any:
    """Directories as JSON: their names in camelCase, but those that are e-mail addresses."""
    if not isinstance(value, dict):
        return value
    return {_camel_name(name): _camel(inner) for name, inner in cast("dict[str, Any]", value).items()}


def _camel_name(name: str) -> str:
    if "@" in name:
        return name
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


def _page(status: int, title: str, text: str) -> MetadataAnswer:
    body = f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {status} ({title})!!1</title>\n<p><b>{status}.</b> {text}\n"
    return MetadataAnswer(status, _HTML, body)
