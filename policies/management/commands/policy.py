"""`manage.py policy export|import|diff`: policies as files, for those who keep them in git."""

import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from policies.domain.differences import differences
from policies.domain.files import from_yaml, to_yaml
from policies.domain.spec import SpecError, digest_of
from policies.models import PolicyVersion, Workflow
from policies.queries import document_of, version_of
from policies.services import PolicyRefused, import_draft


class Command(BaseCommand):
    """Writes YAML, reads it as a draft, and tells what differs."""

    help = "Export a policy as YAML, import one as a draft, or tell in words what differs between two."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser("export", help="write a version as YAML to the standard output")
        export.add_argument("policy", help="a workflow's key for what is live, or key@number")
        take = verbs.add_parser("import", help="make a draft of a YAML file; publishing it is another matter")
        take.add_argument("file", help="the file, or - for the standard input")
        take.add_argument("--author", required=True, help="the admin on whose account the draft is made")
        take.add_argument("--note", default="Imported from a file.", help="why; shown with the version")
        diff = verbs.add_parser("diff", help="tell what the second says otherwise; exit code 1 where they differ")
        for name in ("before", "after"):
            diff.add_argument(name, help="a YAML file, -, a workflow's key, or key@number")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["verb"]:
                case "export":
                    self.export(options["policy"])
                case "import":
                    self.take(options["file"], author=options["author"], note=options["note"])
                case _:
                    self.diff(options["before"], options["after"])
        except (PolicyRefused, SpecError) as error:
            raise CommandError(str(error)) from None

    def export(self, name: str) -> None:
        version = _version(name)
        heading = f"{version.workflow.title}, version {version.number} ({version.get_status_display().lower()})"
        self.stdout.write(to_yaml(document_of(version), heading=heading), ending="")

    def take(self, file: str, *, author: str, note: str) -> None:
        admin = User.objects.filter(username=author).first()
        if admin is None:
            raise CommandError(f"There is no user called {author}.")
        document = from_yaml(_read(file))
        draft = import_draft(document, author=admin, note=note, now=timezone.now())
        self.stdout.write(f"Draft {draft.number} of {draft.workflow.key}; published as it is: {digest_of(document)}")

    def diff(self, before: str, after: str) -> None:
        told = differences(_document(before), _document(after))
        for difference in told:
            self.stdout.write(f"{difference.effect.value}: {difference.sentence}")
        if told:
            sys.exit(1)


def _document(name: str) -> dict[str, Any]:
    if name == "-" or Path(name).is_file():
        return from_yaml(_read(name))
    return document_of(_version(name))


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} can't be read: {error}") from None


def _version(name: str) -> PolicyVersion:
    key, _, number = name.partition("@")
    workflow = Workflow.objects.filter(key=key).first()
    if workflow is None:
        raise CommandError(f"There is neither a file nor a workflow called {key}.")
    if number and not (number.isascii() and number.isdigit() and len(number) < 9):
        raise CommandError(f"{number} is no number of a version.")
    if number:
        version = version_of(workflow, int(number))
    else:
        version = PolicyVersion.objects.of(workflow).live().select_related("workflow").first()
    if version is None:
        raise CommandError(f"{key} has no version {number}." if number else f"Nothing is live in {key}.")
    return version
