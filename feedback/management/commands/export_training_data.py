"""`manage.py export_training_data`: decisions with their verdicts as JSON Lines, to a file or on standard output."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from feedback.domain.vocabulary import ExportShape
from feedback.queries.records import Chosen
from feedback.services import export_lines
from policies.models import Workflow


class Command(BaseCommand):
    help = "Write decisions with their verdicts as JSON Lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workflow", help="the key of a workflow")
        parser.add_argument("--shape", choices=ExportShape.values, default=ExportShape.DECISIONS.value)
        parser.add_argument("--since", type=moment, help="received from then on, such as 2026-03-01T00:00Z")
        parser.add_argument("--until", type=moment, help="received before then")
        parser.add_argument("--action", default="", help="of this action alone")
        parser.add_argument("--model", default="", help="of the model of this name alone")
        parser.add_argument("--model-version", default="", help="of this version of it alone")
        parser.add_argument("--to", default="-", help="a file; standard output where it is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = Workflow.objects.filter(key=options["workflow"]).first()
        if workflow is None:
            raise CommandError(f"There is no workflow {options['workflow']!r}.")
        chosen = Chosen(
            workflow=workflow,
            since=options["since"],
            until=options["until"],
            action=options["action"],
            model_name=options["model"],
            model_version=options["model_version"],
        )
        lines = export_lines(chosen, shape=options["shape"])
        if options["to"] == "-":
            sys.stdout.buffer.writelines(lines)
            return
        with Path(options["to"]).open("wb") as file:
            file.writelines(lines)


def moment(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None or found.tzinfo is None:
        raise CommandError(f"{text!r} is no moment with a time zone.")
    return found
