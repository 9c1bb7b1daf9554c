"""OpenAI-compatible files and batches of the Gemini API: real state in the scope (wire-http 10).

A file is one of the Gemini Files API, shown in OpenAI's form: its id is `file-ID` for `files/ID`, and both are taken.
A batch is `validating` when it is created, `in_progress` as the first get shows it, `completed` as the second does.
All shapes are OpenAI's; what Google's endpoint makes of them is assumed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from understudy.provider_errors.model import ProviderError

from ..answers.embeddings import embedding
from ..answers.openai_shapes import chat_answer, embeddings_answer, laid_out
from ..answers.reading import member, text_in
from ..answers.tokens import tokens_of_text
from ..call import Answer, Call
from ..clock import rfc3339
from ..downloads import media_of
from ..foreign import unreadable
from ..form_data import FormField, fields_of
from ..google_errors import GoogleError, google_error, invalid_argument, unknown_file
from ..ids import Identity
from ..kept_bytes import bytes_of
from ..openai_chats import chat_mistake, chat_reply
from ..openai_models import compact, heading_of, named_model
from ..routing import Route
from ..spool import NoRoomError, Spool
from ..store import Resource, page_of
from ..uploads import no_room

_LIFETIME: Final = timedelta(hours=48)
_WINDOW: Final = timedelta(hours=24)
_ENDPOINTS: Final = ("/v1/chat/completions", "/v1/embeddings")
_USUAL_PAGE: Final = 20
_LONGEST_PAGE: Final = 100
_USUAL_DIMENSION: Final = 768


# ---- files


def upload(spool: Spool, call: Call) -> Answer:
    """A new file, from a form with `file` and `purpose`; its bytes go to `spool`."""
    fields = {field.name: field for field in fields_of(call.request.body, call.header("content-type") or "") or ()}
    file = fields.get("file")
    if file is None:
        return invalid_argument("file is not specified")
    if "purpose" not in fields:
        return invalid_argument("purpose is not specified")
    identity = call.identity
    made = _kept(spool, call, identity.lower("file", 12), file, fields["purpose"].text)
    return made if isinstance(made, GoogleError) else compact(call, _file_object(made))


def list_files(call: Call) -> Answer:
    """The files of the scope, newest last."""
    return _listed(call, call.shelf.of("files"), _file_object)


def get_file(call: Call) -> Answer:
    """A file's description, or with `/content` behind the id its bytes."""
    asked = call.names["file"]
    resource = call.shelf.find(_file_name(asked.removesuffix("/content")))
    if resource is None:
        return unknown_file(asked.removesuffix("/content"))
    if not asked.endswith("/content"):
        return compact(call, _file_object(resource))
    return media_of(resource.hidden, "application/octet-stream")


def delete_file(call: Call) -> Answer:
    """Take a file away."""
    if call.shelf.remove(_file_name(call.names["file"])) is None:
        return unknown_file(call.names["file"])
    return compact(call, {"id": call.names["file"], "object": "file", "deleted": True})


def _file_name(asked: str) -> str:
    return f"files/{asked.removeprefix('files/').removeprefix('file-')}"


def _kept(spool: Spool, call: Call, file_id: str, file: FormField, purpose: str) -> Resource | GoogleError:
    """A file in the shelf, in the Files API's form (wire-http 8.2); a refusal if the disk has no room for it."""
    name, now = f"files/{file_id}", call.now
    try:
        content = spool.new()
        content.append(file.data)
    except NoRoomError as error:
        return no_room(error)
    value = {
        "name": name,
        "displayName": file.file_name or file_id,
        "mimeType": file.content_type or "application/octet-stream",
        "sizeBytes": str(len(file.data)),
        "createTime": rfc3339(now),
        "updateTime": rfc3339(now),
        "expirationTime": rfc3339(now + _LIFETIME),
        "sha256Hash": content.sha256_hash(),
        "uri": f"https://generativelanguage.googleapis.com/v1beta/{name}",
        "state": "ACTIVE",
        "source": "GENERATED" if purpose == "batch_output" else "UPLOADED",
    }
    return call.shelf.put(Resource(name, value, now, now + _LIFETIME, content))


