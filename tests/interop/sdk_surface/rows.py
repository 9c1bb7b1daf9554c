"""The rows of the SDK surface: which request lines each method of google-genai must send, in each mode.

Captured from google-genai 3.4.0 against a recording server; the examples' ids stand as `{names}` that the plays leave.
`{v}` is the API version, `{P}` the project and location (nothing in express mode), `*` one value that a server chose,
a `+` at the end that the line comes once or more, a `?` that it comes any number of times. "-" is the client's own
refusal, before any request.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MODES: Final = ("gemini", "vertex", "express")
PARENT: Final = "projects/fake-proj/locations/us-central1/"
REFUSED: Final = "-"

ABSENT: Final[Mapping[str, str]] = {
    "2.34.0": r"d1",
    "1.75.0": r"(ag|cr|d|e|tr|v)\d|t5",
}
"""Rows whose method an earlier release does not have."""

FLASH: Final = "models/gemini-2.5-flash"
P_FLASH: Final = "{P}publishers/google/models/gemini-2.5-flash"
P_MODEL: Final = "{P}publishers/google/models"
POST_V, GET_V, DELETE_V = "POST /{v}/", "GET /{v}/", "DELETE /{v}/"
SAME: Final = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One method, or one shape of its arguments, and its request lines by mode; `express` empty: as in Vertex mode.

    `older` holds what earlier releases send instead, by the beginning of the version and the mode.
    """

    id: str
    method: str
    gemini: str
    vertex: str
    express: str = SAME
    older: Mapping[tuple[str, str], str] | None = None

    def lines(self, version: str, mode: str) -> tuple[str, ...] | None:
        """The patterns of the lines in order, None for the client's own refusal."""
        text = {"gemini": self.gemini, "vertex": self.vertex, "express": self.express or self.vertex}[mode]
        for (start, own_mode), lines in (self.older or {}).items():
            if own_mode == mode and version.startswith(start):
                text = lines
        return None if text == REFUSED else tuple(text.split(" ; "))


def is_sent(patterns: Sequence[str], sent: Sequence[str], names: Mapping[str, str], version: str, mode: str) -> bool:
    """Whether the lines that were sent are those of the patterns."""
    release = ("v1" if version.startswith("3.") else "v1beta") if mode == "gemini" else "v1beta1"
    known = {**names, "any": "*", "v": release, "P": PARENT if mode == "vertex" else ""}
    whole = "".join(f"(?:{_line(pattern, known)}\n){_times(pattern)}" for pattern in patterns)
    return re.fullmatch(whole, "".join(f"{line}\n" for line in sent)) is not None


def _times(pattern: str) -> str:
    return {" +": "+", " ?": "*"}.get(pattern[-2:], "")


def _line(pattern: str, names: Mapping[str, str]) -> str:
    bare = pattern.removesuffix(" +").removesuffix(" ?")
    pieces = re.split(r"(\*|\{\w+\})", bare)
    return "".join(_piece(piece, names) for piece in pieces)


def _piece(piece: str, names: Mapping[str, str]) -> str:
    if piece == "*":
        return r"[^&/\s]+"
    return re.escape(names.get(piece[1:-1], f"<no {piece}>") if piece.startswith("{") else piece)


def _of_resource(family: str, key: str, methods: str) -> tuple[str, ...]:
    """Request lines of a resource of the newer family that is made, read, listed and deleted by `id`."""
    ways = {
        "create": "POST /{v}/{P}" + family,
        "get": "GET /{v}/{P}" + family + "/{" + key + "}",
        "list": "GET /{v}/{P}" + family + "?page_size=2",
        "delete": "DELETE /{v}/{P}" + family + "/{" + key + "} ; GET /{v}/{P}" + family + "/{" + key + "}",
        "update": "PATCH /{v}/{P}" + family + "/{" + key + "}",
    }
    return tuple(ways[method] for method in methods.split())


def _both(id: str, method: str, lines: str, first: str = "") -> Row:
    """A row whose lines are the same in all modes but for version and project; `first` is what releases 1.x send."""
    older = {("1.", mode): first for mode in MODES} if first else None
    return Row(id, method, lines.replace("{P}", ""), lines, older=older)


