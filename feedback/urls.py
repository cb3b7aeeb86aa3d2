"""The insights pages, and what stands of them beside a ticket and a story."""

from django.urls import path

from feedback.views import beside, evidence, insights

urlpatterns = [
    path("insights/", insights.insights, name="insights"),
    path("insights/evidence/", evidence.evidence, name="evidence"),
    path("insights/evidence/draft", evidence.draft_threshold, name="draft-threshold"),
    path("insights/evidence/looks", evidence.plan_look, name="plan-look"),
    path("insights/evidence/looks/<uuid:look_id>/withdraw", evidence.withdraw_look, name="withdraw-look"),
    path("insights/evidence/looks/<uuid:look_id>/draft", evidence.draft_look, name="draft-look"),
    path("insights/exports/", insights.exports, name="exports"),
    path("insights/exports/<uuid:export_id>/file", insights.export_file, name="export-file"),
    path("insights/backtests/<slug:key>/<int:number>/", insights.backtests, name="backtests"),
    path("insights/alarms/<int:alarm_id>/", insights.alarm, name="alarm"),
    path("insights/alarms/<int:alarm_id>/acknowledge", insights.acknowledge_alarm, name="acknowledge-alarm"),
    path("tickets/<uuid:ticket_id>/record", beside.model_record, name="ticket-record"),
    path("log/<uuid:decision_id>/comments", beside.comments, name="comments"),
    path("insights/known-answers/", insights.known_answers, name="known-answers"),
    path("insights/known-answers/<uuid:seed_id>/retire", insights.retire_seed, name="retire-seed"),
    path("insights/me/", insights.my_record, name="my-record"),
]
