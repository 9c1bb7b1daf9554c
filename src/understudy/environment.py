"""Which environment variables point a client at a gateway or simulator, and what must be said in code instead.

Pure: values in, values out. Facts about the clients are from wire-http 11.6 and 12 and wire-live 2.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .errors import ConfigError

Variables = dict[str, str | None]
"""Variables to set; None is one that must not be set."""

DEVELOPMENT_KEY: Final = "sk-understudy"
"""What a client shows that has no key of its own: a development gateway and the simulator take any key."""

PROJECT: Final = "understudy-project"
LOCATION: Final = "us-central1"

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

GATEWAY_VARIABLES: Final = (
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_BASE", "VERTEXAI_API_BASE", "VERTEX_API_KEY", "PORT"),
    *("DEFAULT_VERTEXAI_PROJECT", "DEFAULT_VERTEXAI_LOCATION", "DEFAULT_GOOGLE_APPLICATION_CREDENTIALS"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "VERTEXAI_PROJECT", "VERTEXAI_LOCATION", "VERTEXAI_CREDENTIALS"),
    *("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "LITELLM_MASTER_KEY", "LITELLM_LOG", "LITELLM_PORT"),
    "UNDERSTUDY_UPSTREAM_CA",
)
"""What a gateway reads from its environment (gateway-behaviour 14)."""


BASE_URLS: Final = ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL")
PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
FILES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GOOGLE_APPLICATION_CREDENTIALS")
"""Variables that name a file, or in one case a folder."""


def checked_origin(option: str, url: str) -> str:
    """A URL that was given by `option`, without slashes at its end. Raises ConfigError if it is none of http(s)."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https") or not rest.strip("/") or any(map(str.isspace, url)):
        raise ConfigError(f"{option} {url}: not a URL; it must begin with https:// or http://")
    return url.rstrip("/")


class Client(StrEnum):
    """A client, and the form in which it is used."""

    PYTHON = "python"
    PYTHON_VERTEX = "python-vertex"
    JS = "js"
    JS_VERTEX = "js-vertex"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where clients are pointed: an https origin without a slash at its end, and what they need beside it.

    `is_gateway` says that the provider is chosen by a path prefix there. `bundle` and `key_file` are paths.
    """

    origin: str
    is_gateway: bool
    bundle: str
    key_file: str
    key: str = DEVELOPMENT_KEY
    project: str = PROJECT
    location: str = LOCATION

    @property
    def gemini(self) -> str:
        """The base URL of the Gemini API."""
        return f"{self.origin}/gemini" if self.is_gateway else self.origin

    @property
    def vertex(self) -> str:
        """The base URL of Vertex AI."""
        return f"{self.origin}/vertex_ai" if self.is_gateway else self.origin


def client_variables(endpoint: Endpoint, environ: Mapping[str, str]) -> Variables:
    """All that can be said by variables to a program whose clients are not known: what `understudy run` sets.

    `environ` is what the user has set already: the key keeps the name under which the user's program looks for it.
    """
    return {
        "GOOGLE_GEMINI_BASE_URL": endpoint.gemini,
        "GOOGLE_VERTEX_BASE_URL": endpoint.vertex,
        **_key_variables(endpoint.key, environ),
        **_trust_variables(endpoint, environ),
        **_vertex_variables(endpoint),
        **no_proxy_variables(environ),
    }


def variables_for(client: Client, endpoint: Endpoint, environ: Mapping[str, str]) -> Variables:
    """The variables that one kind of client needs."""
    trust = {**_trust_variables(endpoint, environ), **no_proxy_variables(environ)}
    match client:
        case Client.PYTHON | Client.JS:
            base: Variables = {"GOOGLE_GEMINI_BASE_URL": endpoint.gemini}
            return {**base, **_key_variables(endpoint.key, environ), **trust}
        case Client.LIVE:
            base = {"GOOGLE_GEMINI_BASE_URL": endpoint.gemini, "GOOGLE_VERTEX_BASE_URL": endpoint.vertex}
            return {**base, **_key_variables(endpoint.key, environ), **trust, **_vertex_variables(endpoint)}
        case Client.PYTHON_VERTEX:
            return {"GOOGLE_VERTEX_BASE_URL": endpoint.vertex, **trust, **_vertex_variables(endpoint)}
        case Client.JS_VERTEX:
            return {"GOOGLE_VERTEX_BASE_URL": endpoint.vertex, **trust}


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a gateway that is wired by us: without the user's own keys and upstream addresses.

    The environment wins over the configuration file, so a variable left here would aim the gateway at Google.
    """
    return {name: value for name, value in environ.items() if name not in GATEWAY_VARIABLES}


