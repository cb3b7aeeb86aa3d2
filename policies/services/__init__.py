"""The verbs that change what is in force. Each says what it writes and what it raises."""

from policies.services.drafts import NotADraft, Rebased, create_draft, discard_draft, rebase, sign_draft
from policies.services.imports import CannotImport, import_draft
from policies.services.publication import (
    BaseNotLive,
    InvalidPolicy,
    NotInShadow,
    SecondAdminNeeded,
    problems_of_version,
    publish,
    retire_shadow,
    shadow,
)
from policies.services.refusals import NotAllowed, PolicyRefused, ReasonMissing
from policies.services.rollback import NeverPublished, document_after_rollback, roll_back, withdrawn_by_rollback
from policies.services.stop import AlreadySo, pause, resume, take_stop_lock_exclusive
from policies.services.withdrawal import NothingToWithdraw, withdraw_autonomy

__all__ = [
    "AlreadySo",
    "BaseNotLive",
    "CannotImport",
    "InvalidPolicy",
    "NeverPublished",
    "NotADraft",
    "NotAllowed",
    "NotInShadow",
    "NothingToWithdraw",
    "PolicyRefused",
    "ReasonMissing",
    "Rebased",
    "SecondAdminNeeded",
    "create_draft",
    "discard_draft",
    "document_after_rollback",
    "import_draft",
    "pause",
    "problems_of_version",
    "publish",
    "rebase",
    "resume",
    "retire_shadow",
    "roll_back",
    "shadow",
    "sign_draft",
    "take_stop_lock_exclusive",
    "withdraw_autonomy",
    "withdrawn_by_rollback",
]
