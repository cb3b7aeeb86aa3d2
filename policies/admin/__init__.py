"""Where admins edit: workflows, actions, and drafts of policies. What was published is shown, and never changes."""

from policies.admin import versions, workflows

__all__ = ["versions", "workflows"]
