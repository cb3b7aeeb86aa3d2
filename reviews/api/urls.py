"""The API of decisions and tickets, below /api/v1/."""

from django.urls import path

from reviews.api.views import afterwards, decisions, follow, lead, log, permits, tickets

urlpatterns = [
    path("decisions", decisions.Decisions.as_view(), name="api-decisions"),
    path("decisions/batch", decisions.Batch.as_view(), name="api-batch"),
    path("decisions/<uuid:decision_id>", decisions.OneDecision.as_view(), name="api-decision"),
    path("decisions/<uuid:decision_id>/cancel", afterwards.Cancel.as_view(), name="api-cancel"),
    path("decisions/<uuid:decision_id>/answer", afterwards.Answer.as_view(), name="api-answer"),
    path("decisions/<uuid:decision_id>/truth", afterwards.TruthOfOne.as_view(), name="api-truth"),
    path("decisions/<uuid:decision_id>/execution", afterwards.Execution.as_view(), name="api-execution"),
    path("decisions/<uuid:decision_id>/permit", permits.Permit.as_view(), name="api-permit"),
    path("permits/<uuid:jti>/redeem", permits.Redeem.as_view(), name="api-redeem"),
    path("truth", afterwards.TruthElsewhere.as_view(), name="api-truth-elsewhere"),
    path("events", follow.Events.as_view(), name="api-events"),
    path("intakes/<uuid:intake_id>", follow.OneIntake.as_view(), name="api-intake"),
    path("log/checkpoint", log.NewestCheckpoint.as_view(), name="api-checkpoint"),
    path("log/events/<int:event_id>", log.EventProof.as_view(), name="api-event-proof"),
    path("log/consistency", log.Consistency.as_view(), name="api-consistency"),
    path("tickets/next", tickets.Next.as_view(), name="api-next"),
    path("tickets/<uuid:ticket_id>", tickets.OneTicket.as_view(), name="api-ticket"),
    path("tickets/<uuid:ticket_id>/claim", tickets.Claim.as_view(), name="api-claim"),
    path("tickets/<uuid:ticket_id>/estimate", tickets.Estimate.as_view(), name="api-estimate"),
    path("tickets/<uuid:ticket_id>/verdict", tickets.Verdict.as_view(), name="api-verdict"),
    path("tickets/<uuid:ticket_id>/ask", tickets.Ask.as_view(), name="api-ask"),
    path("tickets/<uuid:ticket_id>/release", tickets.Release.as_view(), name="api-release"),
    path("tickets/<uuid:ticket_id>/skip", tickets.Skip.as_view(), name="api-skip"),
    path("tickets/<uuid:ticket_id>/escalate", tickets.Escalate.as_view(), name="api-escalate"),
    path("tickets/<uuid:ticket_id>/undo", tickets.Undo.as_view(), name="api-undo"),
    path("tickets/<uuid:ticket_id>/end-claim", lead.EndClaim.as_view(), name="api-end-claim"),
    path("tickets/<uuid:ticket_id>/move", lead.Move.as_view(), name="api-move"),
]
