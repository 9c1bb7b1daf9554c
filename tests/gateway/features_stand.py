"""Gateways with features switched on, and hooks for them."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

from gateway_stand import KEY, UPSTREAM_KEY

from understudy_gateway.config import parse_config
from understudy_gateway.guardrails.hooks import Judged
from understudy_gateway.settings import GatewayConfig

SECOND_KEY = "sk-second-key-0123456789"


def featured(
    base: str,
    *,
    litellm: Mapping[str, object] | None = None,
    keys: list[dict[str, object]] | None = None,
    top: Mapping[str, object] | None = None,
    **ours: Any,
) -> GatewayConfig:
    """A configuration in front of the provider at `base`."""
    environ = {
        "GEMINI_API_KEY": UPSTREAM_KEY,
        "GEMINI_API_BASE": base,
        "VERTEXAI_API_BASE": base,
        "VERTEX_API_KEY": UPSTREAM_KEY,
    }
    document = {
        "litellm_settings": dict(litellm or {}),
        "understudy_settings": {"keys": keys or [{"id": "team", "key": KEY}], **ours},
        **(top or {}),
    }
    return parse_config(document, environ)


def guardrail(name: str = "no-secrets", *, mode: object = "pre_call", **params: Any) -> dict[str, object]:
    """An entry of `guardrails`, for all keys unless said otherwise."""
    return {"guardrail_name": name, "litellm_params": {"mode": mode, "default_on": True, **params}}


def words(*found: str, **params: Any) -> dict[str, object]:
    """A deny list."""
    return guardrail(guardrail="deny_list", blocked_words=list(found), **params)


# --- hooks, found by their dotted names ---

SEEN: list[Judged] = []
RELEASE = threading.Event()


def refuses_secrets(judged: Judged) -> str | None:
    SEEN.append(judged)
    return "a secret" if "secret" in judged.text or b"secret" in judged.body else None


async def refuses_secrets_later(judged: Judged) -> str | None:
    await asyncio.sleep(0)
    return refuses_secrets(judged)


def allows(judged: Judged) -> str | None:
    SEEN.append(judged)
    return None


def fails(judged: Judged) -> str | None:
    raise RuntimeError(f"the text was {judged.text}")


async def fails_later(judged: Judged) -> str | None:
    raise RuntimeError(f"the text was {judged.text}")


async def never_answers(judged: Judged) -> str | None:
    await asyncio.Event().wait()
    return None


def sleeps(judged: Judged) -> str | None:
    while not RELEASE.wait(0.01):
        time.sleep(0)
    return None


def odd(judged: Judged) -> object:
    return 7


def talkative(judged: Judged) -> str | None:
    return "line\nbreak \x1b[31m" + "x" * 500


NOT_CALLABLE = 3
