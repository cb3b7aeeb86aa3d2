"""Known answers from a file, for what no decision here has shown yet."""

from argparse import FileType
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from feedback.services import NoSeed, NotAllowed, bring_seeds
from policies.models import Workflow


class Command(BaseCommand):
    """Reads the arguments, and calls the service that the page calls."""

    help = "Set cases aside whose truth is known: JSON Lines of submissions, each with its right_action."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workflow", help="its key")
        parser.add_argument("file", type=FileType("rb"), help="the file; - is what is piped in")
        parser.add_argument("--by", required=True, metavar="USER", help="who answers for them: a lead or an admin")
        parser.add_argument("--evidence", required=True, help="how their truth is known, for lines that don't say")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = Workflow.objects.filter(key=options["workflow"]).first()
        user = User.objects.filter(username=options["by"]).first()
        if workflow is None or user is None:
            raise CommandError("There is no such workflow." if workflow is None else "There is no such user.")
        try:
            seeds = bring_seeds(
                options["file"], workflow=workflow, evidence=options["evidence"], user=user, now=timezone.now()
            )
        except (NoSeed, NotAllowed) as error:
            raise CommandError(error.detail) from error
        right = sum(seed.ai_is_right for seed in seeds)
        self.stdout.write(f"{len(seeds)} cases set aside: {right} with the AI right, {len(seeds) - right} wrong.")