def _file_object(resource: Resource) -> dict[str, Any]:
    value = resource.value
    is_generated = text_in(value, "source") == "GENERATED"
    return {
        "id": f"file-{resource.name.partition('/')[2]}",
        "object": "file",
        "bytes": int(text_in(value, "sizeBytes") or 0),
        "created_at": int(resource.created.timestamp()),
        "filename": text_in(value, "displayName") or resource.name,
        "purpose": "batch_output" if is_generated else "batch",
        "status": "processed",
    }


# ---- batches


@dataclass(frozen=True, slots=True)
class _Work:
    """What a batch is to do: the lines of its input, and where the ids of their answers come from."""

    lines: tuple[bytes, ...]
    identity: Identity


def create_batch(call: Call) -> Answer:
    """A new batch over the lines of a file."""
    refusal = unreadable(call)
    if refusal is not None:
        return refusal
    body, asked = call.members, text_in(call.members, "input_file_id")
    if not asked:
        return invalid_argument("input_file_id is not specified")
    endpoint = text_in(body, "endpoint")
    if endpoint not in _ENDPOINTS:
        return invalid_argument(f"endpoint must be one of {', '.join(_ENDPOINTS)}, not {str(endpoint)[:80]}.")
    file = call.shelf.find(_file_name(asked))
    data = None if file is None else bytes_of(file.hidden)
    if data is None:
        return unknown_file(asked)
    lines = tuple(line for line in data.splitlines() if line.strip())
    created = int(call.now.timestamp())
    value = {
        "id": f"batch_{call.identity.lower('batch', 24)}",
        "object": "batch",
        "endpoint": endpoint,
        "input_file_id": asked,
        "completion_window": text_in(body, "completion_window") or "24h",
        "status": "validating",
        "created_at": created,
        "expires_at": created + int(_WINDOW.total_seconds()),
        "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        "metadata": member(body, "metadata"),
    }
    work = _Work(lines, call.identity)
    return compact(call, call.shelf.put(Resource(f"openaiBatches/{value['id']}", value, call.now, hidden=work)).value)


def list_batches(call: Call) -> Answer:
    """The batches of the scope, as they stand."""
    return _listed(call, call.shelf.of("openaiBatches"), _batch_object)


def _batch_object(resource: Resource) -> dict[str, Any]:
    return dict(resource.value)


def get_batch(spool: Spool, call: Call) -> Answer:
    """A batch, one step further than at the last look; its output goes to `spool`."""
    found = call.shelf.find(f"openaiBatches/{call.names['batch']}")
    if found is None:
        return _no_batch(call)
    batch = _advanced(spool, call, found)
    return batch if isinstance(batch, GoogleError) else compact(call, batch.value)


def cancel_batch(call: Call) -> Answer:
    """End a batch that is not done yet; one that is done stays as it is."""
    found = call.shelf.find(f"openaiBatches/{call.names['batch']}")
    if found is None:
        return _no_batch(call)
    if found.value["status"] in ("validating", "in_progress"):
        now = int(call.now.timestamp())
        found = call.shelf.change(found.showing(status="cancelled", cancelling_at=now, cancelled_at=now))
    return compact(call, found.value)


def _no_batch(call: Call) -> GoogleError:
    return google_error(ProviderError(404, f"Batch not found: {call.names['batch'][:200]}"))


def _advanced(spool: Spool, call: Call, batch: Resource) -> Resource | GoogleError:
    now = int(call.now.timestamp())
    match batch.value["status"]:
        case "validating":
            return call.shelf.change(batch.showing(status="in_progress", in_progress_at=now))
        case "in_progress":
            done = _done(spool, call, batch, now)
            return done if isinstance(done, GoogleError) else call.shelf.change(done)
        case _:
            return batch


