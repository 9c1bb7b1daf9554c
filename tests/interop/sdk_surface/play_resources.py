"""How the rows of the classic resources are called: caches, files, batches, tunings, tokens, file search stores.

Each family is created, read back, listed, changed and deleted; what is deleted must be gone.
"""

import io
from datetime import datetime
from typing import Any

from google.genai import types  # pyright: ignore[reportMissingImports]
from google.oauth2.credentials import Credentials
from session import Absent, Session, equal, holds, last

FLASH = "gemini-2.5-flash"
TEXT = b"hello"
POLL_LIMIT = 30
HOUR = 3600


def is_time(value: Any) -> bool:
    """Whether a field is a time with a zone."""
    return isinstance(value, datetime) and value.tzinfo is not None


async def c1(s: Session) -> None:
    contents = [types.Content(role="user", parts=[types.Part(text="hi")])]
    cache = await s.call("caches.create", model=FLASH, config={"contents": contents, "ttl": "60s"})
    s.keep(cache=cache.name, c1=last(cache.name))
    holds("the model", cache.model.endswith(f"models/{FLASH}"))
    holds("times", is_time(cache.create_time) and is_time(cache.expire_time))
    equal("life", (cache.expire_time - cache.create_time).total_seconds(), 60)
    holds("tokens", cache.usage_metadata.total_token_count)


async def c2(s: Session) -> None:
    cache = await s.call("caches.get", name=s.kept["cache"])
    equal("name", cache.name, s.kept["cache"])
    holds("the model", cache.model.endswith(f"models/{FLASH}"))


async def c3(s: Session) -> None:
    cache = await s.call("caches.update", name=s.kept["cache"], config={"ttl": "90s"})
    equal("name", cache.name, s.kept["cache"])
    holds("a later end", (cache.expire_time - cache.create_time).total_seconds() > 60)


async def c4(s: Session) -> None:
    names = [cache.name for cache in await s.items("caches.list", config={"page_size": 3})]
    holds("the cache in the list", s.kept["cache"] in names)


async def c5(s: Session) -> None:
    await s.call("caches.delete", name=s.kept["cache"])
    await s.refused(403 if s.is_gemini else 404, "caches.get", name=s.kept["cache"])


async def f1(s: Session) -> None:
    config = {"mime_type": "text/plain", "display_name": "T"}
    file = await s.call("files.upload", file=io.BytesIO(TEXT), config=config)
    s.keep(file=file.name, file_uri=file.uri, f1=last(file.name))
    equal("what is said of it", (file.display_name, file.mime_type, file.size_bytes), ("T", "text/plain", 5))
    holds("times", is_time(file.create_time) and is_time(file.expiration_time))


async def f2(s: Session) -> None:
    file = await s.call("files.get", name=s.made("file", "files/abc123"))
    equal("name and uri", (file.name, file.uri), (s.made("file", "files/abc123"), s.kept["file_uri"]))
    equal("state", file.state.value, "ACTIVE")
    equal("size", file.size_bytes, 5)


async def f3(s: Session) -> None:
    names = [file.name for file in await s.items("files.list", config={"page_size": 3})]
    holds("the file in the list", s.made("file", "files/abc123") in names)


async def f4(s: Session) -> None:
    await s.call("files.delete", name=s.made("file", "files/abc123"))
    await s.refused(403, "files.get", name=s.made("file", "files/abc123"))


async def f5(s: Session) -> None:
    await s.refused(400, "files.download", file=s.made("file", "files/abc123"))
    done = s.kept["batch_results"]
    data = await s.call("files.download", file=done)
    holds("a line of JSON for each request", data.startswith(b"{") and data.count(b"\n") in (0, 1))


async def f6(s: Session) -> None:
    """Only an https uri is parsed into an id: this one is put into the path as it is, and no file has such a name."""
    uri = "http://127.0.0.1:8899/v1beta/files/abc123:download?alt=media"
    await s.refused((403, 404), "files.download", file=uri)


async def f7(s: Session) -> None:
    given = await s.call("files.register_files", auth=Credentials(token="ya29.storage"), uris=["gs://b/o"])
    [file] = given.files
    s.keep(registered=file.name)
    holds("a source", file.source and file.source.value in ("REGISTERED", "UPLOADED"))


