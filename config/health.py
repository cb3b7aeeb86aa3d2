"""For the machines around the console: is it alive, is it ready, how does it do."""

import hmac
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from config.metrics import exposition
from reviews.queries.machine import processes

_migrated = False


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing of the database, so that its loss restarts no web process."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served; a late worker or sweeper is shown but takes no web process out of service."""
    found: dict[str, Any] = {"status": "ready", "database": "ok", "migrations": "ok", "processes": {}}
    try:
        if not _is_migrated():
            found.update(status="not ready", migrations="missing")
        else:
            now = datetime.now(tz=UTC)
            for beat in processes(now=now):
                found["processes"][beat.name] = {
                    "state": "late" if beat.late else "ok",
                    "age_seconds": round((now - beat.at).total_seconds(), 1),
                }
    except Error:
        found.update(status="not ready", database="no answer", migrations="unknown")
    return JsonResponse(found, status=200 if found["status"] == "ready" else 503)


def _is_migrated() -> bool:
    """Once true it stays so for the life of the process: code and schema are rolled out together, schema first."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    else:
        connection.ensure_connection()
    return _migrated


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text: to the bearer of METRICS_TOKEN, or, where none is set, to this machine only."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            raise Http404
    elif settings.SECURE_PROXY_SSL_HEADER or request.META.get("REMOTE_ADDR") not in {"127.0.0.1", "::1", ""}:
        raise Http404
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
