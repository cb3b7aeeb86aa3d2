"""The words of decisions, tickets and outcomes, each in one place. A comment says when a member holds."""

from django.db.models import TextChoices


class TicketKind(TextChoices):
    """What a ticket asks for."""

    GATE = "gate", "Gate"  # the action waits for the verdict
    AUDIT = "audit", "Audit"  # the action ran; we check
    SECOND_OPINION = "second_opinion", "Second opinion"  # decided once; another person answers blind
    KNOWN_ANSWER = "known_answer", "Known answer"  # the truth is known; the reviewer is measured


class TicketState(TextChoices):
    """Where a ticket stands. Moves stand in lifecycle.py and nowhere else."""

    OPEN = "open", "Open"  # anybody of the group may take it
    CLAIMED = "claimed", "Claimed"  # one reviewer holds a lease on it
    WAITING = "waiting", "Waiting for an answer"  # a question went upstream; its clock stands still
    DISPUTED = "disputed", "Disputed"  # verdicts differ; the escalation group's is final
    DECIDED = "decided", "Decided"  # all verdicts are in; the hold runs
    SETTLED = "settled", "Settled"  # final: the verdict counts
    WITHDRAWN = "withdrawn", "Withdrawn"  # final: upstream cancelled
    EXPIRED = "expired", "Expired"  # final: the decision's deadline passed; do not act


UNFINISHED = (
    TicketState.OPEN,
    TicketState.CLAIMED,
    TicketState.WAITING,
    TicketState.DISPUTED,
    TicketState.DECIDED,
)
UNDECIDED = (TicketState.OPEN, TicketState.CLAIMED, TicketState.WAITING, TicketState.DISPUTED)
FINAL = (TicketState.SETTLED, TicketState.WITHDRAWN, TicketState.EXPIRED)


class TicketEvent(TextChoices):
    """What can happen to a ticket."""

    TAKE = "take", "Taken"
    RELEASE = "release", "Released"
    LAPSE = "lapse", "Lease over"
    SKIP = "skip", "Skipped"
    ASK = "ask", "Asked upstream"
    ANSWER = "answer", "Answered"
    ESCALATE = "escalate", "Escalated"
    VERDICT_MORE = "verdict_more", "Verdict, more needed"
    VERDICT_DISAGREES = "verdict_disagrees", "Verdict, disagreeing"
    VERDICT_FINAL = "verdict_final", "Final verdict"
    UNDO = "undo", "Undone"
    HOLD_OVER = "hold_over", "Hold over"
    CANCEL = "cancel", "Cancelled by upstream"
    DEADLINE = "deadline", "Deadline passed"
    FALL_DUE = "fall_due", "Due"
    MOVE = "move", "Moved to another group"


class OutcomeKind(TextChoices):
    """The binding answer. Only the first three say that something may run."""

    APPROVED = "approved", "Approved"
    EDITED = "edited", "Edited"
    OVERRIDDEN = "overridden", "Overridden"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


MAY_RUN = (OutcomeKind.APPROVED, OutcomeKind.EDITED, OutcomeKind.OVERRIDDEN)


class OutcomeMethod(TextChoices):
    """Who gave the answer."""

    AUTO = "auto", "The policy"
    HUMAN = "human", "A person"
    SYSTEM = "system", "The system"  # cancelled or expired: never an approval


class DecisionStatus(TextChoices):
    """What upstream reads; derived from ticket and outcome, never stored."""

    RECEIVED = "received", "Received"  # in an intake, not yet judged
    PENDING_REVIEW = "pending_review", "Waits for a person"
    ASKED = "asked", "A question waits for upstream"
    DECIDED = "decided", "Decided, within the hold"
    APPROVED = "approved", "Approved"
    EDITED = "edited", "Edited"
    OVERRIDDEN = "overridden", "Overridden"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class EventKind(TextChoices):
    """What the log records."""

    DECISION_SUBMITTED = "decision.submitted", "Decision submitted"
    DECISION_CANCELLED = "decision.cancelled", "Decision cancelled"
    DECISION_PURGED = "decision.purged", "Content purged"
    TICKET_OPENED = "ticket.opened", "Ticket opened"
    TICKET_CLAIMED = "ticket.claimed", "Ticket claimed"
    TICKET_RELEASED = "ticket.released", "Claim ended"
    TICKET_SKIPPED = "ticket.skipped", "Ticket skipped"
    TICKET_ESCALATED = "ticket.escalated", "Ticket escalated"
    TICKET_REMINDED = "ticket.reminded", "Reminder sent"
    TICKET_MOVED = "ticket.moved", "Ticket moved"
    TICKET_SETTLED = "ticket.settled", "Ticket settled"
    TICKET_EXPIRED = "ticket.expired", "Ticket expired"
    TICKET_WITHDRAWN = "ticket.withdrawn", "Ticket withdrawn"
    QUESTION_ASKED = "question.asked", "Question asked"
    QUESTION_ANSWERED = "question.answered", "Question answered"
    VERDICT_GIVEN = "verdict.given", "Verdict given"
    VERDICT_UNDONE = "verdict.undone", "Verdict undone"
    OUTCOME_SETTLED = "outcome.settled", "Outcome settled"
    AUDIT_DISAGREED = "audit.disagreed", "Audit disagreed"
    TRUTH_REPORTED = "truth.reported", "Truth reported"
    EXECUTION_REPORTED = "execution.reported", "Execution reported"
    PERMIT_ISSUED = "permit.issued", "Permit issued"
    PERMIT_REDEEMED = "permit.redeemed", "Permit redeemed"
    POLICY_CHANGED = "policy.changed", "Policy changed"
    ALARM_RAISED = "alarm.raised", "Alarm raised"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged", "Alarm acknowledged"
    ALARM_ENDED = "alarm.ended", "Alarm ended"
    LOOK_PLANNED = "look.planned", "Look planned"
    LOOK_TAKEN = "look.taken", "Look taken"
    LOOK_WITHDRAWN = "look.withdrawn", "Look withdrawn"
    COMMENT_ADDED = "comment.added", "Comment added"
    EXPORTED = "exported", "Exported"
    ENDPOINT_TESTED = "endpoint.tested", "Test message sent"
    LOG_RESTORED = "log.restored", "Log restored"