def _family(name: str, prefix: str, key: str, methods: str) -> tuple[Row, ...]:
    lines = _of_resource(name, key, methods)
    ids = {"create": 1, "get": 2, "list": 3, "delete": 4, "update": 5}
    return tuple(
        _both(f"{prefix}{ids[method]}", f"{name}.{method}", line)
        for method, line in zip(methods.split(), lines, strict=True)
    )


def _predict(id: str, method: str, model: str, older: Mapping[tuple[str, str], str] | None = None) -> Row:
    return Row(id, f"models.{method}", REFUSED, f"POST /{{v}}/{P_MODEL}/{model}:predict", older=older)


VEO: Final = "models/veo-3.0-generate-001"
IMAGEN: Final = "POST /{v}/models/imagen-4.0-generate-001:predict"
EARLIER: Final = ("1.", "2.")
_EARLIER_EMBEDDING: Final = {
    (start, mode): f"POST /{{v}}/{P_MODEL}/gemini-embedding-001:predict +"
    for start in EARLIER
    for mode in ("vertex", "express")
}
EMBED: Final = "models/gemini-embedding-001"
UPLOAD_FILE: Final = "POST /upload/{v}/files ; POST /upload/{v}/files?upload_id=*&upload_protocol=resumable"


def _flash(id: str, method: str, verb: str, *, times: int = 1, more: str = "") -> Row:
    gemini = " ; ".join([f"POST /{{v}}/{FLASH}:{verb}"] * times) + more
    vertex = " ; ".join([f"POST /{{v}}/{P_FLASH}:{verb}"] * times) + more
    return Row(id, method, gemini, vertex)


MODELS: Final = (
    _flash("m1", "models.generate_content", "generateContent"),
    _flash("m2", "models.generate_content_stream", "streamGenerateContent?alt=sse"),
    _flash("m3", "models.count_tokens", "countTokens", times=2),
    Row("m4", "models.compute_tokens", REFUSED, f"POST /{{v}}/{P_FLASH}:computeTokens"),
    Row(
        "m5",
        "models.embed_content",
        "POST /{v}/models/text-embedding-005:batchEmbedContents",
        f"POST /{{v}}/{P_MODEL}/text-embedding-005:predict",
    ),
    Row(
        "m6",
        "models.embed_content (gemini-embedding-001)",
        f"POST /{{v}}/{EMBED}:batchEmbedContents",
        f"POST /{{v}}/{P_MODEL}/gemini-embedding-001:batchEmbedContents",
        older=_EARLIER_EMBEDDING,
    ),
    Row(
        "m7",
        "models.embed_content (gemini-embedding-001-one)",
        f"POST /{{v}}/{EMBED}:batchEmbedContents +",
        f"POST /{{v}}/{P_MODEL}/gemini-embedding-001:embedContent +",
        older=_EARLIER_EMBEDDING,
    ),
    Row(
        "m8",
        "models.embed_content (gemini-embedding-2)",
        "POST /{v}/models/gemini-embedding-2:batchEmbedContents",
        f"POST /{{v}}/{P_MODEL}/gemini-embedding-2:embedContent",
    ),
    _predict("m9", "generate_images", "imagen-4.0-generate-001", {("1.", "gemini"): IMAGEN}),
    _predict("m10", "edit_image", "imagen-3.0-capability-001"),
    _predict("m11", "upscale_image", "imagen-3.0-generate-002"),
    _predict("m12", "recontext_image", "virtual-try-on-preview-08-04"),
    _predict("m13", "segment_image", "image-segmentation-001"),
    Row(
        "m14",
        "models.generate_videos",
        REFUSED,
        f"POST /{{v}}/{P_MODEL}/veo-3.0-generate-001:predictLongRunning",
        older={(start, "gemini"): f"POST /{{v}}/{VEO}:predictLongRunning" for start in EARLIER},
    ),
    Row("m15", "models.get", f"GET /{{v}}/{FLASH}", f"GET /{{v}}/publishers/google/{FLASH}"),
    Row("m16", "models.get (tuned)", "GET /{v}/tunedModels/{m16}", "GET /{v}/{P}models/{m16}"),
    Row(
        "m17",
        "models.list",
        "GET /{v}/models ; GET /{v}/models?pageToken=* +",
        "GET /{v}/publishers/google/models ; GET /{v}/publishers/google/models?pageToken=* +",
    ),
    Row(
        "m18",
        "models.list (config)",
        "GET /{v}/models?filter={filter}&pageSize=2 ; GET /{v}/models?filter={filter}&pageSize=2&pageToken=*",
        "GET /{v}/publishers/google/models?filter={filter}&pageSize=2 ; "
        "GET /{v}/publishers/google/models?filter={filter}&pageSize=2&pageToken=*",
    ),
    Row("m19", "models.list (tuned)", "GET /{v}/tunedModels", "GET /{v}/{P}models?filter=labels.tune-type:{any}"),
    Row(
        "m20",
        "models.update",
        "PATCH /{v}/tunedModels/{m16} ; GET /{v}/tunedModels/{m16}",
        "PATCH /{v}/{P}models/{m16} ; GET /{v}/{P}models/{m16}",
    ),
    Row(
        "m21",
        "models.delete",
        "DELETE /{v}/tunedModels/{m16} ; GET /{v}/tunedModels/{m16}",
        "DELETE /{v}/{P}models/{m16} ; GET /{v}/{P}models/{m16}",
    ),
)

