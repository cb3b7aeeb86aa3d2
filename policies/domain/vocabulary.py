"""The words of a policy, each in one place. A comment says when a member holds."""

from django.db.models import TextChoices


class WorkflowKind(TextChoices):
    """What a workflow's payloads are, and so which renderer shows them."""

    CONTENT = "content", "Content generation"  # a draft that people may edit
    MODERATION = "moderation", "Moderation"  # an item that may break a rule
    COMMUNICATION = "communication", "Automated communication"  # a message as its recipient would see it
    TRANSACTION = "transaction", "Transaction"  # an act with amounts
    ROUTING = "routing", "Routing"  # a choice among actions for a case


class Reversibility(TextChoices):
    """What it takes to undo an action that ran."""

    READ_ONLY = "read_only", "Changes nothing"
    REVERSIBLE = "reversible", "We can undo it ourselves"
    EXTERNALLY_REVERSIBLE = "externally_reversible", "Undone only with somebody else's help"
    IRREVERSIBLE = "irreversible", "Cannot be undone"  # a person confirms it first, always


class VersionStatus(TextChoices):
    """Where a policy version stands. Only drafts change; at most one version of a workflow is live."""

    DRAFT = "draft", "Draft"
    SHADOW = "shadow", "Shadow"  # judged beside the live one, without effect
    LIVE = "live", "Live"
    RETIRED = "retired", "Retired"  # was live or shadow, never again


class VersionCause(TextChoices):
    """Why a version exists."""

    EDIT = "edit", "Edit"  # somebody changed a draft
    ROLLBACK = "rollback", "Roll-back"  # a copy of an earlier version
    WITHDRAWAL = "withdrawal", "Withdrawal of autonomy"  # evidence failed; published automatically


class Autonomy(TextChoices):
    """What a threshold row lets the AI do alone."""

    NEVER = "never", "Never alone"
    BY_CONFIDENCE = "by_confidence", "Alone from a confidence upward"
    WITHDRAWN = "withdrawn", "Withdrawn by evidence"


class VerdictKind(TextChoices):
    """A person's answer."""

    APPROVE = "approve", "Approve"  # the recommendation as it stands
    EDIT = "edit", "Edit"  # the same action with a changed payload
    OVERRIDE = "override", "Override"  # another action of the workflow
    REJECT = "reject", "Reject"  # nothing runs


class Route(TextChoices):
    """What the policy says of a decision."""

    AUTO = "auto", "Runs at once"
    REVIEW = "review", "Waits for a person"


class ReasonCode(TextChoices):
    """Why a decision escalates."""

    LOW_CONFIDENCE = "low_confidence", "Low confidence"  # below the threshold in force
    MISSING_CONFIDENCE = "missing_confidence", "No confidence"  # null, absent or not a number in [0, 1]
    HIGH_VALUE = "high_value", "High value"  # above the largest amount that runs alone
    MISSING_AMOUNT = "missing_amount", "No amount"  # a limit or budget needs one and the payload has none
    CURRENCY_MISMATCH = "currency_mismatch", "Another currency"  # the limit is in another currency
    IRREVERSIBLE = "irreversible", "Irreversible"  # the action can't be undone
    ALWAYS_REVIEW = "always_review", "Always reviewed"  # the policy lets nothing of this kind run alone
    RULE = "rule", "Rule"  # a rule of the policy fired
    RULE_ERROR = "rule_error", "Rule failed"  # a rule could not be evaluated
    UNKNOWN_ACTION = "unknown_action", "Unknown action"  # not registered in the workflow, or inactive
    NO_POLICY = "no_policy", "No policy"  # not exactly one live version
    PAUSED = "paused", "Paused"  # the workflow or everything is stopped
    BUDGET_SPENT = (
        "budget_spent",
        "Over budget",
    )  # the day's automatic approvals are used up, or this alone is above them
    UNPROVEN_MODEL = "unproven_model", "Unproven model"  # rows name other models of this action, not this one
    EVIDENCE_EXPIRED = "evidence_expired", "Evidence expired"  # the row's basis no longer holds
    AUTONOMY_WITHDRAWN = "autonomy_withdrawn", "Autonomy withdrawn"  # evidence failed
    UNMONITORED = "unmonitored", "Unmonitored"  # the evidence was not assessed in the last minutes
    POLICY_ERROR = "policy_error", "Policy failed"  # judging raised an error


class ChangeKind(TextChoices):
    """What was done to a policy or a switch."""

    PUBLISHED = "published", "Published"
    SHADOWED = "shadowed", "Put in shadow"
    RETIRED = "retired", "Retired"
    ROLLED_BACK = "rolled_back", "Rolled back"
    WITHDRAWN = "withdrawn", "Autonomy withdrawn"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"


class Layout(TextChoices):
    """How a field of a payload is shown."""

    TEXT = "text", "Text"
    MESSAGE = "message", "Message"
    MARKDOWN = "markdown", "Typeset text"
    MONEY = "money", "Money"
    IMAGE = "image", "Image"
    LINK = "link", "Link"
    TABLE = "table", "Table"
    CODE = "code", "Code"
    DIFF = "diff", "Difference"
