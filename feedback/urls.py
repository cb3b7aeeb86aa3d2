"""The insights pages."""

from django.urls import path

from feedback import views

urlpatterns = [
    path("insights/", views.insights, name="insights"),
    path("insights/evidence/", views.evidence, name="evidence"),
    path("insights/evidence/draft", views.draft_threshold, name="draft-threshold"),
    path("insights/exports/", views.exports, name="exports"),
    path("insights/exports/<uuid:export_id>/file", views.export_file, name="export-file"),
    path("insights/backtests/<slug:key>/<int:number>/", views.backtests, name="backtests"),
    path("insights/alarms/<int:alarm_id>/close", views.close_alarm, name="close-alarm"),
    path("insights/me/", views.my_record, name="my-record"),
]
