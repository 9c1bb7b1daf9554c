"""The endpoints that issue credentials: the token endpoint and the metadata server (wire-http 11.2 to 11.5).

They need the one Gatekeeper of a simulator, so the routes are made for it: `Router((*ROUTES, *routes(gate)))`.
"""

import json
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from understudy.messages import RawHeaders

from ..auth.gate import Gatekeeper
from ..auth.grants import TOKEN_LIFETIME_S
from ..auth.id_tokens import id_token
from ..auth.metadata import FLAVOR, MetadataAnswer, metadata_answer, root_answer
from ..call import Answer, Call, Plain
from ..replies import not_found_page, token_answer
from ..routing import Route

_METADATA_HEADERS: Final[RawHeaders] = (
    (FLAVOR[0].encode(), FLAVOR[1].encode()),
    (b"Server", b"Metadata Server for VM"),
    (b"X-XSS-Protection", b"0"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
)
_ROOT: Final = "computeMetadata/v1"


def token(gate: Gatekeeper, call: Call) -> Answer:
    """The token endpoint: any of its grants, at any path that ends in `token`."""
    form = dict(parse_qsl(call.request.body.decode("latin-1"), keep_blank_values=True))
    answer = gate.exchange(form, call.origin + call.request.path, call.identity.access_token)
    return token_answer(answer.body, answer.status)


def metadata(gate: Gatekeeper, call: Call) -> Answer:
    """One entry of the metadata server, or a directory of it."""
    path = call.names.get("path", "")
    answer = metadata_answer(gate.account, path, call.query, _has_flavor(call))
    if answer.wants_token:
        token = call.identity.access_token
        gate.issue(token)
        issued = {"access_token": token, "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"}
        return _plain(answer, json.dumps(issued, separators=(",", ":")))
    if answer.identity_for is not None:
        return _plain(answer, id_token(gate.account, answer.identity_for, gate.wall()))
    return _plain(answer, answer.body)


def root(gate: Gatekeeper, call: Call) -> Answer:
    """The ping by which clients look for a metadata server; others get the page of the frontend."""
    if not _has_flavor(call):
        return not_found_page(call.request.path)
    answer = root_answer()
    return _plain(answer, answer.body)


def _has_flavor(call: Call) -> bool:
    """Whether the caller knows whom it asks; what a proxy has passed on is refused as well."""
    name, value = FLAVOR
    return (call.header(name) or "").lower() == value.lower() and call.header("x-forwarded-for") is None


def _plain(answer: MetadataAnswer, body: str) -> Plain:
    data = body.encode()
    headers = ((b"Content-Type", answer.content_type.encode()), (b"Content-Length", str(len(data)).encode()))
    return Plain(data, answer.status, (*_METADATA_HEADERS[:1], *headers, *_METADATA_HEADERS[1:]))


def routes(gate: Gatekeeper) -> tuple[Route, ...]:
    """The routes of one simulator."""
    issue, describe = partial(token, gate), partial(metadata, gate)
    tokens = ("token", "{front}/token", "{front}/{middle}/token")
    return (
        *(Route("POST", path, issue, "gemini", "known", rpc="token", needs_credentials=False) for path in tokens),
        Route("GET", "", partial(root, gate), "gemini", "known", rpc="ping", needs_credentials=False),
        *(
            Route("GET", path, describe, "gemini", "known", rpc="metadata", needs_credentials=False)
            for path in (_ROOT, f"{_ROOT}/{{path...}}")
        ),
    )