def job(s: Session, name: str) -> str:
    """A job as the client takes it: in express mode only by its number, for a full name has a project."""
    return last(name) if s.mode == "express" else name


async def batch_ended(s: Session, name: str) -> Any:
    """The batch at its end; the simulator's clock moves on while it runs."""
    batch = await s.call("batches.get", name=job(s, name))
    for _ in range(POLL_LIMIT):
        if batch.done:
            break
        s.advance(HOUR)
        batch = await s.call("batches.get", name=job(s, name))
    equal("name", batch.name, name)
    equal("state", batch.state.value, "JOB_STATE_SUCCEEDED")
    return batch


async def b1(s: Session) -> None:
    if s.is_gemini:
        source: Any = [{"contents": [{"parts": [{"text": "hi"}]}]}]
        config = {"display_name": "d"}
    else:
        source, config = "gs://b/i.jsonl", {"display_name": "d", "dest": "gs://b/o"}
    batch = await s.call("batches.create", model=FLASH, src=source, config=config)
    s.keep(batch=batch.name, b1=last(batch.name))
    equal("display name", batch.display_name, "d")
    holds("the model", batch.model.endswith(FLASH))
    holds("a time", is_time(batch.create_time))
    holds("a state at its start", batch.state.value in ("JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING"))


async def b2(s: Session) -> None:
    line = b'{"key": "one", "request": {"contents": [{"parts": [{"text": "hi"}]}]}}\n'
    config = {"mime_type": "jsonl", "display_name": "input"}
    file = await s.call("files.upload", file=io.BytesIO(line), config=config)
    s.keep(batch_input=file.name)
    batch = await s.call("batches.create", model=FLASH, src=file.name)
    s.keep(file_batch=batch.name, b2=last(batch.name))
    ended = await batch_ended(s, batch.name)
    s.keep(batch_results=ended.dest.file_name, results=last(ended.dest.file_name))


async def b3(s: Session) -> None:
    line = b'{"key": "one", "request": {"content": {"parts": [{"text": "hi"}]}}}\n'
    file = await s.call("files.upload", file=io.BytesIO(line), config={"mime_type": "jsonl"})
    batch = await s.call("batches.create_embeddings", model="gemini-embedding-001", src={"file_name": file.name})
    s.keep(embeddings_batch=batch.name)
    holds("the model", batch.model.endswith("gemini-embedding-001"))


async def b4(s: Session) -> None:
    batch = await batch_ended(s, s.kept["batch"])
    equal("display name", batch.display_name, "d")
    if s.is_gemini:
        [reply] = batch.dest.inlined_responses
        holds("a text", reply.response.text)
    else:
        holds("where the results are", batch.dest.gcs_uri.startswith("gs://b/o"))


async def b5(s: Session) -> None:
    names = [batch.name for batch in await s.items("batches.list", config={"page_size": 2})]
    holds("the batch in the list", s.kept["batch"] in names)


async def b6(s: Session) -> None:
    source: Any = [{"contents": [{"parts": [{"text": "hi"}]}]}] if s.is_gemini else "gs://b/i.jsonl"
    config: Any = {} if s.is_gemini else {"dest": "gs://b/o"}
    batch = await s.call("batches.create", model=FLASH, src=source, config=config)
    s.keep(b6=last(batch.name))
    await s.call("batches.cancel", name=job(s, batch.name))
    batch = await s.call("batches.get", name=job(s, batch.name))
    holds("a state of one that is given up", batch.state.value in ("JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING"))


async def b7(s: Session) -> None:
    await s.call("batches.delete", name=job(s, s.kept["batch"]))
    await s.refused(404, "batches.get", name=job(s, s.kept["batch"]))


async def t1(s: Session) -> None:
    if s.is_gemini:
        base, example = "models/gemini-1.5-flash-001-tuning", {"text_input": "a", "output": "b"}
        dataset: Any = types.TuningDataset(examples=[types.TuningExample(**example)])
    else:
        base, dataset = FLASH, types.TuningDataset(gcs_uri="gs://b/t.jsonl")
    job = await s.call("tunings.tune", base_model=base, training_dataset=dataset)
    s.keep(tuning=job.name, t1=last(job.name))
    holds("a state at its start", job.state is None or not job.has_ended)


