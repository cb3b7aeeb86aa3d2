"""What evidence there is, to look at: nobody edits it, superusers included."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from feedback.models import Alarm, Backtest, Certificate, Export


class ReadOnly(admin.ModelAdmin):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Certificate)
class CertificateAdmin(ReadOnly):
    list_display = (
        "workflow",
        "action",
        "model_name",
        "model_version",
        "threshold",
        "alpha",
        "n",
        "errors",
        "expires_at",
    )
    list_filter = ("workflow", "method")
    list_select_related = ("workflow",)
    ordering = ("-issued_at",)


@admin.register(Alarm)
class AlarmAdmin(ReadOnly):
    list_display = ("raised_at", "kind", "workflow", "action", "message", "acknowledged_by", "over_at")
    list_filter = ("kind", "workflow")
    list_select_related = ("workflow", "acknowledged_by")
    ordering = ("-raised_at",)


@admin.register(Backtest)
class BacktestAdmin(ReadOnly):
    list_display = ("requested_at", "version", "state", "done", "total", "requested_by")
    list_filter = ("state",)
    list_select_related = ("version__workflow", "requested_by")
    ordering = ("-requested_at",)


@admin.register(Export)
class ExportAdmin(ReadOnly):
    list_display = ("requested_at", "workflow", "shape", "state", "done", "requested_by")
    list_filter = ("state", "shape")
    list_select_related = ("workflow", "requested_by")
    ordering = ("-requested_at",)