CACHED: Final = "cachedContents/{c1}"
BUGGY: Final = f"projects/None/locations/None/{CACHED}"
"""What the client makes of the name in express mode."""

CACHES: Final = (
    _both("c1", "caches.create", "POST /{v}/{P}cachedContents"),
    Row("c2", "caches.get", f"{GET_V}{CACHED}", f"{GET_V}{{P}}{CACHED}", f"{GET_V}{BUGGY}"),
    Row("c3", "caches.update", f"PATCH /{{v}}/{CACHED}", f"PATCH /{{v}}/{{P}}{CACHED}", f"PATCH /{{v}}/{BUGGY}"),
    _both("c4", "caches.list", "GET /{v}/{P}cachedContents?pageSize=3"),
    Row(
        "c5",
        "caches.delete",
        f"{DELETE_V}{CACHED} ; {GET_V}{CACHED}",
        f"{DELETE_V}{{P}}{CACHED} ; {GET_V}{{P}}{CACHED}",
        f"{DELETE_V}{BUGGY} ; {GET_V}{BUGGY}",
    ),
)

FILES: Final = (
    Row("f1", "files.upload", UPLOAD_FILE, REFUSED),
    Row("f2", "files.get", "GET /{v}/files/{f1}", REFUSED),
    Row("f3", "files.list", "GET /{v}/files?pageSize=3 ; GET /{v}/files?pageSize=3&pageToken=* ?", REFUSED),
    Row("f4", "files.delete", "DELETE /{v}/files/{f1} ; GET /{v}/files/{f1}", REFUSED),
    Row(
        "f5",
        "files.download",
        "GET /{v}/files/{f1}:download?alt=media ; GET /{v}/files/{results}:download?alt=media",
        REFUSED,
    ),
    Row(
        "f6",
        "files.download (http-uri)",
        "GET /{v}/files/http://127.0.0.1:8899/v1beta/files/abc123:download?alt=media:download?alt=media",
        REFUSED,
    ),
    Row("f7", "files.register_files", "POST /{v}/files:register", REFUSED),
)

BATCH: Final = f"POST /{{v}}/{FLASH}:batchGenerateContent"
JOBS: Final = "{P}batchPredictionJobs"

BATCHES: Final = (
    Row("b1", "batches.create", BATCH, f"POST /{{v}}/{JOBS}"),
    Row("b2", "batches.create (file)", f"{UPLOAD_FILE} ; {BATCH} ; GET /{{v}}/batches/{{b2}} +", REFUSED),
    Row("b3", "batches.create_embeddings", f"{UPLOAD_FILE} ; POST /{{v}}/{EMBED}:asyncBatchEmbedContent", REFUSED),
    Row("b4", "batches.get", "GET /{v}/batches/{b1} +", f"GET /{{v}}/{JOBS}/{{b1}} +"),
    Row(
        "b5",
        "batches.list",
        "GET /{v}/batches?pageSize=2 ; GET /{v}/batches?pageSize=2&pageToken=* ?",
        f"GET /{{v}}/{JOBS}?pageSize=2",
    ),
    Row(
        "b6",
        "batches.cancel",
        f"{BATCH} ; POST /{{v}}/batches/{{b6}}:cancel ; GET /{{v}}/batches/{{b6}}",
        f"POST /{{v}}/{JOBS} ; POST /{{v}}/{JOBS}/{{b6}}:cancel ; GET /{{v}}/{JOBS}/{{b6}}",
    ),
    Row(
        "b7",
        "batches.delete",
        "DELETE /{v}/batches/{b1} ; GET /{v}/batches/{b1}",
        f"DELETE /{{v}}/{JOBS}/{{b1}} ; GET /{{v}}/{JOBS}/{{b1}}",
    ),
)

