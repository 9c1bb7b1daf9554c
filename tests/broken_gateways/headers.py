"""Gateways that do something to header fields (requirements HDR)."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Final

from .broken import broken, variant
from .honest import Call
from .live import Gateway
from .rules import HOP_BY_HOP
from .wire import ALL_RULES, Fields, Head, Rule


class DropsFields(Gateway):
    """Fields of a request over HTTP do not go on."""

    dropped: frozenset[bytes] = frozenset()

    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) and (call.is_live or name.lower() not in self.dropped)


class ForwardsFields(Gateway):
    """Fields of a request over HTTP go on that should not."""

    forwarded: frozenset[bytes] = frozenset()

    def goes_on(self, call: Call, name: bytes) -> bool:
        return super().goes_on(call, name) or (not call.is_live and name.lower() in self.forwarded)


class ChangesUpstreamFields(Gateway):
    """The fields for the provider are changed over HTTP."""

    def upstream_fields(self, call: Call) -> Fields:
        fields = super().upstream_fields(call)
        return fields if call.is_live else self.changed(call, fields)

    def changed(self, call: Call, fields: Fields) -> Fields:
        """What becomes of them."""
        return fields


@broken("joins-repeated-fields", "It joins repeated fields into one.", "HDR-1/order-and-repeats")
class JoinsRepeatedFields(ChangesUpstreamFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        joined: dict[bytes, bytes] = {}
        for name, value in fields:
            joined[name] = joined[name] + b", " + value if name in joined else value
        return list(joined.items())


@broken("lower-cases-names", "It writes the names of fields in small letters.", "HDR-1/name-case")
class LowerCasesNames(ChangesUpstreamFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        return [(name.lower(), value) for name, value in fields]


@broken("says-its-own-user-agent", "It puts its own User-Agent in place of the client's.", "HDR-1/user-agent")
class SaysItsOwnUserAgent(ChangesUpstreamFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        return [(name, b"gateway/1.0" if name.lower() == b"user-agent" else value) for name, value in fields]


@broken("asks-for-gzip", "It asks for gzip where the client asked for nothing.", "HDR-6/accept-encoding")
class AsksForGzip(ChangesUpstreamFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        asked = call.head.values(b"accept-encoding")
        return fields if asked else [*fields, (b"Accept-Encoding", b"gzip, deflate")]


@broken(
    "forwards-named-fields",
    "It forwards the fields that the client's Connection names.",
    "HDR-2/connection-named-in-request",
)
class ForwardsNamedFields(Gateway):
    def named_in_request(self, call: Call) -> set[bytes]:
        return set()


@broken(
    "forwards-named-fields-down",
    "It passes down the fields that the provider's Connection names.",
    "HDR-2/connection-named-in-response",
)
class ForwardsNamedFieldsDown(Gateway):
    def named_in_answer(self, call: Call, answer: Head) -> set[bytes]:
        return set()


@broken("forwards-host", "It forwards the client's Host.", "HDR-3/host")
class ForwardsHost(Gateway):
    def host(self, call: Call) -> bytes:
        return super().host(call) if call.is_live else call.head.value(b"host")


@broken(
    "frames-twice",
    "It sends a length along with a transfer coding.",
    *("HDR-3/one-framing", "BODY-4/chunked"),
)
class FramesTwice(Gateway):
    def upstream_framing(self, call: Call) -> Fields:
        framing = super().upstream_framing(call)
        return [(b"Content-Length", b"57"), *framing] if call.head.is_chunked else framing


@broken("drops-x-pass", "It does nothing by x-pass fields.", "HDR-4/x-pass-forwarded")
class DropsXPass(Gateway):
    def passed(self, name: bytes, value: bytes) -> Fields:
        super().passed(name, value)
        return []


@broken("keeps-the-x-pass-prefix", "It forwards x-pass fields under both names.", "HDR-4/x-pass-forwarded")
class KeepsTheXPassPrefix(Gateway):
    def passed(self, name: bytes, value: bytes) -> Fields:
        return [*super().passed(name, value), (b"x-pass-" + name, value)]


class SetsByXPass(Gateway):
    """One field can be set by x-pass that must not."""

    settable: bytes = b""

    def passed(self, name: bytes, value: bytes) -> Fields:
        return [(name, value)] if name == self.settable else super().passed(name, value)


@broken(
    "forwards-control-fields",
    "It forwards x-litellm fields, but the key.",
    "HDR-5/control-headers-end-here",
)
class ForwardsControlFields(Gateway):
    def goes_on(self, call: Call, name: bytes) -> bool:
        lowered = name.lower()
        is_control = lowered.startswith(b"x-litellm-") and lowered != b"x-litellm-api-key"
        return super().goes_on(call, name) or (is_control and not call.is_live)


class Decompresses(Gateway):
    """Compressed answers are decompressed for clients that sent this Accept-Encoding."""

    for_clients: bytes = b""

    def download(self, call: Call, answer: Head, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return decompressed(pieces) if self.opens(call, answer) else super().download(call, answer, pieces)

    def client_fields(self, call: Call, answer: Head) -> Fields:
        gone = (b"content-encoding", b"content-length") if self.opens(call, answer) else ()
        return [field for field in super().client_fields(call, answer) if field[0].lower() not in gone]

    def is_chunked_down(self, call: Call, answer: Head) -> bool:
        return self.opens(call, answer) or super().is_chunked_down(call, answer)

    def opens(self, call: Call, answer: Head) -> bool:
        """Whether this answer is decompressed."""
        accepted = call.head.value(b"accept-encoding")
        return answer.value(b"content-encoding") == b"gzip" and accepted == self.for_clients


async def decompressed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip body as one piece."""
    yield gzip.decompress(b"".join([piece async for piece in pieces]))


