"""OpenAI-compatible videos of the Gemini API: start by form or JSON, poll, download (wire-http 10).

A video is `queued` when it is asked for, `in_progress` as the first get shows it, `completed` as the second does. The
shapes are OpenAI's, the models VEO's; what Google's endpoint makes of them is assumed.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from understudy.provider_errors.model import ProviderError

from ..answers.reading import text_in
from ..call import Answer, Call, Media
from ..films.film import Film, Size
from ..films.making import film_file
from ..films.matrix import MATRIX
from ..form_data import fields_of
from ..google_errors import GoogleError, google_error, invalid_argument
from ..openai_models import compact, named_model
from ..routing import Route
from ..store import Resource

_SECONDS: Final = ("4", "5", "6", "8")
_USUAL_SECONDS: Final = "8"
_USUAL_SIZE: Final = "1280x720"
_SIZES: Final[Mapping[str, Size]] = {
    f"{width}x{height}": (width, height) for width, height in MATRIX if max(width, height) < 2000
}
_PROGRESS: Final = {"queued": ("in_progress", 50), "in_progress": ("completed", 100)}


def check(call: Call) -> GoogleError | None:
    """What is refused of a wish for a video."""
    asked = _asked(call)
    if asked is None:
        return invalid_argument()
    if not asked.get("prompt"):
        return invalid_argument("prompt is not specified")
    seconds = asked.get("seconds", _USUAL_SECONDS)
    if seconds not in _SECONDS:
        return invalid_argument(f"seconds must be one of {', '.join(_SECONDS)}, not {seconds[:20]}.")
    size = asked.get("size", _USUAL_SIZE)
    if size not in _SIZES:
        return invalid_argument(f"size must be one of {', '.join(_SIZES)}, not {size[:20]}.")
    return None


def create(call: Call) -> Answer:
    """A new video."""
    asked = _asked(call)
    if asked is None:
        return invalid_argument()
    model = named_model(call, asked.get("model", ""), "predictLongRunning")
    if isinstance(model, GoogleError):
        return model
    value: dict[str, Any] = {
        "id": f"video_{call.identity.lower('video', 24)}",
        "object": "video",
        "created_at": int(call.now.timestamp()),
        "model": asked.get("model", ""),
        "prompt": asked.get("prompt", ""),
        "status": "queued",
        "progress": 0,
        "seconds": asked.get("seconds", _USUAL_SECONDS),
        "size": asked.get("size", _USUAL_SIZE),
    }
    return compact(call, call.shelf.put(Resource(f"openaiVideos/{value['id']}", value, call.now)).value)


def get(call: Call) -> Answer:
    """A video, one step further than at the last look."""
    found = _found(call)
    if found is None:
        return _unknown(call)
    following = _PROGRESS.get(found.value["status"])
    if following is not None:
        status, progress = following
        done = int(call.now.timestamp()) if status == "completed" else None
        found = call.shelf.change(found.showing(status=status, progress=progress, completed_at=done))
    return compact(call, found.value)


def content(call: Call) -> Answer:
    """The film, once it is done."""
    found = _found(call)
    if found is None:
        return _unknown(call)
    if found.value["status"] != "completed":
        return invalid_argument("The video is not ready yet.")
    # Where any body is taken, both may be anything.
    size = _SIZES.get(found.value["size"], _SIZES[_USUAL_SIZE])
    seconds = found.value["seconds"] if found.value["seconds"] in _SECONDS else _USUAL_SECONDS
    film = film_file(Film(size, Fraction(seconds)), "sample 0")
    return Media(film, "video/mp4", len(film))


def list_videos(call: Call) -> Answer:
    """The videos of the scope, as they stand."""
    data = [dict(resource.value) for resource in call.shelf.of("openaiVideos")]
    return compact(call, {"object": "list", "data": data, "has_more": False})


def delete(call: Call) -> Answer:
    """Take a video away."""
    if call.shelf.remove(f"openaiVideos/{call.names['video']}") is None:
        return _unknown(call)
    return compact(call, {"id": call.names["video"], "object": "video.deleted", "deleted": True})


def _asked(call: Call) -> dict[str, str] | None:
    """The fields of the form, or of the JSON object, that are text."""
    fields = fields_of(call.request.body, call.header("content-type") or "")
    if fields is not None:
        return {field.name: field.text for field in fields if field.file_name is None}
    if not isinstance(call.body.value, dict):
        return None
    names = ("prompt", "model", "seconds", "size")
    return {name: text for name in names if (text := text_in(call.members, name)) is not None}


def _found(call: Call) -> Resource | None:
    return call.shelf.find(f"openaiVideos/{call.names['video']}")


def _unknown(call: Call) -> GoogleError:
    return google_error(ProviderError(404, f"Video not found: {call.names['video'][:200]}"))


ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "openai/videos", create, "gemini", "generating", "videos", check=check),
    Route("GET", "openai/videos", list_videos, "gemini"),
    Route("GET", "openai/videos/{video}", get, "gemini"),
    Route("GET", "openai/videos/{video}/content", content, "gemini", rpc="download"),
    Route("DELETE", "openai/videos/{video}", delete, "gemini"),
)
