"""Where admins edit: workflows, actions, and drafts of policies. What was published is shown, and never changes."""

from django.contrib import admin

from policies.admin import groups, versions, workflows

__all__ = ["groups", "versions", "workflows"]

admin.site.site_title = admin.site.site_header = "Countersign"
admin.site.index_title = "Administration"