class ChangesClientFields(Gateway):
    """The provider's fields are changed on their way down."""

    def client_fields(self, call: Call, answer: Head) -> Fields:
        return self.changed(call, super().client_fields(call, answer))

    def changed(self, call: Call, fields: Fields) -> Fields:
        """What becomes of them."""
        return fields


class JoinsFieldsDown(ChangesClientFields):
    """A repeated field of an answer is joined into one."""

    joined: bytes = b""

    def changed(self, call: Call, fields: Fields) -> Fields:
        values = [value for name, value in fields if name.lower() == self.joined]
        kept = [field for field in fields if field[0].lower() != self.joined]
        return [*kept, (self.joined, b", ".join(values))] if values else kept


@broken("says-its-own-date", "It puts its own Date and Server in place of the provider's.", "HDR-7/date-and-server")
class SaysItsOwnDate(ChangesClientFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        own = {b"date": b"Thu, 01 Jan 2026 00:00:00 GMT", b"server": b"gateway"}
        return [(name, own.get(name.lower(), value)) for name, value in fields]


@broken("rewrites-location", "It writes Location anew, as an address of its own.", "HDR-7/location")
class RewritesLocation(ChangesClientFields):
    def changed(self, call: Call, fields: Fields) -> Fields:
        own = b"http://" + call.head.value(b"host") + b"/gemini"
        return [
            (name, own + value.partition(b"googleapis.com")[2] if name.lower() == b"location" else value)
            for name, value in fields
        ]


class AddsFields(Gateway):
    """Fields of its own stand in every answer."""

    def own_fields(self, call: Call) -> Fields:
        return [*super().own_fields(call), *self.added()]

    def added(self) -> Fields:
        """The fields."""
        return [(b"Strict-Transport-Security", b"max-age=1"), (b"Access-Control-Allow-Origin", b"*")]


@broken("tells-the-upstream", "It tells clients where the provider is.", "HDR-9/no-upstream-address")
class TellsTheUpstream(AddsFields):
    def added(self) -> Fields:
        return [(b"x-litellm-model-api-base", "http://{}:{}".format(*self.setting.upstream).encode())]


@broken("invites-nobody", "It does not answer Expect: 100-continue.", "HDR-12/expect-continue")
class InvitesNobody(Gateway):
    async def invite(self, call: Call, writer: asyncio.StreamWriter) -> None:
        return None


def _settable(name: str) -> type[Gateway]:
    return variant(
        SetsByXPass,
        f"x-pass-sets-{name}",
        f"It lets x-pass-{name} set {name}.",
        f"HDR-4/x-pass-{name}",
        settable=name.encode(),
    )


def _lenient(rule: Rule, slug: str) -> type[Gateway]:
    return variant(
        Gateway,
        f"accepts-{slug}",
        f"It accepts {rule} in the head of a request.",
        f"HDR-10/{slug}",
        refused_heads=ALL_RULES - {rule},
    )


TABLE: Final = (
    variant(
        DropsFields,
        "drops-fields-it-does-not-know",
        "It forwards only fields that it knows.",
        "HDR-1/end-to-end-request-headers",
        dropped=frozenset({b"x-server-timeout", b"x-goog-request-params", b"x-mixed-case"}),
    ),
    variant(DropsFields, "drops-cookies", "It drops Cookie.", "HDR-1/cookie", dropped=frozenset({b"cookie"})),
    variant(
        ForwardsFields,
        "forwards-hop-by-hop",
        "It forwards fields that belong to one hop.",
        "HDR-2/hop-by-hop-in-request",
        forwarded=HOP_BY_HOP - {b"connection", b"transfer-encoding", b"upgrade", b"proxy-authorization"},
    ),
    *map(_settable, ("authorization", "x-goog-api-key", "host", "transfer-encoding", "content-length", "cookie")),
    variant(
        Decompresses,
        "decompresses",
        "It decompresses answers.",
        "HDR-6/gzip-untouched",
        for_clients=b"gzip",
    ),
    variant(
        Decompresses,
        "decompresses-for-identity",
        "It decompresses answers for clients that want none compressed.",
        "HDR-6/gzip-for-identity-client",
        for_clients=b"identity",
    ),
    variant(
        JoinsFieldsDown,
        "joins-vary",
        "It joins repeated fields of an answer.",
        "HDR-7/response-headers",
        joined=b"vary",
    ),
    variant(
        JoinsFieldsDown, "joins-set-cookie", "It joins Set-Cookie.", "HDR-7/set-cookie-not-joined", joined=b"set-cookie"
    ),
    variant(AddsFields, "adds-security-fields", "It adds fields of its own.", "HDR-8/only-documented-additions"),
    _lenient(Rule.TWO_FRAMINGS, "length-and-transfer-encoding"),
    _lenient(Rule.LENGTHS, "differing-lengths"),
    _lenient(Rule.FOLD, "obs-fold"),
    _lenient(Rule.SPACE, "space-before-colon"),
    _lenient(Rule.VALUE, "nul-in-value"),
)
