"""Lists of resources as a call asks for them: one page, in Google's form (AIP-158). Pure."""

from collections.abc import Iterable

from .call import Answer, Call, Json
from .google_errors import invalid_argument
from .store import Resource, page_of


def paged(call: Call, resources: Iterable[Resource], key: str, *, usual: int, most: int) -> Answer:
    """One page of resources under `key`, by the call's `pageSize` and `pageToken`, in either spelling.

    Without a size `usual` are shown, and never more than `most`. A size that is no number and a token that is none of
    ours are refused.
    """
    query = call.query
    size = query.get("pageSize") or query.get("page_size", "")
    token = query.get("pageToken") or query.get("page_token", "")
    page = page_of(resources, size, token, usual=usual, most=most)
    return invalid_argument() if page is None else Json(page.value(key))