TUNE: Final = "POST /{v}/tunedModels"

TUNINGS: Final = (
    Row("t1", "tunings.tune", TUNE, "POST /{v}/{P}tuningJobs"),
    Row("t2", "tunings.get", "GET /{v}/tunedModels/{t1} +", "GET /{v}/{P}tuningJobs/{t1} +"),
    Row("t3", "tunings.list", REFUSED, "GET /{v}/{P}tuningJobs?pageSize=2"),
    Row(
        "t4",
        "tunings.cancel",
        f"{TUNE} ; POST /{{v}}/tunedModels/{{t4}}:cancel",
        "POST /{v}/{P}tuningJobs ; POST /{v}/{P}tuningJobs/{t4}:cancel ; GET /{v}/{P}tuningJobs/{t4}",
    ),
    Row(
        "t5",
        "tunings.validate_reward",
        REFUSED,
        f"POST /{{v}}/{PARENT}tuningJobs:validateReinforcementTuningReward",
    ),
)

TOKENS: Final = (
    Row("a1", "auth_tokens.create", "POST /v1alpha/auth_tokens", REFUSED),
    Row("a2", "auth_tokens.create (live)", "POST /v1alpha/auth_tokens", REFUSED),
)

STORE: Final = "fileSearchStores/{fs1}"
DOCUMENT: Final = f"{STORE}/documents/{{fs8}}"
UPLOAD_TO: Final = f"POST /upload/{{v}}/{STORE}:uploadToFileSearchStore"

STORES: Final = (
    Row("fs1", "file_search_stores.create", "POST /{v}/fileSearchStores", REFUSED),
    Row("fs2", "file_search_stores.get", f"GET /{{v}}/{STORE}", REFUSED),
    Row("fs3", "file_search_stores.list", "GET /{v}/fileSearchStores?pageSize=2", REFUSED),
    Row(
        "fs4",
        "file_search_stores.delete",
        f"DELETE /{{v}}/{STORE}?force=True ; GET /{{v}}/{STORE}",
        REFUSED,
    ),
    Row(
        "fs5",
        "file_search_stores.upload_to_file_search_store",
        f"{UPLOAD_TO} ; {UPLOAD_TO}?upload_id=*&upload_protocol=resumable",
        REFUSED,
    ),
    Row("fs6", "file_search_stores.import_file", f"{UPLOAD_FILE} ; POST /{{v}}/{STORE}:importFile", REFUSED),
    Row("fs7", "file_search_stores.download_media", f"GET /{{v}}/{STORE}/media/{{media}}?alt=media", REFUSED),
    Row("fs8", "file_search_stores.documents.get", f"GET /{{v}}/{DOCUMENT}", REFUSED),
    Row("fs9", "file_search_stores.documents.list", f"GET /{{v}}/{STORE}/documents", REFUSED),
    Row(
        "fs10",
        "file_search_stores.documents.delete",
        f"DELETE /{{v}}/{DOCUMENT}?force=True ; GET /{{v}}/{DOCUMENT}",
        REFUSED,
    ),
)

OPERATIONS: Final = (
    Row(
        "o1",
        "operations.get",
        f"POST /v1beta/{VEO}:predictLongRunning ; GET /{{v}}/{VEO}/operations/{{operation}} +",
        f"POST /{{v}}/{P_MODEL}/veo-3.0-generate-001:fetchPredictOperation +",
        older={(start, "gemini"): f"GET /{{v}}/{VEO}/operations/{{operation}} +" for start in EARLIER},
    ),
    Row(
        "o2",
        "operations.get (import)",
        f"GET /{{v}}/{STORE}/operations/{{o2}} +",
        "POST /{v}/{P}fileSearchStores/s:fetchPredictOperation",
    ),
)

