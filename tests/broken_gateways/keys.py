"""Gateways that take keys badly, or show them to the provider (requirements AUTH)."""

import json
from typing import Final

from .broken import AsksTwice, broken, variant
from .honest import Call
from .live import Gateway
from .refusals import Refused
from .wire import Fields


class TakesNoKeyFrom(Gateway):
    """One carrier of the key is not read, on some requests."""

    carrier: str = ""
    on_vertex: bool = False
    on_live: bool = False

    def shown_keys(self, call: Call) -> dict[str, str]:
        shown = super().shown_keys(call)
        if call.is_vertex == self.on_vertex and call.is_live == self.on_live:
            shown.pop(self.carrier, None)
        return shown


@broken("knows-no-bearer-of-its-own", "It takes no `Bearer` in x-litellm-api-key.", "AUTH-1/x-litellm-api-key")
class KnowsNoBearer(Gateway):
    def shown_keys(self, call: Call) -> dict[str, str]:
        shown = super().shown_keys(call)
        if call.head.value(b"x-litellm-api-key").startswith(b"Bearer "):
            del shown["x-litellm-api-key"]
        return shown


class RefusesOtherwise(Gateway):
    """A refusal of a key comes with another status."""

    status_without: int = 401
    status_with: int = 401

    async def check_key(self, call: Call) -> None:
        try:
            await super().check_key(call)
        except Refused as refused:
            refused.status = self.status_with if self.shown_keys(call) else self.status_without
            raise


@broken(
    "lets-in-without-key",
    "It lets in who shows no key at all.",
    *("AUTH-2/missing-key", "AUTH-2/nothing-sent-upstream"),
)
class LetsInWithoutKey(Gateway):
    async def check_key(self, call: Call) -> None:
        if self.shown_keys(call):
            await super().check_key(call)


@broken(
    "compares-beginnings",
    "It takes a key that begins as the right one.",
    *("AUTH-2/wrong-key", "AUTH-2/nothing-sent-upstream"),
)
class ComparesBeginnings(Gateway):
    async def check_key(self, call: Call) -> None:
        if not any(value.startswith(self.setting.key) for value in self.shown_keys(call).values()):
            await super().check_key(call)


@broken("asks-before-it-refuses", "It asks the provider before it looks at the key.", "AUTH-2/nothing-sent-upstream")
class AsksBeforeItRefuses(AsksTwice):
    async def check_key(self, call: Call) -> None:
        try:
            await super().check_key(call)
        except Refused:
            await self.ask(call)
            raise


class RefusesInOtherWords(Gateway):
    """The body of a refusal of a key is of the framework's own shape."""

    def error_body(self, refused: Refused) -> bytes:
        if refused.status == 401:
            return json.dumps({"detail": str(refused)}).encode()
        return super().error_body(refused)


@broken("challenges-nobody", "Its 401 has no WWW-Authenticate.", "AUTH-2/www-authenticate")
class ChallengesNobody(Gateway):
    def refusal_fields(self, refused: Refused) -> Fields:
        return [field for field in super().refusal_fields(refused) if field[0] != b"WWW-Authenticate"]


@broken(
    "takes-google-tokens-for-keys",
    "It lets in who shows a token of Google's.",
    "AUTH-4/foreign-credential-neither-helps-nor-harms",
)
class TakesGoogleTokens(Gateway):
    async def check_key(self, call: Call) -> None:
        if not any(value.startswith("ya29.") for value in self.shown_keys(call).values()):
            await super().check_key(call)


@broken(
    "reads-one-carrier",
    "It looks at the first carrier only, and refuses what stands there if it is no key.",
    *("AUTH-4/foreign-credential-neither-helps-nor-harms", "AUTH-6/one-credential"),
)
class ReadsOneCarrier(Gateway):
    def shown_keys(self, call: Call) -> dict[str, str]:
        shown = super().shown_keys(call)
        return {"authorization": shown["authorization"]} if call.head.values(b"authorization") else shown


@broken(
    "strips-one-spelling",
    "It removes Authorization, but in that spelling only.",
    "AUTH-6/one-credential",
)
class StripsOneSpelling(Gateway):
    def goes_on(self, call: Call, name: bytes) -> bool:
        is_other_spelling = name.lower() == b"authorization" and name != b"Authorization"
        return is_other_spelling or super().goes_on(call, name)


class ForwardsKeyFields(Gateway):
    """Fields that clients put their key in go on."""

    on_live: bool = False

    def goes_on(self, call: Call, name: bytes) -> bool:
        is_copy = name.lower() in (b"api-key", b"x-api-key", b"ocp-apim-subscription-key")
        return (is_copy and call.is_live == self.on_live) or super().goes_on(call, name)


@broken("forwards-the-query-key", "It leaves the parameter `key` in the query.", "AUTH-5/no-leaked-key")
class ForwardsQueryKey(Gateway):
    def provider_query(self, call: Call, query: str) -> str:
        return query


def _carrier(carrier: str, on_vertex: bool, on_live: bool, *kills: str) -> type[Gateway]:
    where = ("vertex-" if on_vertex else "") + ("live-" if on_live else "")
    words = ("on Vertex AI " if on_vertex else "") + ("in a handshake " if on_live else "")
    return variant(
        TakesNoKeyFrom,
        f"takes-no-{where}{carrier}",
        f"It takes no key from {carrier} {words}".strip() + ".",
        *kills,
        carrier=carrier,
        on_vertex=on_vertex,
        on_live=on_live,
    )


TABLE: Final = (
    _carrier(
        "x-goog-api-key",
        False,
        False,
        *("AUTH-1/x-goog-api-key", "AUTH-4/foreign-credential-neither-helps-nor-harms", "AUTH-6/one-credential"),
    ),
    _carrier("authorization", False, False, "AUTH-1/bearer"),
    _carrier("query", False, False, "AUTH-1/query-key"),
    _carrier("authorization", True, False, "AUTH-1/vertex-bearer"),
    _carrier("x-goog-api-key", True, False, "AUTH-1/vertex-x-goog-api-key"),
    _carrier("x-goog-api-key", False, True, "AUTH-1/live-x-goog-api-key"),
    _carrier("authorization", True, True, "AUTH-1/live-bearer"),
    _carrier("x-goog-api-key", True, True, "AUTH-1/vertex-live-x-goog-api-key"),
    variant(
        RefusesOtherwise, "400-without-key", "It answers 400 without a key.", "AUTH-2/missing-key", status_without=400
    ),
    variant(
        RefusesOtherwise, "403-for-wrong-keys", "It answers 403 to a wrong key.", "AUTH-2/wrong-key", status_with=403
    ),
    variant(
        RefusesInOtherWords,
        "refuses-in-other-words",
        "Its refusal of a key has a shape of its own.",
        "AUTH-2/google-shaped",
    ),
    variant(
        ForwardsKeyFields,
        "forwards-key-fields",
        "It forwards api-key and the like.",
        "AUTH-5/no-leaked-key",
    ),
    variant(
        ForwardsKeyFields,
        "forwards-key-fields-live",
        "It forwards api-key and the like in a handshake.",
        "AUTH-5/no-leaked-key-live",
        on_live=True,
    ),
)
