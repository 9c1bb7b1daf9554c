"""The gateway under test, as options and fixtures describe it, and what points SDKs at it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from ..conformance.driver import address_of
from ..conformance.target import Target
from ..environment import DEVELOPMENT_KEY, Endpoint, Variables, client_variables
from ..errors import ConfigError, did_you_mean
from ..secret import Secret
from ..surfaces import Surface
from ..targets import load_target
from .server import Server

KEY_VARIABLE: Final = "UNDERSTUDY_KEY"
_WORDS: Final = ("url", "target", "key", "cost_file")


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway under test: where it is, and what is known of it."""

    url: str
    target: Target


def gateway_of(given: object, options: dict[str, object], environ: Mapping[str, str] = os.environ) -> Gateway | None:
    """The gateway that a URL or a mapping describes; `options` say what the mapping leaves out, and the target's file
    may say the URL. None if nothing does.

    Raises ConfigError for what is no such, and what `load_target` raises for a target that cannot be read.
    """
    said = dict(cast("Mapping[str, object]", given)) if isinstance(given, Mapping) else {"url": given}
    for word in said:
        if word not in _WORDS:
            raise ConfigError(f"understudy_target: unknown word {word!r}{did_you_mean(str(word), _WORDS)}")
    known = {name: value for name, value in (options | said).items() if value is not None}
    target = load_target(str(known.get("target", "understudy")), environ)
    url = known.get("url") or target.url
    if not url and given is None:
        return None
    if not isinstance(url, str) or not url:
        raise ConfigError(f"understudy_target: wanted the gateway's URL, found {url!r}")
    address_of(url, None)
    key = known.get("key") or environ.get(KEY_VARIABLE)
    if key is not None:
        target = replace(target, key=_key(str(key)))
    if known.get("cost_file") is not None:
        target = replace(target, cost=replace(target.cost, kind="json-lines", file=str(known["cost_file"])))
    elif target.cost.kind == "json-lines" and not target.cost.file:
        target = replace(target, features=target.features - {"cost"})
    return Gateway(url, target)


def _key(text: str) -> Secret:
    if not text.startswith("@"):
        return Secret(text)
    try:
        return Secret(Path(text[1:]).read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--understudy-key {text}: the file cannot be read: {error}") from error


def variables(server: Server, gateway: Gateway | None, environ: Mapping[str, str] = os.environ) -> Variables:
    """What points SDKs at the gateway, or without one at the simulator; `environ` is what is set already."""
    bundle, key_file = str(server.bundle), str(server.key_file)
    if gateway is None:
        return client_variables(Endpoint(server.https_url or server.url, False, bundle, key_file), environ)
    url, target = gateway.url.rstrip("/"), gateway.target
    key = target.key.reveal() if target.key is not None else DEVELOPMENT_KEY
    endpoint = Endpoint(url, True, bundle, key_file, key, target.project, target.location)
    return client_variables(endpoint, environ) | {
        "GOOGLE_GEMINI_BASE_URL": url + target.prefix(Surface.GEMINI),
        "GOOGLE_VERTEX_BASE_URL": url + target.prefix(Surface.VERTEX),
    }
