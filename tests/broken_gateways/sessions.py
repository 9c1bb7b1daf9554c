"""Gateways with faults in the handshake of Live sessions (requirements WS-1 to WS-4, WS-11, WS-16)."""

import re
from typing import Final

from .broken import broken, variant
from .honest import Call
from .live import Gateway, Side
from .refusals import Refused
from .rules import KEY_SUBPROTOCOL
from .wire import Fields, Head


@broken("knows-one-version", "It knows the Live path of one version only.", "WS-1/gemini-path")
class KnowsOneVersion(Gateway):
    def check_path(self, call: Call) -> None:
        super().check_path(call)
        if call.is_live and not call.is_vertex and ".v1beta." not in call.path:
            raise Refused(404, "no such route")


class ChangesLivePaths(Gateway):
    """What is found in the path of a handshake becomes something else."""

    found: str = ""
    becomes: str = ""

    def provider_path(self, call: Call, path: str) -> str:
        path = super().provider_path(call, path)
        return re.sub(self.found, self.becomes, path) if call.is_live else path


@broken("knows-one-short-route", "It has one of the short routes only.", "WS-1/short-route")
class KnowsOneShortRoute(Gateway):
    def short_routes(self) -> tuple[str, ...]:
        return super().short_routes()[:1]


@broken("forwards-its-own-query", "It sends its own query parameters on.", "WS-2/query-ends-here")
class ForwardsItsOwnQuery(Gateway):
    def short_route_target(self, query: str) -> str:
        target = super().short_route_target(query)
        return f"{target}?{query}" if query else target


@broken("hides-refusals", "It answers 502 when the provider refuses a handshake.", "WS-4/refusal-status")
class HidesRefusals(Gateway):
    async def pass_refusal(self, call: Call, answer: Head, server: Side, client: Side) -> None:
        raise Refused(502, "the provider refused")


@broken("selects-the-key", "It selects the subprotocol that holds the key.", "WS-11/subprotocol-of-the-key")
class SelectsTheKey(Gateway):
    def accepted(self, call: Call, answer: Head) -> Fields:
        offered = [one for one in self.offered_subprotocols(call) if one.startswith(KEY_SUBPROTOCOL)]
        selected = [(b"Sec-WebSocket-Protocol", one.encode()) for one in offered]
        return [*super().accepted(call, answer), *selected]


@broken("offers-the-key", "It forwards the subprotocol that holds the key.", "WS-11/subprotocol-of-the-key")
class OffersTheKey(Gateway):
    def subprotocol_goes_on(self, offered: str) -> bool:
        return True


@broken("refuses-deflate", "It refuses clients that offer to compress.", "WS-11/deflate-offer-not-refused")
class RefusesDeflate(Gateway):
    def check_path(self, call: Call) -> None:
        super().check_path(call)
        if call.is_live and call.head.values(b"sec-websocket-extensions"):
            raise Refused(400, "no extensions here")


@broken("accepts-deflate", "It agrees to compress, and does not.", "WS-11/deflate-offer-not-refused")
class AcceptsDeflate(Gateway):
    """What the client compresses reaches the provider as it is, with a bit that the provider does not know."""

    def accepted(self, call: Call, answer: Head) -> Fields:
        offered = call.head.values(b"sec-websocket-extensions")
        agreed = [(b"Sec-WebSocket-Extensions", b"permessage-deflate")] if offered else []
        return [*super().accepted(call, answer), *agreed]


@broken("drops-handshake-fields", "It drops fields of a handshake that it does not know.", "WS-16/headers")
class DropsHandshakeFields(Gateway):
    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) and not (call.is_live and name.lower() == b"x-goog-user-project")


@broken("forwards-the-page", "It forwards Origin and Cookie of a browser.", "WS-16/origin-and-cookie-end-here")
class ForwardsThePage(Gateway):
    def live_ends_here(self) -> frozenset[bytes]:
        return super().live_ends_here() - {b"origin", b"cookie"}


def _path(name: str, sentence: str, found: str, becomes: str, *kills: str) -> type[Gateway]:
    return variant(ChangesLivePaths, name, sentence, *kills, found=found, becomes=becomes)


TABLE: Final = (
    _path(
        "prefers-v1beta1",
        "It sends sessions of v1 to v1beta1.",
        r"\.v1\.",
        ".v1beta1.",
        "WS-1/vertex-path",
        "WS-1/gemini-path",
    ),
    _path("merges-live-slashes", "It merges the slashes of a Live path.", "//+", "/", "WS-1/double-slash"),
)
