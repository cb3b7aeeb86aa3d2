"""What is done with a version: each page shows what it changes, asks why, and does it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from policies import queries, services
from policies.admin.access import editor
from policies.domain.differences import differences
from policies.domain.expressions import ExpressionError, compile_rule
from policies.domain.problems import row_name
from policies.domain.spec import SpecError, ThresholdSpec
from policies.domain.vocabulary import VersionStatus
from policies.forms import ReasonForm, RestoreForm
from policies.models import PolicyVersion

REFUSED = {
    services.NotAllowed: 403,
    services.SecondAdminNeeded: 403,
    services.ReasonMissing: 422,
    services.InvalidPolicy: 422,
}
"""What a refusal answers with; every other is a conflict (409)."""

# What each page says that its button does.
PUBLISHES = (
    "It takes the place of what is in force at once: the next decision is judged by it. Nothing earlier changes."
)
SHADOWS = (
    "From now on it judges every new decision beside what is in force, without effect. It can't be changed any more, "
    "and takes the place of an earlier shadow."
)
ENDS_THE_SHADOW = "It judges nothing any more. What it said so far is kept."
ROLLS_BACK = (
    "A new version with its content takes the place of what is in force at once; neither of the two is changed."
)


class VersionActs(admin.ModelAdmin):
    """The pages of a version beside the one that edits it."""

    def get_urls(self) -> list[URLPattern]:
        def act(name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            return path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(view),
                name=f"policies_policyversion_{name.replace('-', '_')}",
            )

        return [
            act("publish", self.publish),
            act("shadow", self.shadow),
            act("retire-shadow", self.retire_shadow),
            act("roll-back", self.roll_back),
            act("rebase", self.rebase),
            act("copy", self.copy),
            path(
                "check-expression/",
                self.admin_site.admin_view(self.check_expression),
                name="policies_policyversion_check_expression",
            ),
            *super().get_urls(),
        ]

    def publish(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what the version changes and ask why; put it in force."""
        return self._act(request, pk, verb="Publish", does=PUBLISHES, act=services.publish, who="publisher")

    def shadow(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what the version changes and ask why; judge live traffic by it without effect."""
        return self._act(request, pk, verb="Run in shadow", does=SHADOWS, act=services.shadow, who="publisher")

    def retire_shadow(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(
            request, pk, verb="End the shadow", does=ENDS_THE_SHADOW, act=services.retire_shadow, who="actor"
        )

    def roll_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what going back changes, and which rows stay withdrawn; ask why; do it."""
        version = self._version(request, pk)
        live = PolicyVersion.objects.of(version.workflow).live().first()
        if version.status != VersionStatus.RETIRED or version.published_at is None:
            return self._refused(request, version, "Only a version that was in force before can be rolled back to.")
        keys = {f"row_{at}": key for at, key in enumerate(services.withdrawn_by_rollback(version, live=live))}
        form = RestoreForm(
            request.POST or None, withdrawn={name: row_name(ThresholdSpec(*key)) for name, key in keys.items()}
        )

        def act(version: PolicyVersion, *, publisher: User, reason: str, now: datetime) -> PolicyVersion:
            restored = {key: form.cleaned_data[name] for name, key in keys.items() if form.cleaned_data[name]}
            return services.roll_back(
                version.workflow, to=version, publisher=publisher, reason=reason, now=now, restored=restored
            )

        document = services.document_after_rollback(version, live=live)
        changed = differences(queries.document_of(live) if live else None, document)
        context = {"differences": changed, "live": live, "does": ROLLS_BACK}
        return self._ask(request, version, form, verb="Roll back", act=act, who="publisher", context=context)

    def rebase(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One click: the draft goes on top of what is live now."""
        version = self._version(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            rebased = services.rebase(version, author=editor(request), now=timezone.now())
        except services.PolicyRefused as error:
            return self._refused(request, version, error.detail)
        messages.success(request, f"The draft stands on what is live now, and is version {rebased.version.number}.")
        for conflict in rebased.conflicts:
            messages.warning(request, conflict)
        return redirect("admin:policies_policyversion_change", version.pk)

    def copy(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One click: a draft on top of what is live, with the content of this version."""
        version = self._version(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        draft = services.create_draft(
            workflow=version.workflow, author=editor(request), source=version, now=timezone.now()
        )
        messages.success(request, f"Version {draft.number} is a draft now. Change it, then publish it.")
        return redirect("admin:policies_policyversion_change", draft.pk)

    def check_expression(self, request: HttpRequest) -> HttpResponse:
        """A fragment: whether an expression can be a rule, and where it can't."""
        editor(request)
        # The whole form comes along; the header names the field that was typed in.
        source = request.POST.get(request.headers.get("HX-Trigger-Name", ""), "")
        return render(request, "admin/policies/policyversion/_check.html", _checked(source))

    def _act(
        self, request: HttpRequest, pk: int, *, verb: str, does: str, act: Callable[..., Any], who: str
    ) -> HttpResponse:
        version = self._version(request, pk)
        context = told(version) | {"does": does}
        return self._ask(
            request, version, ReasonForm(request.POST or None), verb=verb, act=act, who=who, context=context
        )

    def _ask(
        self,
        request: HttpRequest,
        version: PolicyVersion,
        form: ReasonForm,
        *,
        verb: str,
        act: Callable[..., PolicyVersion],
        who: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        """The page that asks why, and does it when it is told."""
        status = 200
        if request.method == "POST" and not form.is_valid():
            status = 422
        elif request.method == "POST":
            arguments = {who: editor(request), "reason": form.cleaned_data["reason"], "now": timezone.now()}
            try:
                done = act(version, **arguments)
            except services.PolicyRefused as error:
                form.add_error(None, error.detail)
                status = REFUSED.get(type(error), 409)
            else:
                self.log_change(request, version, f"{verb}: {form.cleaned_data['reason']}")
                said = f"Version {done.number} of {version.workflow.title} is {_state(done)}."
                messages.success(request, said, extra_tags="go")
                return redirect("policy", version.workflow.key)
        return TemplateResponse(
            request,
            "admin/policies/policyversion/act.html",
            {
                **self.admin_site.each_context(request),
                "title": f"{verb}: {version.workflow.title}, version {version.number}",
                "opts": self.opts,
                "version": version,
                "verb": verb,
                "form": form,
                **context,
            },
            status=status,
        )

    def _version(self, request: HttpRequest, pk: int) -> PolicyVersion:
        editor(request)
        return get_object_or_404(PolicyVersion.objects.select_related("workflow", "base"), pk=pk)

    def _refused(self, request: HttpRequest, version: PolicyVersion, detail: str) -> HttpResponseRedirect:
        messages.error(request, detail)
        return redirect("admin:policies_policyversion_change", version.pk)


def _state(version: PolicyVersion) -> str:
    if version.status == VersionStatus.LIVE:
        return "in force"
    return "in shadow" if version.status == VersionStatus.SHADOW else "retired"


def told(version: PolicyVersion) -> dict[str, Any]:
    """What a version changes against what is live, in words, and what keeps it from being published."""
    live = PolicyVersion.objects.of(version.workflow).live().first()
    unpublished = version.status in (VersionStatus.DRAFT, VersionStatus.SHADOW)
    context: dict[str, Any] = {"version": version, "live": live, "unpublished": unpublished}
    if unpublished:
        context["is_stale"] = version.base_id != (live.pk if live else None)
        context["problems"] = services.problems_of_version(version)
        try:
            context["differences"] = queries.differences_between(live, version)
        except SpecError:
            context["differences"] = None  # the problems say why
    if version.status != VersionStatus.DRAFT:
        context["said"] = queries.in_words(version)
    return context


def _checked(source: str) -> dict[str, Any]:
    """What the fragment below an expression says."""
    if not source.strip():
        return {"empty": True}
    try:
        names = compile_rule(source).names
    except ExpressionError as error:
        at = error.position
        if at is None:
            return {"error": error.message}
        return {
            "error": error.message,
            "place": at + 1,
            "before": source[max(0, at - 40) : at],
            "here": source[at : at + 1] or " ",
            "after": source[at + 1 : at + 40],
        }
    return {"names": ", ".join(sorted(names)) or "nothing of the decision"}
