"""The pages of reviewers."""

from django.urls import path

from reviews.views import lead, log, mine, queue, seal, status, ticket, trial

urlpatterns = [
    path("", queue.desk, name="desk"),
    path("filters", queue.save_filter, name="save-filter"),
    path("filters/<int:filter_id>/delete", queue.delete_filter, name="delete-filter"),
    path("lead/", lead.lead, name="lead"),
    path("lead/tickets/<uuid:ticket_id>/", lead.ticket, name="lead-ticket"),
    path("lead/tickets/<uuid:ticket_id>/end-claim", lead.end, name="lead-end-claim"),
    path("lead/tickets/<uuid:ticket_id>/move", lead.move, name="lead-move"),
    path("status/", status.status, name="status"),
    path("log/", log.log, name="log"),
    path("log/<uuid:decision_id>/", log.decision_story, name="story"),
    path("log/sealed/", seal.sealed_log, name="sealed-log"),
    path("log/sealed.jsonl", seal.sealed_log_export, name="sealed-log-export"),
    path("log/events/<int:event_id>/", seal.event_place, name="event-place"),
    path("log.csv", log.log_csv, name="log-csv"),
    path("log.jsonl", log.log_jsonl, name="log-jsonl"),
    path("policies/<slug:key>/try", trial.try_policy, name="try-policy"),
    path("verdicts/", mine.last_verdicts, name="last-verdicts"),
    path("preferences/", mine.preferences, name="preferences"),
    path("tickets/next", ticket.take_next, name="next-ticket"),
    path("tickets/<uuid:ticket_id>/", ticket.ticket, name="ticket"),
    path("tickets/<uuid:ticket_id>/claim", ticket.claim, name="ticket-claim"),
    path("tickets/<uuid:ticket_id>/verdict", ticket.verdict, name="ticket-verdict"),
    path("tickets/<uuid:ticket_id>/ask", ticket.ask, name="ticket-ask"),
    path("tickets/<uuid:ticket_id>/escalate", ticket.escalate, name="ticket-escalate"),
    path("tickets/<uuid:ticket_id>/estimate", ticket.estimate, name="ticket-estimate"),
    path("tickets/<uuid:ticket_id>/skip", ticket.skip, name="ticket-skip"),
    path("tickets/<uuid:ticket_id>/release", ticket.release, name="ticket-release"),
    path("tickets/<uuid:ticket_id>/undo", ticket.undo, name="ticket-undo"),
    path("tickets/<uuid:ticket_id>/renew", ticket.renew, name="ticket-renew"),
    path("tickets/<uuid:ticket_id>/presence", ticket.presence, name="ticket-presence"),
    path("tickets/<uuid:ticket_id>/changes", ticket.changes, name="ticket-changes"),
    path("tickets/<uuid:ticket_id>/alike", ticket.alike, name="ticket-alike"),
]