async def t2(s: Session) -> None:
    job = await s.call("tunings.get", name=s.kept["tuning"])
    for _ in range(POLL_LIMIT):
        if job.has_ended:
            break
        s.advance(HOUR)
        job = await s.call("tunings.get", name=s.kept["tuning"])
    equal("name", job.name, s.kept["tuning"])
    equal("state", job.state.value, "JOB_STATE_SUCCEEDED")
    s.keep(tuned=job.tuned_model.model.partition("@")[0])
    s.keep(m16=last(s.kept["tuned"]))


async def t3(s: Session) -> None:
    names = [job.name for job in await s.items("tunings.list", config={"page_size": 2})]
    holds("the tuning in the list", s.kept.get("tuning", "none") in names)


async def t4(s: Session) -> None:
    if s.is_gemini:
        base, example = "models/gemini-1.5-flash-001-tuning", {"text_input": "a", "output": "b"}
        dataset: Any = types.TuningDataset(examples=[types.TuningExample(**example)])
    else:
        base, dataset = FLASH, types.TuningDataset(gcs_uri="gs://b/t.jsonl")
    job = await s.call("tunings.tune", base_model=base, training_dataset=dataset)
    s.keep(t4=last(job.name))
    await s.call("tunings.cancel", name=job.name)
    if not s.is_gemini:
        job = await s.call("tunings.get", name=job.name)
        equal("state", job.state.value, "JOB_STATE_CANCELLED")
    else:
        holds("a name", job.name.startswith("tunedModels/"))


async def t5(s: Session) -> None:
    """In express mode the client shows an API key for a project's resource, which Google refuses."""
    names = ("ReinforcementTuningExample", "SingleReinforcementTuningRewardConfig")
    example, config = (getattr(types, name, None) for name in names)
    if example is None or config is None:
        raise Absent("ReinforcementTuningExample")
    method = "tunings.validate_reward"
    asked = {
        "parent": s.parent,
        "sample_response": types.Content(parts=[types.Part(text="x")]),
        "example": example(),
        "single_reward_config": config(),
    }
    if s.mode == "express":
        await s.refused(401, method, **asked)
        return
    given = await s.call(method, **asked)
    holds("a reward, or why there is none", given.overall_reward is not None or given.error)


async def m16(s: Session) -> None:
    model = await s.call("models.get", model=s.kept["tuned"])
    equal("name", model.name, s.kept["tuned"])


async def m19(s: Session) -> None:
    names = [model.name for model in await s.items("models.list", config={"query_base": False})]
    holds("the tuned model in the list", s.kept.get("tuned", "none") in names)


async def m20(s: Session) -> None:
    model = await s.call("models.update", model=s.kept["tuned"], config={"display_name": "d"})
    equal("name", model.name, s.kept["tuned"])
    equal("display name", model.display_name, "d")
    equal("display name read back", (await s.call("models.get", model=s.kept["tuned"])).display_name, "d")


async def m21(s: Session) -> None:
    await s.call("models.delete", model=s.kept["tuned"])
    await s.refused(404, "models.get", model=s.kept["tuned"])


async def a1(s: Session) -> None:
    token = await s.call("auth_tokens.create", config={"uses": 1, "http_options": {"api_version": "v1alpha"}})
    s.keep(token=token.name)
    holds("the name of a token", token.name.startswith("auth_tokens/"))


async def a2(s: Session) -> None:
    config = {
        "uses": 1,
        "live_connect_constraints": {"model": "gemini-live-2.5-flash", "config": {"temperature": 0.5}},
        "lock_additional_fields": [],
        "http_options": {"api_version": "v1alpha"},
    }
    token = await s.call("auth_tokens.create", config=config)
    holds("the name of a token", token.name.startswith("auth_tokens/"))
    holds("another token", token.name != s.kept["token"])


