"""What the simulator says by itself to a call of a model. Pure."""

from .call import Answer, Begin, Call, Chunks, Json
from .google_errors import GoogleError
from .improvise import Asked, improvised
from .improvise import Begin as Begun
from .improvise import Chunks as Said


def generate(call: Call) -> Answer:
    """What the simulator says by itself."""
    said = improvised(Asked(call.place, call.query, call.body, call.identity, call.now))
    match said:
        case GoogleError():
            return said
        case Begun(start, storage_uri):
            return Begin(start, storage_uri)
        case Said(values):
            return Chunks(values)
        case _:
            return Json(said.value)
