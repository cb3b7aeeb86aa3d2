"""The sealed log: its newest checkpoint, the proof of any event, and the whole of it as a file to verify."""

from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from reviews.domain.checkpoint import verifier_key
from reviews.domain.entry import entry_of
from reviews.models import Event
from reviews.permissions import may_read_log
from reviews.queries.seal import (
    event_row,
    fault_found,
    name_of_log,
    newest_checkpoint,
    oldest_unsealed_at,
    open_restore,
    place_of,
)
from reviews.queries.sealed_log import export_lines
from reviews.services.note_export import note_export
from reviews.services.signing import KeyFileError, signing_keys
from reviews.views.gate import PageRequest, only_for


@require_GET
@only_for(may_read_log)
def sealed_log(request: PageRequest) -> HttpResponse:
    """The newest checkpoint, its age, and how to verify the log without this console."""
    keys = _public_keys()
    context = {
        "checkpoint": newest_checkpoint(),
        "unsealed_at": oldest_unsealed_at(),
        "restore": open_restore(),
        "fault": fault_found(),
        "keys": [verifier_key(name_of_log(), key) for key in keys],
        "kept_in": settings.LOG_ANCHOR_FILE,
        "now": timezone.now(),
    }
    return render(request, "reviews/seal.html", context)


@require_GET
@only_for(may_read_log)
def event_place(request: PageRequest, event_id: int) -> HttpResponse:
    """Where an event stands in the tree, and the hashes that prove it."""
    event = Event.objects.filter(pk=event_id).first()
    if event is None:
        raise Http404
    try:
        place, is_broken = place_of(event_id), False
    except ValueError:
        place, is_broken = None, True
    entry = entry_of(event_row(event_id)).decode()
    context = {"event": event, "place": place, "is_broken": is_broken, "entry": entry, "now": timezone.now()}
    return render(request, "reviews/event_place.html", context)


@require_GET
@only_for(may_read_log)
def sealed_log_export(request: PageRequest) -> HttpResponseBase:
    """All leaves and checkpoints, as verify_log.py reads them. That it was taken is itself in the log."""
    note_export(request.user, form="sealed", filters=(), now=timezone.now())
    answer = StreamingHttpResponse(_lines(), content_type="application/x-ndjson")
    answer.headers["Content-Disposition"] = 'attachment; filename="countersign-sealed-log.jsonl"'
    return answer


def _lines() -> Iterator[bytes]:
    for line in export_lines(keys=_public_keys(), name=name_of_log()):
        yield line + b"\n"


def _public_keys() -> list[bytes]:
    """Nothing where the key file can't be read: the page is still of use then."""
    try:
        return [key.public for key in signing_keys(settings.LOG_KEY_FILE)]
    except KeyFileError:
        return []
