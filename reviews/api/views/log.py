"""The sealed log for programs that verify it: its newest checkpoint, the proof of an event, and of its growth."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reviews.api import requests, responses
from reviews.api.access import ReadsTheLog
from reviews.api.problems import Problem, Unprocessable
from reviews.api.strict import read_query
from reviews.domain.answer import moment
from reviews.domain.checkpoint import verifier_key
from reviews.domain.entry import entry_of
from reviews.models import Checkpoint, Event
from reviews.queries.seal import consistency, name_of_log, newest_checkpoint, place_of
from reviews.services.signing import KeyFileError, signing_keys

BROKEN = OpenApiResponse(description="What the database keeps of the tree is not what was signed.")
NOT_SEALED = OpenApiResponse(description="Nothing there, or not sealed yet.")


class OfAuditors(APIView):
    """The log of the whole console, for keys with log:read and for those who oversee."""

    permission_classes = [ReadsTheLog]


@contextmanager
def broken_told() -> Iterator[None]:
    """A tree that lacks what a proof needs proves nothing, and says so."""
    try:
        yield
    except ValueError as error:
        detail = "The tree in the database is not the one that was signed. Verify an export, with what you kept."
        raise Problem(HTTPStatus.CONFLICT, detail, code="tree_broken") from error


def not_sealed(what: str) -> Problem:
    detail = f"{what} is not sealed yet. The sweeper seals each second."
    return Problem(HTTPStatus.NOT_FOUND, detail, code="not_sealed", headers={"Retry-After": "1"})


class NewestCheckpoint(OfAuditors):
    @extend_schema(
        operation_id="get_checkpoint",
        summary="Fetch the newest checkpoint of the log",
        responses={200: responses.NewestCheckpoint, 404: NOT_SEALED},
    )
    def get(self, request: Request) -> Response:
        """A signed note: keep it, and the log can't be rewritten or cut off unseen. Trust keys from elsewhere only."""
        read_query(request, requests.Query)
        newest = newest_checkpoint()
        if newest is None:
            raise not_sealed("The log")
        with broken_told():
            return Response({**_checkpoint_json(newest), "keys": _public_keys()})


class EventProof(OfAuditors):
    @extend_schema(
        operation_id="prove_event",
        summary="Fetch an event of the log and its proof",
        responses={200: responses.EventProof, 404: NOT_SEALED, 409: BROKEN},
    )
    def get(self, request: Request, event_id: int) -> Response:
        """SHA-256(0x00 ‖ entry) is the leaf; `proof` leads from it to the checkpoint's root (RFC 6962, 2.1.1)."""
        read_query(request, requests.Query)
        with broken_told():
            place = place_of(event_id)
        if place is None:
            if Event.objects.filter(pk=event_id).exists():
                raise not_sealed("The event")
            raise Http404
        told: dict[str, Any] = {
            "event": place.event,
            "index": place.index,
            "entry": entry_of(place.entry).decode(),
            "proof": [hashed.hex() for hashed in place.proof],
            "checkpoint": _checkpoint_json(place.checkpoint),
        }
        return Response(told)


class Consistency(OfAuditors):
    @extend_schema(
        operation_id="prove_consistency",
        summary="Fetch the proof that the log only grew",
        parameters=[requests.Consistency],
        responses={200: responses.Consistency, 404: NOT_SEALED, 409: BROKEN},
    )
    def get(self, request: Request) -> Response:
        """That the tree of `second` leaves begins with that of `first`, which you kept (RFC 6962, 2.1.2)."""
        query = read_query(request, requests.Consistency)
        newest = newest_checkpoint()
        if newest is None:
            raise not_sealed("The log")
        first, second = query["first"], query.get("second", newest.size)
        if second > newest.size:
            raise Unprocessable(f"The newest checkpoint is of {newest.size} leaves.", parameter="second")
        if first > second:
            raise Unprocessable(f"A tree of {second} leaves holds none of {first}.", parameter="first")
        with broken_told():
            proof = consistency(first, second)
        return Response({"first": first, "second": second, "proof": [hashed.hex() for hashed in proof]})


def _checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "epoch": checkpoint.epoch,
        "size": checkpoint.size,
        "root": bytes(checkpoint.root).hex(),
        "signed_at": moment(checkpoint.created_at),
        "note": checkpoint.note,
    }


def _public_keys() -> list[str]:
    """None where the key file can't be read: what was signed before is of use all the same."""
    try:
        keys = signing_keys(settings.LOG_KEY_FILE)
    except KeyFileError:
        return []
    name = name_of_log()
    return [verifier_key(name, key.public) for key in keys]