class RestoreCause(TextChoices):
    """By what it was known that the database, or its log, is not what it was."""

    COMMAND = "command", "Restored by command"  # `manage.py restore` says so itself
    ANOTHER = "another", "Another database"  # not the one that was sealed last, and nothing outside vouches for it
    BEHIND = "behind", "Older than the newest checkpoint"  # a checkpoint outside is of a larger tree
    DIFFERS = "differs", "Not what was sealed"  # a checkpoint outside has another root than the tree
    BROKEN = "broken", "Changed since it was sealed"  # the rows of the log in the database aren't what was signed
    UNREADABLE = "unreadable", "A checkpoint that can't be checked"  # the one outside isn't signed by a key of ours


class WebhookType(TextChoices):
    """What upstream is told."""

    DECISION_PENDING = "decision.pending", "Waits for a person"
    DECISION_SETTLED = "decision.settled", "Settled"
    DECISION_ASKED = "decision.asked", "A reviewer asks"
    DECISION_AUDIT_DISAGREED = "decision.audit_disagreed", "An audit disagreed"
    POLICY_PUBLISHED = "policy.published", "Policy published"
    AUTONOMY_WITHDRAWN = "autonomy.withdrawn", "Autonomy withdrawn"
    ALARM_RAISED = "alarm.raised", "Alarm raised"
    ENDPOINT_TEST = "endpoint.test", "Test message"  # an admin asked for it; it tells of nothing


class ChannelKind(TextChoices):
    """How people are told."""

    EMAIL = "email", "E-mail"  # to a mailbox, or to each of those whom it concerns
    SLACK = "slack", "Slack, or what takes its webhooks"  # an incoming webhook of a chat room


class Notice(TextChoices):
    """What people are told."""

    TICKET_ESCALATED = "ticket.escalated", "A ticket is escalated"
    TICKET_REMINDED = "ticket.reminded", "A ticket waits: half, and nine tenths, of its time have passed"
    ALARM_RAISED = "alarm.raised", "An alarm is raised"
    AUTONOMY_WITHDRAWN = "autonomy.withdrawn", "Evidence withdrew autonomy"
    ENDPOINT_DISABLED = "endpoint.disabled", "A webhook endpoint or a channel is disabled"
    STOP = "stop", "A stop is thrown or lifted"


def every_notice() -> list[str]:
    """All of them, what a new channel is told."""
    return list(Notice.values)


class DeliveryState(TextChoices):
    """Where a delivery in the outbox stands."""

    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Given up"  # visible, and can be replayed


class IntakeKind(TextChoices):
    """How an intake arrived."""

    SINGLE = "single", "One decision, answered later"
    BATCH = "batch", "Lines of a batch"


class LineState(TextChoices):
    """What became of one line of an intake."""

    RECEIVED = "received", "Received"
    CREATED = "created", "Created"
    REPLAYED = "replayed", "Already known"
    REFUSED = "refused", "Refused"


class Scope(TextChoices):
    """What an API key may do."""

    DECISIONS_WRITE = "decisions:write", "Submit, cancel and answer"
    DECISIONS_READ = "decisions:read", "Read decisions and events"
    INSIGHTS_READ = "insights:read", "Read insights"
    PERMITS_ISSUE = "permits:issue", "Fetch permits"
    PERMITS_REDEEM = "permits:redeem", "Redeem permits, report executions"
    TRUTH_WRITE = "truth:write", "Report what turned out to be right"
    LOG_READ = "log:read", "Read the sealed log and its proofs"


class RejectReason(TextChoices):
    """Why a person did not approve. Digits 1 to 9 pick one, in this order."""

    WRONG_ACTION = "wrong_action", "Wrong action"
    WRONG_FACTS = "wrong_facts", "Facts are wrong"
    MISSING_CONTEXT = "missing_context", "Not enough to go on"
    AGAINST_POLICY = "against_policy", "Against our rules"
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    WRONG_TONE = "wrong_tone", "Wrong tone or wording"
    UNSAFE = "unsafe", "Harmful or unsafe"
    DUPLICATE = "duplicate", "Already done"
    OTHER = "other", "Something else"


class LeadReason(TextChoices):
    """Why a lead ends a colleague's claim, or moves a ticket. A code and no text: it stands in the log for ever."""

    URGENT = "urgent", "it is urgent"
    AWAY = "away", "who has it is away"
    LOAD = "load", "too much waits there"
    SKILL = "skill", "somebody else knows more of this"
    MISTAKE = "mistake", "it came there by mistake"


class Theme(TextChoices):
    """How a reviewer wants the pages."""

    SYSTEM = "system", "As the system says"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"
