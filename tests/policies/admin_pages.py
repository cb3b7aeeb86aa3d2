"""The admin's pages of policy versions, as a browser opens and sends them."""

from django.test import Client
from django.urls import reverse

from policies.models import PolicyVersion, Threshold

VERSIONS = "admin:policies_policyversion"


def as_(person) -> Client:
    client = Client()
    client.force_login(person())
    return client


def text(response) -> str:
    return " ".join(response.content.decode().split())


def page_of(version: PolicyVersion, act: str = "change") -> str:
    return reverse(f"{VERSIONS}_{act}", args=[version.pk])


def filled(client: Client, version: PolicyVersion, **changes: object) -> dict[str, object]:
    """What a browser would send back from the draft's page, with these fields changed."""
    context = client.get(page_of(version)).context
    forms = [context["adminform"].form]
    for wrapped in context["inline_admin_formsets"]:
        forms += [wrapped.formset.management_form, *wrapped.formset.forms]
    sent: dict[str, object] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if hasattr(field.field.widget, "decompress"):
                for at, part in enumerate(field.field.widget.decompress(value)):
                    sent[f"{field.html_name}_{at}"] = part or ""
            elif value is True:
                sent[field.html_name] = "on"
            elif value is not None and value is not False:
                sent[field.html_name] = value
    return {**sent, **changes}


def place_of(client: Client, version: PolicyVersion, action: str) -> str:
    """The prefix of the fields of a row."""
    for wrapped in client.get(page_of(version)).context["inline_admin_formsets"]:
        for form in wrapped.formset.forms:
            row = form.instance
            if isinstance(row, Threshold) and row.pk and (row.action.key if row.action else "") == action:
                return form.prefix
    raise AssertionError(f"no row for {action}")
