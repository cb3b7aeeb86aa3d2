"""The insights pages, and what stands of them beside a ticket and a story."""

from django.urls import path

from feedback import views

urlpatterns = [
    path("insights/", views.insights, name="insights"),
    path("insights/evidence/", views.evidence, name="evidence"),
    path("insights/evidence/draft", views.draft_threshold, name="draft-threshold"),
    path("insights/exports/", views.exports, name="exports"),
    path("insights/exports/<uuid:export_id>/file", views.export_file, name="export-file"),
    path("insights/backtests/<slug:key>/<int:number>/", views.backtests, name="backtests"),
    path("insights/alarms/<int:alarm_id>/", views.alarm, name="alarm"),
    path("insights/alarms/<int:alarm_id>/acknowledge", views.acknowledge_alarm, name="acknowledge-alarm"),
    path("tickets/<uuid:ticket_id>/record", views.model_record, name="ticket-record"),
    path("log/<uuid:decision_id>/comments", views.comments, name="comments"),
    path("insights/known-answers/", views.known_answers, name="known-answers"),
    path("insights/known-answers/<uuid:seed_id>/retire", views.retire_seed, name="retire-seed"),
    path("insights/me/", views.my_record, name="my-record"),
]
