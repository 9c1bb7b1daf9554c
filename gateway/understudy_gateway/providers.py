"""Where Google's services are: hosts by location, and what may stand in a path beside them (URL-8, S-30). Pure."""

from typing import Final

from .refusals import Reason, Refusal
from .routes import Upstream
from .settings import LOCATION, PROJECT, Account, Base

GEMINI_BASE: Final = Base("https", "generativelanguage.googleapis.com", 443)


def gemini_upstream(account: Account) -> Upstream:
    """The Gemini API, or what stands in its place."""
    base = account.base or GEMINI_BASE
    return Upstream("gemini", base.scheme, base.host, base.port, base.path)


def vertex_host(location: str | None) -> str:
    """Google's host for a location (URL-8); None and `global` have the one without a region."""
    if location is None or location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def discovery_host(location: str | None) -> str:
    """Discovery Engine's host for a location; `us` and `eu` are locations like others there."""
    if location is None or location == "global":
        return "discoveryengine.googleapis.com"
    return f"{location}-discoveryengine.googleapis.com"


def vertex_upstream(account: Account, host: str, project: str | None, location: str | None) -> Upstream:
    """Vertex AI or Discovery Engine at `host`, or what stands in their place; project and location are checked."""
    base = account.base or Base("https", host, 443)
    return Upstream("vertex_ai", base.scheme, base.host, base.port, base.path, project, location)


def refused_place(project: str | None, location: str | None) -> Refusal | None:
    """Why these decoded names are no project and location, or None (S-30)."""
    if location is not None and not LOCATION.fullmatch(location):
        return Refusal(Reason.INVALID_LOCATION)
    if project is not None and not PROJECT.fullmatch(project):
        return Refusal(Reason.INVALID_PROJECT)
    return None