async def fs1(s: Session) -> None:
    store = await s.call("file_search_stores.create", config={"display_name": "s"})
    s.keep(store=store.name, fs1=last(store.name))
    equal("display name", store.display_name, "s")
    holds("a time", is_time(store.create_time))


async def fs2(s: Session) -> None:
    store = await s.call("file_search_stores.get", name=s.made("store", "fileSearchStores/s"))
    equal("what was made", (store.name, store.display_name), (s.made("store", "fileSearchStores/s"), "s"))


async def fs3(s: Session) -> None:
    names = [store.name for store in await s.items("file_search_stores.list", config={"page_size": 2})]
    holds("the store in the list", s.made("store", "fileSearchStores/s") in names)


async def fs4(s: Session) -> None:
    await s.call("file_search_stores.delete", name=s.made("store", "fileSearchStores/s"), config={"force": True})
    await s.refused(404, "file_search_stores.get", name=s.made("store", "fileSearchStores/s"))


async def fs5(s: Session) -> None:
    operation = await s.call(
        "file_search_stores.upload_to_file_search_store",
        file_search_store_name=s.made("store", "fileSearchStores/s"),
        file=io.BytesIO(TEXT),
        config={"display_name": "d", "mime_type": "text/plain"},
    )
    holds(
        "an upload operation", operation.name.startswith(f"{s.made('store', 'fileSearchStores/s')}/upload/operations/")
    )
    document = operation.response.document_name if operation.response else None
    media_id = f"{s.kept['store']}/media/{last(document)}"
    s.keep(document=document, fs8=last(document), media=last(document), media_id=media_id)


async def fs6(s: Session) -> None:
    file = await s.call("files.upload", file=io.BytesIO(TEXT), config={"mime_type": "text/plain"})
    operation = await s.call(
        "file_search_stores.import_file",
        file_search_store_name=s.made("store", "fileSearchStores/s"),
        file_name=file.name,
    )
    s.keep(import_operation=operation.name, o2=last(operation.name))


async def o2(s: Session) -> None:
    if not s.is_gemini:
        named = types.ImportFileOperation(name="fileSearchStores/s/operations/op1")
        await s.refused(404, "operations.get", named)
        return
    operation = types.ImportFileOperation(name=s.kept["import_operation"])
    for _ in range(POLL_LIMIT):
        operation = await s.call("operations.get", operation)
        equal("name", operation.name, s.kept["import_operation"])
        if operation.done:
            break
        s.advance(30)
    holds("an end", operation.done)


async def fs7(s: Session) -> None:
    data = await s.call("file_search_stores.download_media", media_id=s.made("media_id", "fileSearchStores/s/media/m1"))
    equal("the bytes", data, TEXT)


async def fs8(s: Session) -> None:
    document = await s.call(
        "file_search_stores.documents.get", name=s.made("document", "fileSearchStores/s/documents/d")
    )
    equal(
        "what was made",
        (document.name, document.display_name),
        (s.made("document", "fileSearchStores/s/documents/d"), "d"),
    )
    equal("size", int(document.size_bytes), 5)


async def fs9(s: Session) -> None:
    names = [
        document.name
        for document in await s.items("file_search_stores.documents.list", parent=s.made("store", "fileSearchStores/s"))
    ]
    holds("the document in the list", s.made("document", "fileSearchStores/s/documents/d") in names)


async def fs10(s: Session) -> None:
    await s.call(
        "file_search_stores.documents.delete",
        name=s.made("document", "fileSearchStores/s/documents/d"),
        config={"force": True},
    )
    await s.refused(404, "file_search_stores.documents.get", name=s.made("document", "fileSearchStores/s/documents/d"))


PLAYS = (
    *(c1, c2, c3, c4, c5, f1, f2, f3, b1, b2, b3, b4, b5, b6, b7, f5, f6, f4, f7),
    *(t1, t2, m16, m19, m20, m21, t3, t4, t5, a1, a2, fs1, fs2, fs3, fs5, fs6, o2, fs7, fs8, fs9, fs10, fs4),
)
"""In the order in which they are played: `b2` leaves a file that may be downloaded, `t2` a tuned model."""
