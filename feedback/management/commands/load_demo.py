"""`manage.py load_demo`: workflows, people, clients and a first queue, through the same services as everything else."""

import json
import os
import secrets
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from feedback.management import demo
from feedback.services import assess_autonomy
from policies.models import ActionType, Rule, Threshold, Workflow
from policies.services import create_draft, publish
from reviews.domain.submission import parse_submission
from reviews.models import Channel, Client, Decision
from reviews.services.keys import issue_key, key_is_valid
from reviews.services.submit import submit_decision

FIRST_SUPPORT_DECISIONS = 150  # what waits when one opens the console; the simulated upstream posts the rest


class Command(BaseCommand):
    """Loads what is missing; a second run changes nothing and keeps passwords and keys."""

    help = "Load the demonstration: workflows, people, channels, clients and a first queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the console is served")
        parser.add_argument("--to", default=str(settings.VAR_DIR / "demo.json"), help="where log-ins and keys go")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        plan = json.loads((demo.STREAMS / "workflows.json").read_text())
        path = Path(options["to"])
        known = json.loads(path.read_text()) if path.exists() else {}
        users = load_users(plan, known)
        for workflow in plan["workflows"]:
            load_workflow(workflow, now=now)
        load_channels(plan)
        clients = load_clients(plan, known, now=now)
        assess_autonomy(now=now)  # without it everything would go to people, as unmonitored
        submit_first_decisions(Client.objects.get(name="support-router"), now=now)
        write_private(path, {"url": options["url"], "users": users, "clients": clients})


def load_users(plan: dict[str, Any], known: dict[str, Any]) -> list[dict[str, Any]]:
    """The demo users with their passwords; those known from an earlier run keep theirs."""
    passwords = {user["username"]: user["password"] for user in known.get("users", ())}
    for name in plan["groups"]:
        Group.objects.get_or_create(name=name)
    users = []
    for person in plan["users"]:
        user, created = get_user_model().objects.get_or_create(
            username=person["username"],
            defaults={
                "first_name": person["first_name"],
                "last_name": person["last_name"],
                "email": person["email"],
                "is_staff": person["role"] == "admin",
                "is_superuser": person["role"] == "admin",
            },
        )
        password = passwords.get(user.username, "")
        if created or not user.check_password(password):
            password = secrets.token_urlsafe(9)
            user.set_password(password)
            user.save(update_fields=["password"])
        user.groups.set(Group.objects.filter(name__in=person["groups"]))
        users.append(
            {
                "username": user.username,
                "password": password,
                "role": person["role"],
                "name": user.get_full_name(),
                "groups": person["groups"],
            }
        )
    return users


def load_workflow(plan: dict[str, Any], *, now: datetime) -> None:
    """A workflow with its actions, and its policy: by one of the demo's admins, and published by the other."""
    fields = {key: value for key, value in plan.items() if key not in {"actions", "thresholds", "rules"}}
    fields["review_group"] = Group.objects.get(name=plan["review_group"])
    fields["escalation_group"] = Group.objects.get(name=plan["escalation_group"])
    workflow, created = Workflow.objects.get_or_create(key=plan["key"], defaults=fields)
    if not created:
        return
    actions = {row["key"]: ActionType.objects.create(workflow=workflow, **row) for row in plan["actions"]}
    # Where POLICY_TWO_ADMINS holds, it holds here too.
    author, publisher = (get_user_model().objects.get(username=name) for name in ("bea", "ada"))
    draft = create_draft(workflow, author=author, note="The demonstration's first policy.", now=now)
    for row in plan["thresholds"]:
        Threshold.objects.create(version=draft, **{**row, "action": actions.get(row["action"])})
    for position, row in enumerate(plan["rules"], start=1):
        group = Group.objects.get(name=row["group"]) if "group" in row else None
        Rule.objects.create(version=draft, position=position, **{**row, "group": group})
    publish(draft, publisher=publisher, reason="The demonstration's first policy.", now=now)


def load_channels(plan: dict[str, Any]) -> None:
    """How people are told: by e-mail, which `up` writes into VAR_DIR/mail and the simulated upstream prints."""
    for row in plan["channels"]:
        Channel.objects.get_or_create(title=row["title"], defaults=row)


def load_clients(plan: dict[str, Any], known: dict[str, Any], *, now: datetime) -> list[dict[str, Any]]:
    """The demo clients with their API keys; a key known from an earlier run is kept while it is valid."""
    keys = {client["name"]: client["key"] for client in known.get("clients", ())}
    clients = []
    for row in plan["clients"]:
        client, _ = Client.objects.get_or_create(
            name=row["name"], defaults={"scopes": row["scopes"], "independent": row.get("independent", False)}
        )
        client.workflows.set(Workflow.objects.all())
        key = keys.get(client.name, "")
        if not key_is_valid(key, client=client, now=now):
            key = issue_key(client, now=now)
        clients.append({"name": client.name, "role": row["role"], "key": key, "scopes": client.scopes})
    return clients


def submit_first_decisions(client: Client, *, now: datetime) -> None:
    """A first queue in every workflow, in order: where the last one stands, all do, and a later start needn't ask."""
    submissions = [
        parse_submission(body)
        for body in chain(islice(demo.bodies("support"), FIRST_SUPPORT_DECISIONS), demo.hand_made())
    ]
    if Decision.objects.filter(client=client, external_id=submissions[-1].external_id).exists():
        return
    for submission in submissions:
        submit_decision(client=client, submission=submission, key=None, now=now)


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON that only this user may read, whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    scratch.replace(path)