def no_proxy_variables(environ: Mapping[str, str]) -> Variables:
    """`NO_PROXY` in both spellings, with loopback added to what the user has: some clients read one, some the other."""
    given = [host.strip() for name in ("no_proxy", "NO_PROXY") for host in environ.get(name, "").split(",")]
    hosts = ",".join(dict.fromkeys(host for host in (*given, *LOOPBACK) if host))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def applied(variables: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with `variables` set and unset."""
    merged: dict[str, str | None] = {**environ, **variables}
    return {name: value for name, value in merged.items() if value is not None}


def shell_lines(variables: Mapping[str, str | None]) -> list[str]:
    """Lines for a POSIX shell, fit for `eval`: first what is unset, then what is set."""
    unset = [f"unset {name}" for name, value in variables.items() if value is None]
    return unset + [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if value is not None]


def env_file_lines(variables: Mapping[str, str | None]) -> list[str]:
    """Lines `NAME=value` as docker and most runners read them from an env file; nothing is unset there.

    Values are not quoted: docker would take the quotes for part of the value.
    """
    return [f"{name}={value}" for name, value in variables.items() if value is not None]


def snippet(client: Client, endpoint: Endpoint) -> list[str]:
    """Code that the client needs because no variable reaches so far; empty where variables are enough."""
    match client:
        case Client.PYTHON | Client.JS:
            return []
        case Client.PYTHON_VERTEX:
            return _python_vertex(endpoint)
        case Client.JS_VERTEX:
            return _js_vertex(endpoint)
        case Client.LIVE:
            return _live(endpoint)


@dataclass(frozen=True, slots=True)
class Trap:
    """Something in an environment that is known to lead clients astray; `is_certain` says that it will."""

    sentence: str
    is_certain: bool = True


def traps(environ: Mapping[str, str], exists: Callable[[str], bool] = lambda path: True) -> list[Trap]:
    """The traps in an environment; no sentence holds a key. `exists` says whether a file is there."""
    found = [_base_url_trap(name, environ[name]) for name in BASE_URLS if environ.get(name)]
    if environ.get("GOOGLE_API_KEY") and environ.get("GEMINI_API_KEY"):
        found.append(
            Trap("GOOGLE_API_KEY and GEMINI_API_KEY are both set: google-genai takes the first, and warns", False)
        )
    found += [_vertex_trap(environ), _proxy_trap(environ)]
    found += [
        Trap(f"{name}={environ[name]}: no such file")
        for name in FILES
        if environ.get(name) and not exists(environ[name])
    ]
    return [trap for trap in found if trap is not None]


def _base_url_trap(name: str, url: str) -> Trap | None:
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in ("http", "https"):
        return Trap(f"{name}={url}: not a URL; it must begin with https:// (or http://)")
    last = rest.rstrip("/").rpartition("/")[2]
    if "/" in rest.rstrip("/") and last in ("v1", "v1beta", "v1alpha", "v1beta1"):
        return Trap(f"{name}={url}: ends with an API version, and the SDK adds one of its own; leave it out")
    if scheme == "http":
        return Trap(
            f"{name}={url}: Live sessions of Python dial wss:// whatever this says; use the https address", False
        )
    return None


def _vertex_trap(environ: Mapping[str, str]) -> Trap | None:
    wants_vertex = any(
        environ.get(name, "").lower() in ("true", "1")
        for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
    )
    if wants_vertex and not environ.get("GOOGLE_VERTEX_BASE_URL"):
        return Trap("Vertex mode is switched on, but GOOGLE_VERTEX_BASE_URL is not set: requests go to Google", False)
    if environ.get("GOOGLE_VERTEX_BASE_URL"):
        return Trap(
            "GOOGLE_VERTEX_BASE_URL counts only with vertexai=True in code, and with project and location as "
            "constructor arguments (understudy env --for python-vertex)",
            False,
        )
    return None


def _proxy_trap(environ: Mapping[str, str]) -> Trap | None:
    proxies = [name for name in PROXIES if environ.get(name) or environ.get(name.lower())]
    excepted = {host.strip() for name in ("no_proxy", "NO_PROXY") for host in environ.get(name, "").split(",")}
    if not proxies or excepted & {"*", "127.0.0.1"}:
        return None
    return Trap(f"{proxies[0]} is set and NO_PROXY does not name 127.0.0.1: requests to loopback go to the proxy")


def _key_variables(key: str, environ: Mapping[str, str]) -> Variables:
    # The Python SDK warns when both are set, and takes GOOGLE_API_KEY.
    if environ.get("GOOGLE_API_KEY") and not environ.get("GEMINI_API_KEY"):
        return {"GOOGLE_API_KEY": key, "GEMINI_API_KEY": None}
    return {"GEMINI_API_KEY": key, "GOOGLE_API_KEY": None}


def _trust_variables(endpoint: Endpoint, environ: Mapping[str, str]) -> Variables:
    names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
    # curl, and requests in second place, prefer this one: where it is set, it would hide the bundle.
    names += [name for name in ("CURL_CA_BUNDLE",) if environ.get(name)]
    return dict.fromkeys(names, endpoint.bundle)


def _vertex_variables(endpoint: Endpoint) -> Variables:
    return {
        "GOOGLE_APPLICATION_CREDENTIALS": endpoint.key_file,
        "GOOGLE_CLOUD_PROJECT": endpoint.project,
        "GOOGLE_CLOUD_LOCATION": endpoint.location,
    }


def _python_vertex(endpoint: Endpoint) -> list[str]:
    return [
        "Variables are not enough in Vertex mode. GOOGLE_VERTEX_BASE_URL counts only if vertexai=True is said in code,",
        "and project and location must be constructor arguments: else the SDK posts to / without a path.",
        "",
        "from google import genai",
        f"client = genai.Client(vertexai=True, {_place(endpoint)})",
        "",
        "With a gateway key in place of the key file:",
        "",
        "from google.oauth2.credentials import Credentials",
        f"client = genai.Client(vertexai=True, {_place(endpoint)},",
        f"                      credentials=Credentials(token={_literal(endpoint.key)}))",
    ]


def _js_vertex(endpoint: Endpoint) -> list[str]:
    lines = [
        "Variables are not enough: google-auth-library ignores the token_uri of a key file and dials Google.",
        "Give the client a token of its own:",
        "",
        'import {GoogleGenAI} from "@google/genai";',
        'import {OAuth2Client} from "google-auth-library";',
        "const authClient = new OAuth2Client();",
        f"authClient.setCredentials({{access_token: {_literal(endpoint.key)}, expiry_date: Date.now() + 3600000}});",
        *_js_vertex_client(endpoint),
    ]
    if endpoint.is_gateway:
        return lines
    return [
        *lines,
        "",
        "Or, where the simulator takes only tokens that it issued, sign with its key file and turn the one request",
        "for a token around:",
        "",
        'import {readFileSync} from "node:fs";',
        'import {GoogleGenAI} from "@google/genai";',
        'import {JWT} from "google-auth-library";',
        f'const account = JSON.parse(readFileSync({_literal(endpoint.key_file)}, "utf-8"));',
        "const authClient = new JWT({email: account.client_email, key: account.private_key,",
        '  scopes: ["https://www.googleapis.com/auth/cloud-platform"]});',
        "authClient.transporter.interceptors.request.add({resolved: async (request) => {",
        '  const isGoogles = String(request.url) === "https://oauth2.googleapis.com/token";',
        "  return Object.assign(request, isGoogles ? {url: new URL(account.token_uri)} : {});",
        "}});",
        *_js_vertex_client(endpoint),
    ]


def _js_vertex_client(endpoint: Endpoint) -> list[str]:
    return [
        f"const ai = new GoogleGenAI({{vertexai: true, project: {_literal(endpoint.project)},",
        f"  location: {_literal(endpoint.location)}, httpOptions: {{baseUrl: {_literal(endpoint.vertex)}}},",
        "  googleAuthOptions: {authClient}});",
    ]


def _live(endpoint: Endpoint) -> list[str]:
    lines = [
        "The Python Live client always dials wss://, so its base URL must be the https one, as above.",
        "The JavaScript one follows its base URL; for Vertex AI it needs the code of --for js-vertex.",
        "In Python, in Vertex mode, say project and location in code:",
        "",
        "from google import genai",
        f"client = genai.Client(vertexai=True, {_place(endpoint)})",
    ]
    if not endpoint.is_gateway:
        return lines
    route = f"wss://{endpoint.origin.partition('://')[2]}/vertex-ai/live"
    return [
        *lines,
        "",
        "Or by the gateway's own route, with the gateway key and no Google credentials at all:",
        "",
        f'client = genai.Client(vertexai=True, http_options={{"base_url": {_literal(route)},',
        f'                      "headers": {{"Authorization": {_literal("Bearer " + endpoint.key)}}}}})',
    ]


def _place(endpoint: Endpoint) -> str:
    return f"project={_literal(endpoint.project)}, location={_literal(endpoint.location)}"


def _literal(text: str) -> str:
    """`text` as a literal that Python and JavaScript read alike."""
    return json.dumps(text)