INTERACTIONS: Final = (
    _both("i1", "interactions.create", "POST /{v}/{P}interactions"),
    _both("i2", "interactions.create (stream)", "POST /{v}/{P}interactions"),
    _both(
        "i3",
        "interactions.get",
        "GET /{v}/{P}interactions/{i1}?stream=false",
        "GET /{v}/{P}interactions/{i1}",
    ),
    _both("i4", "interactions.get (stream)", "GET /{v}/{P}interactions/{i2}?last_event_id={e1}&stream=true"),
    _both("i5", "interactions.cancel", "POST /{v}/{P}interactions ; POST /{v}/{P}interactions/{i5}/cancel"),
    _both(
        "i6",
        "interactions.delete",
        "DELETE /{v}/{P}interactions/{i1} ; GET /{v}/{P}interactions/{i1}?stream=false",
        "DELETE /{v}/{P}interactions/{i1} ; GET /{v}/{P}interactions/{i1}",
    ),
)

FILE: Final = "environments/{env}/files/d/f.txt"
UPLOAD_QUERY: Final = "?upload_id=*&upload_protocol=resumable"

ENVIRONMENTS: Final = (
    *_family("environments", "e", "env", "create get list delete"),
    _both("e5", "environments.files.list", "GET /{v}/{P}environments/{env}/files/d"),
    _both("e6", "environments.files.download", f"GET /{{v}}/{{P}}{FILE}?alt=media"),
    _both(
        "e7",
        "environments.files.upload",
        f"PUT /upload/{{v}}/{FILE} ; POST /upload/{{v}}/{FILE}{UPLOAD_QUERY}",
    ),
)

TRIGGERS: Final = (
    *_family("triggers", "tr", "tr1", "create get list"),
    _both("tr4", "triggers.update", "PATCH /{v}/{P}triggers/{tr1}"),
    _both("tr5", "triggers.delete", "DELETE /{v}/{P}triggers/{tr1} ; GET /{v}/{P}triggers/{tr1}"),
    _both("tr6", "triggers.run", "POST /{v}/{P}triggers/{tr1}/executions"),
    _both("tr7", "triggers.list_executions", "GET /{v}/{P}triggers/{tr1}/executions"),
)

WEBHOOK: Final = "{P}webhooks/{w1}"


def _webhooks(id: str, method: str, lines: str) -> Row:
    """Releases 1.x leave the project out in Vertex mode too."""
    return _both(id, f"webhooks.{method}", lines, first=lines.replace("{P}", ""))


WEBHOOKS: Final = (
    _webhooks("w1", "create", "POST /{v}/{P}webhooks"),
    _webhooks("w2", "get", f"GET /{{v}}/{WEBHOOK}"),
    _webhooks("w3", "list", "GET /{v}/{P}webhooks?page_size=2"),
    _webhooks("w4", "update", f"PATCH /{{v}}/{WEBHOOK}?update_mask=name"),
    _webhooks("w5", "delete", f"DELETE /{{v}}/{WEBHOOK} ; GET /{{v}}/{WEBHOOK}"),
    _webhooks("w6", "ping", f"POST /{{v}}/{WEBHOOK}:ping ; POST /{{v}}/{{P}}webhooks/never-made:ping"),
    _webhooks("w7", "rotate_signing_secret", f"POST /{{v}}/{WEBHOOK}:rotateSigningSecret"),
)

COMPOSITE: Final = (
    _flash("chat1", "chats: send_message", "generateContent", times=2),
    _flash("chat2", "chats: send_message_stream", "streamGenerateContent?alt=sse"),
    _flash("tools1", "models.generate_content (tools)", "generateContent", times=2),
    _flash("json1", "models.generate_content (responseSchema)", "generateContent"),
    _flash("think1", "models.generate_content (thinking)", "generateContent"),
)
"""Not rows of the surface, but what is done with them."""

ROWS: Final = (
    *(*MODELS, *CACHES, *FILES, *BATCHES, *TUNINGS, *TOKENS, *STORES, *OPERATIONS, *INTERACTIONS),
    *_family("agents", "ag", "ag1", "create get list delete"),
    *_family("credentials", "cr", "cr1", "create get list delete update"),
    _both("d1", "decisions.create", "POST /{v}/{P}decisions"),
    *(*ENVIRONMENTS, *TRIGGERS),
    _both("v1", "voices.create", "POST /{v}/{P}voices ; POST /{v}/{P}voices"),
    *_family("voices", "v", "v1", "get list delete"),
    *(*WEBHOOKS, *COMPOSITE),
)