def _done(spool: Spool, call: Call, batch: Resource, now: int) -> Resource | GoogleError:
    work: _Work = batch.hidden
    answers = [_answered(call, line, number, work.identity) for number, line in enumerate(work.lines)]
    failed = sum(1 for answer in answers if answer["error"] is not None or answer["response"]["status_code"] != 200)
    data = b"".join(laid_out(answer) + b"\n" for answer in answers)
    field = FormField("file", data, f"{batch.value['id']}_output.jsonl", "application/jsonl")
    output = _kept(spool, call, work.identity.lower("batch output", 12), field, "batch_output")
    if isinstance(output, GoogleError):
        return output
    return batch.showing(
        status="completed",
        completed_at=now,
        output_file_id=f"file-{output.name.partition('/')[2]}",
        request_counts={"total": len(answers), "completed": len(answers) - failed, "failed": failed},
    )


def _answered(call: Call, line: bytes, number: int, identity: Identity) -> dict[str, Any]:
    """One line of the output: `response` with the status and body that the request by itself would have got."""
    own = replace(identity, number=identity.number * 1_000_000 + number)
    try:
        asked = json.loads(line)
    except ValueError:
        asked = None
    known: Mapping[str, Any] = cast("Mapping[str, Any]", asked) if isinstance(asked, dict) else {}
    head = {"id": f"batch_req_{own.lower('batch line', 24)}", "custom_id": text_in(known, "custom_id")}
    body = member(known, "body")
    if not isinstance(body, dict):
        return head | {"response": None, "error": {"code": "invalid_request", "message": "The line has no body."}}
    said = _said(replace(call, identity=own), text_in(known, "url") or _ENDPOINTS[0], cast("dict[str, Any]", body))
    status, value = (said.status, said.value) if isinstance(said, GoogleError) else (200, said)
    return head | {"response": {"status_code": status, "request_id": own.response_id, "body": value}, "error": None}


def _said(call: Call, url: str, body: dict[str, Any]) -> dict[str, Any] | GoogleError:
    name = text_in(body, "model") or ""
    if not url.endswith("/embeddings"):
        reply = chat_mistake(call, body) or chat_reply(call, body)
        return reply if isinstance(reply, GoogleError) else chat_answer(reply, heading_of(call, name))
    model = named_model(call, name, "embedContent")
    if isinstance(model, GoogleError):
        return model
    given = member(body, "input")
    texts = [given] if isinstance(given, str) else [str(text) for text in cast("list[Any]", given or [])]
    vectors = [embedding(text, model.dimension or _USUAL_DIMENSION, member(body, "dimensions")) for text in texts]
    return embeddings_answer(vectors, name, sum(map(tokens_of_text, texts)), in_base64=False)


def _listed(call: Call, resources: tuple[Resource, ...], shown: Callable[[Resource], dict[str, Any]]) -> Answer:
    """One page in OpenAI's way: `limit`, and `after` with the last id of the page before."""
    cards = [shown(resource) for resource in resources]
    after = call.query.get("after", "")
    ids = [card["id"] for card in cards]
    start = ids.index(after) + 1 if after in ids else 0
    page = page_of(resources[start:], call.query.get("limit", ""), "", usual=_USUAL_PAGE, most=_LONGEST_PAGE)
    if page is None:
        return invalid_argument()
    data = cards[start : start + len(page.resources)]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return compact(call, {"object": "list", "data": data, "has_more": bool(page.following)} | ends)


def routes(spool: Spool) -> tuple[Route, ...]:
    """The routes, for a simulator that keeps files in `spool`."""
    return (
        Route("POST", "openai/files", partial(upload, spool), "gemini"),
        Route("GET", "openai/files", list_files, "gemini"),
        Route("GET", "openai/files/{file...}", get_file, "gemini", rpc="get"),
        Route("DELETE", "openai/files/{file...}", delete_file, "gemini"),
        Route("POST", "openai/batches", create_batch, "gemini"),
        Route("GET", "openai/batches", list_batches, "gemini"),
        Route("GET", "openai/batches/{batch}", partial(get_batch, spool), "gemini"),
        Route("POST", "openai/batches/{batch}/cancel", cancel_batch, "gemini", rpc="cancel"),
    )
