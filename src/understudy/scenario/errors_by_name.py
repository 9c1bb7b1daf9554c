"""Errors that a scenario calls by name, as what is played: an answer, a part of a stream, the close of a session."""

from ..provider_errors.catalogue import provider_error
from ..provider_errors.live import CLOSE_CODES, cut_reason
from ..provider_errors.model import ProviderError
from ..surfaces import Surface
from .document_bodies import ErrorDoc
from .layout import Layout, json_text, payload_of_text
from .model import CloseSession, Fault, Payload, Reply


def error_reply(doc: ErrorDoc, surface: Surface, times: int, fault: Fault | None) -> Reply:
    """The error as a whole answer."""
    error = _error_of(doc, surface)
    if error.page is not None:
        return Reply(error.status, error.headers, payload_of_text(error.page, "html"), times, fault)
    return Reply(error.status, error.headers, _payload(error, "google"), times, fault, is_error=True)


def error_payload(doc: ErrorDoc, surface: Surface, layout: Layout) -> Payload:
    """The error object inside of a stream."""
    return _payload(_error_of(doc, surface), layout)


def error_close(doc: ErrorDoc, surface: Surface, model_id: str) -> CloseSession:
    """The error as it ends a Live session: its close code, its message cut to what a close frame holds (wire-live 5.1).

    Close frames have no slots: the model is the scenario's, what else only a request would tell is a likely value.
    """
    error = _error_of(doc, surface)
    values = {
        "model": model_id,
        "project": "unknown",
        "location": "global",
        "method": "bidiGenerateContent",
        "version": "v1beta1" if surface.is_vertex else "v1beta",
    }
    reason = payload_of_text(error.message, "text").fill(values).decode()
    return CloseSession(CLOSE_CODES.get(error.rpc_name, 1011), cut_reason(reason))


def _error_of(doc: ErrorDoc, surface: Surface) -> ProviderError:
    return provider_error(doc.name, doc.parameters, is_vertex=surface.is_vertex)


def _payload(error: ProviderError, layout: Layout) -> Payload:
    return payload_of_text(json_text(error.value, layout), "json")
