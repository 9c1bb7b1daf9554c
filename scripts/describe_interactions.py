"""Writes the descriptions of the interactions family from the request types of an installed google-genai, 3.4 or later.

    PYTHON scripts/describe_interactions.py > simulator/understudy_simulator/next_generation/shapes.json

The family (interactions, agents, credentials, decisions, environments, triggers, voices, webhooks) has no protos and no
discovery document in public; the SDK's types are what there is. `OVERLAY` adds what those types leave out, with its
source. The form of the output is described in `simulator/understudy_simulator/next_generation/shapes.py`.
"""

import json
import sys
import types
import typing
from importlib import import_module
from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypeAliasType, is_typeddict

ROOTS = {
    "CreateModelInteraction": "interactions.createmodelinteraction.CreateModelInteractionParam",
    "CreateAgentInteraction": "interactions.createagentinteraction.CreateAgentInteractionParam",
    "CreateAgent": "agents.agent.AgentParam",
    "CreateCredential": "credentials.credentialcreateparams.CredentialCreateParamsParam",
    "UpdateCredential": "credentials.credentialupdate.CredentialUpdateParam",
    "CreateDecision": "decisions.createdecisionrequest.CreateDecisionRequestParam",
    "CreateEnvironment": "environments.createenvironmentrequest.CreateEnvironmentRequestParam",
    "CreateTrigger": "triggers.triggercreateparams.TriggerCreateParamsParam",
    "UpdateTrigger": "triggers.triggerupdate.TriggerUpdateParam",
    "CreateVoice": "voices.createvoicerequest.CreateVoiceRequestParam",
    "CreateWebhook": "webhooks.webhook.WebhookInputParam",
    "UpdateWebhook": "webhooks.webhookupdate.WebhookUpdateParam",
    "PingWebhook": "webhooks.pingwebhookrequest.PingWebhookRequestParam",
    "RotateSigningSecret": "webhooks.rotatesigningsecretrequest.RotateSigningSecretRequestParam",
}
"""What the requests are called here, and the types that the SDK has for them."""

OVERLAY: dict[str, dict[str, Any]] = {
    # sdk-surface, voices.create: captured with an id.
    "VoiceInput": {"id": "string"},
    # An issue of the AI SDK (vercel/ai 17937): a live request with top_k was answered with 200.
    "GenerationConfig": {"top_k": "int"},
    # The official streaming and function calling pages: signatures come with function calls and are sent back.
    "FunctionCallStep": {"signature": "string"},
}

OPEN = ("mime_type", "model", "agent", "base_agent")
"""Members whose listed values are examples: the services take others, and refuse them in their own words."""

EMPTY = ("PingWebhookRequestParam",)
"""Messages without members; other types without members stand for any JSON object."""

EXTRA_VALUES = {"subscribed_events": ["batch.completed"]}
"""Enum values beside the SDK's. sdk-surface, webhooks.create: captured with `batch.completed`."""


class Describer:
    """Collects messages and unions while it names types."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.unions: dict[str, list[Any]] = {}
        self._names: dict[Any, str] = {}

    def alternatives(self, kind: Any, member: str) -> list[Any]:
        """What a type allows."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(kind, TypeAliasType):
            return self._alias(kind, member)
        if origin in (Annotated, NotRequired):
            return self.alternatives(arguments[0], member)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments, member)
        if origin in (Literal,):
            return ["string"] if member in OPEN else ["=" + "|".join([*arguments, *EXTRA_VALUES.get(member, [])])]
        if origin is list:
            return [{"[]": _single(self.alternatives(arguments[0], member))}]
        if origin is dict:
            inner = self.alternatives(arguments[1], member)
            return ["object"] if inner == ["any"] else [{"{}": _single(inner)}]
        if is_typeddict(kind):
            return [self._message(kind)]
        simple = {str: "string", int: "int", float: "float", bool: "bool", Any: "any"}
        if kind in simple:
            return [simple[kind]]
        if kind.__name__.startswith("Unrecognized"):
            return []
        raise ValueError(f"{member}: {kind!r}")

    def _alias(self, kind: Any, member: str) -> list[Any]:
        found = self.alternatives(kind.__value__, member)
        if len(found) < 3 or not all(isinstance(each, str) and each in self.messages for each in found):
            return found
        name = _bare(kind.__name__)
        self.unions[name] = found
        return [name]

    def _union(self, arguments: tuple[Any, ...], member: str) -> list[Any]:
        found: list[Any] = []
        for argument in arguments:
            if "IO[bytes]" in repr(argument) or "PathLike" in repr(argument):
                continue  # what the SDK turns into base64 text
            found += [each for each in self.alternatives(argument, member) if each not in found]
        return found

    def _message(self, kind: Any) -> str:
        if kind in self._names:
            return self._names[kind]
        hints = typing.get_type_hints(kind, include_extras=True)
        if not hints and kind.__name__ not in EMPTY:
            return "object"
        name = _bare(kind.__name__)
        if name in self.messages:
            raise ValueError(f"two messages are called {name}")
        self._names[kind] = name
        members: dict[str, Any] = {}
        self.messages[name] = members
        for member, hint in hints.items():
            plain = member.rstrip("_")
            must = "" if typing.get_origin(hint) is NotRequired else "!"
            members[plain + must] = _single(self.alternatives(hint, plain))
        members.update(OVERLAY.get(name, {}))
        return name


def _single(alternatives: list[Any]) -> Any:
    return alternatives[0] if len(alternatives) == 1 else alternatives


def _bare(name: str) -> str:
    return name.removesuffix("Param").removesuffix("TypedDict")


def main() -> None:
    """Write the descriptions to stdout."""
    describer = Describer()
    requests: dict[str, Any] = {}
    for name, path in ROOTS.items():
        module, _, kind = path.rpartition(".")
        found = getattr(import_module(f"google.genai._gaos.types.{module}"), kind)
        requests[name] = _single(describer.alternatives(found, ""))
    text = {
        "requests": requests,
        "unions": dict(sorted(describer.unions.items())),
        "messages": dict(sorted(describer.messages.items())),
    }
    json.dump(text, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
