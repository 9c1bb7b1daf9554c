"""Gateways that do something to paths, queries and methods (requirements URL)."""

import re
from typing import Final
from urllib.parse import quote

from .broken import broken, variant
from .honest import GEMINI_KEY, Call
from .live import Gateway
from .refusals import Refused
from .rules import METHODS
from .wire import Fields


class ChangesPaths(Gateway):
    """What is found in a path over HTTP becomes something else."""

    found: str = ""
    becomes: str = ""

    def provider_path(self, call: Call, path: str) -> str:
        path = super().provider_path(call, path)
        return path if call.is_live else re.sub(self.found, self.becomes, path)


@broken("upper-cases-hex", "It writes the hex digits of a path in capitals.", "URL-1/hex-case")
class UpperCasesHex(Gateway):
    def provider_path(self, call: Call, path: str) -> str:
        return re.sub("%[0-9a-fA-F]{2}", lambda found: found[0].upper(), super().provider_path(call, path))


@broken("encodes-sub-delims", "It encodes characters that may stand in a path as they are.", "URL-1/sub-delims")
class EncodesSubDelims(Gateway):
    def provider_path(self, call: Call, path: str) -> str:
        return quote(super().provider_path(call, path), safe="/:%@")


class ChangesQueries(Gateway):
    """A gateway that reads a query and writes it anew."""

    def provider_query(self, call: Call, query: str) -> str:
        return "&".join(self.rewritten(super().provider_query(call, query).split("&")))

    def rewritten(self, parts: list[str]) -> list[str]:
        """What becomes of the parameters."""
        return parts


@broken("keeps-last-repeat", "Of a parameter that is repeated it keeps the last.", "URL-3/order-and-repeats")
class KeepsLastRepeat(ChangesQueries):
    def rewritten(self, parts: list[str]) -> list[str]:
        return list({part.partition("=")[0]: part for part in parts}.values())


@broken(
    "sorts-parameters",
    "It sorts the parameters of a query.",
    *("URL-3/order-and-repeats", "URL-3/encodings", "URL-3/blank-values"),
)
class SortsParameters(ChangesQueries):
    def rewritten(self, parts: list[str]) -> list[str]:
        return sorted(parts)


@broken("spaces-as-plus", "It writes an encoded space of a query as a plus.", "URL-3/encodings")
class SpacesAsPlus(ChangesQueries):
    def rewritten(self, parts: list[str]) -> list[str]:
        return [part.replace("%20", "+") for part in parts]


@broken("drops-blank-values", "It drops parameters without a value.", "URL-3/blank-values")
class DropsBlankValues(ChangesQueries):
    def rewritten(self, parts: list[str]) -> list[str]:
        return [part for part in parts if part.partition("=")[2]]


@broken("credential-in-url", "It shows the provider's key in the URL.", "URL-4/no-credential-in-url")
class CredentialInUrl(Gateway):
    def provider_query(self, call: Call, query: str) -> str:
        query = super().provider_query(call, query)
        key = f"key={GEMINI_KEY.decode()}"
        return query if call.is_vertex or call.is_live else f"{query}&{key}" if query else key

    def credential(self, call: Call) -> Fields:
        return super().credential(call) if call.is_vertex or call.is_live else []


@broken("lets-paths-climb", "It sends paths on that climb above the base URL.", "URL-7/climbing-dots")
class LetsPathsClimb(Gateway):
    def check_path(self, call: Call) -> None:
        return None


@broken("completes-with-v1", "It completes short Vertex paths with v1, whatever they say.", "URL-10/short-path-version")
class CompletesWithV1(Gateway):
    def provider_path(self, call: Call, path: str) -> str:
        return super().provider_path(call, path.replace("/v1beta1/publishers/", "/v1/publishers/"))


@broken("adds-alt", "It adds alt=sse to streams on Vertex AI without a query.", "URL-11/alt-not-added")
class AddsAlt(Gateway):
    def provider_query(self, call: Call, query: str) -> str:
        is_stream = b":streamGenerateContent" in call.head.first[1]
        return "alt=sse" if call.is_vertex and is_stream and not query else super().provider_query(call, query)


@broken("drops-dollar-alt", "It drops the parameter $alt, as its own name for alt.", "URL-11/alt-kept")
class DropsDollarAlt(ChangesQueries):
    def rewritten(self, parts: list[str]) -> list[str]:
        return [part for part in parts if not part.startswith("%24alt=")]


class SendsAnotherMethod(Gateway):
    """One method of HTTP goes up as another."""

    changed: bytes = b""
    into: bytes = b"POST"

    def upstream_method(self, call: Call) -> bytes:
        method = super().upstream_method(call)
        return self.into if method == self.changed else method


@broken("answers-options", "It answers OPTIONS by itself.", "URL-12/options")
class AnswersOptions(Gateway):
    def check_path(self, call: Call) -> None:
        super().check_path(call)
        if call.head.method == "OPTIONS":
            raise Refused(405, "OPTIONS is not supported", (b"Allow", b"GET, POST"))


@broken(
    "takes-names-for-methods", "It takes a model with stream in its name for a stream.", "URL-13/model-named-stream"
)
class TakesNamesForMethods(Gateway):
    def provider_query(self, call: Call, query: str) -> str:
        query, model = super().provider_query(call, query), call.head.first[1].rpartition(b":")[0]
        return f"{query}&alt=sse".lstrip("&") if b"/stream" in model or b"streamGenerate" in model else query


@broken("guesses-routes", "It sends what no route serves to the Gemini API.", "URL-14/unknown-route")
class GuessesRoutes(Gateway):
    def no_route(self, call: Call) -> None:
        call.target = call.head.first[1].decode("latin-1")


def _path(name: str, sentence: str, found: str, becomes: str, *kills: str) -> type[Gateway]:
    return variant(ChangesPaths, name, sentence, *kills, found=found, becomes=becomes)


def _method(method: bytes, into: bytes, *kills: str) -> type[Gateway]:
    name = method.decode().lower()
    return variant(
        SendsAnotherMethod,
        f"{name}-as-{into.decode().lower()}",
        f"It sends {method.decode()} on as {into.decode()}.",
        *kills,
        changed=method,
        into=into,
    )


TABLE: Final = (
    _path("decodes-slashes", "It decodes %2F in a path.", "%2[Ff]", "/", "URL-1/encoded-slash"),
    _path("decodes-percent-signs", "It decodes %25 in a path.", "%25", "%", "URL-1/double-encoding"),
    _path("merges-slashes", "It merges slashes in a path.", "//+", "/", "URL-1/double-slash"),
    _path("strips-trailing-slashes", "It cuts off a slash at the end.", "/$", "", "URL-1/trailing-slash"),
    _path("spaces-as-plus-in-paths", "It writes %20 as + in a path.", "%20", "+", "URL-1/encoded-space-and-utf8"),
    _path("cuts-at-question-marks", "It cuts a path at %3F.", "%3F.*", "", "URL-2/question-mark-and-hash"),
    _path(
        "moves-to-its-region",
        "It sends every request to its own region.",
        "/locations/[^/]+/",
        "/locations/us-central1/",
        "URL-9/location-of-the-path",
    ),
    _method(b"HEAD", b"GET", "URL-12/head"),
    _method(b"PATCH", b"POST", "URL-12/patch"),
    _method(b"DELETE", b"POST", "URL-12/delete", "LRO-1/verbs"),
    _method(b"PUT", b"POST", "URL-12/put"),
    variant(
        Gateway,
        "passes-trace",
        "It sends TRACE on.",
        "URL-12/trace-refused",
        methods=METHODS | {"TRACE"},
    ),
)
