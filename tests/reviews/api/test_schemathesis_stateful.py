"""Requests that follow from one another as the schema's links say: each answer held against it, in every state."""

from typing import Any

import pytest
import schemathesis
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from config.wsgi import application
from reviews.domain.vocabulary import Scope, TicketState
from reviews.models import Decision, Permit, Ticket
from reviews.services.ask import ask_upstream
from reviews.services.claim import claim_ticket
from tests.factories import ana, make_client, proposal_body
from tests.reviewing import decide
from tests.reviews.api.test_schemathesis import ALL_CHECKS, _in_one_transaction, in_range  # noqa: F401  a fixture

# But for the one of bad data that is accepted, since all data here is good.
CHECKED = [check for check in ALL_CHECKS if check.__name__ != "negative_data_rejection"]
SCENARIOS = 150
STEPS = 10
# The links alone: what could be guessed from names besides would act on ids of another kind. Good data alone: a link
# puts a good id in the place of the bad one that makes a request a bad one. test_schemathesis.py sends the bad ones.
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"allow-x00": False, "mode": "positive"},
        "phases": {"stateful": {"inference": {"algorithms": []}}},
    }
)
schema = schemathesis.openapi.from_wsgi("/api/v1/schema", application, config=CONFIG)
THE_WAY_OF_A_DECISION = r"^/api/v1/(decisions(/\{decision_id\}.*)?|intakes/.*|permits/.*)$"


@pytest.fixture
def keys(support, _in_one_transaction) -> dict[str, str]:  # noqa: F811  as pytest has it
    """An upstream and the executor that it names, each by a key with every scope."""
    _, upstream = make_client(scopes=tuple(Scope), rate_limit=0)
    _, executor = make_client("Executor", scopes=tuple(Scope), rate_limit=0)
    ana()
    return {"upstream": upstream, "executor": executor}


def make_sense(operation: str, case: schemathesis.Case) -> None:
    """Of well-formed requests, those that get somewhere: of an id that nobody knows, the newest that there is."""
    for name, known in (("decision_id", Decision.objects.all()), ("jti", Permit.objects.all())):
        if name in case.path_parameters and not known.filter(pk=case.path_parameters[name]).exists():
            newest = known.order_by("-pk").values_list("pk", flat=True).first()
            case.path_parameters[name] = str(newest or case.path_parameters[name])
    body: Any = in_range(case.body)
    if operation == "submit_decision":
        # One of four that come again and again, two of which run alone; or another each time.
        which = len(body["external_id"]) % 6
        known = proposal_body(external_id=f"refund-{which}", confidence=0.95 if which % 2 else 0.62)
        another = {**body, **proposal_body(external_id=body["external_id"]), "deadline": None, "requested_by": None}
        body = known if which < 4 else another
        case.headers.pop("Idempotency-Key", None)
        case.headers["Prefer"] = "respond-async" if which >= 4 else "return=representation"
    elif operation == "issue_permit":
        body["audience"] = "Executor"
    elif operation == "redeem_permit":
        permit = Permit.objects.filter(jti=case.path_parameters["jti"]).select_related("outcome").first()
        if permit is not None:
            body["act_sha256"] = permit.outcome.payload_sha256
    elif operation == "get_decision":
        case.query.pop("wait", None)
    case.body = body


def let_people_work(operation: str, case: schemathesis.Case, *, now: Any) -> None:
    """What only a person can do meanwhile: ask back before an answer, decide before a permit."""
    decision = Decision.objects.filter(pk=case.path_parameters.get("decision_id")).first()
    ticket = Ticket.objects.filter(decision=decision, kind="gate").first() if decision else None
    if ticket is None or ticket.state != TicketState.OPEN:
        return
    if operation == "answer_question":
        claim_ticket(ticket.pk, reviewer=ana(), now=now)
        epoch = Ticket.objects.get(pk=ticket.pk).claim_epoch
        ask_upstream(ticket.pk, reviewer=ana(), epoch=epoch, text="Which plan?", now=now)
    elif operation == "issue_permit":
        decide(ticket, ana(), now=now)


@pytest.mark.django_db
def test_every_answer_in_every_state_is_as_the_schema_says(keys):
    taken: dict[tuple[str, str], int] = {}

    class Upstream(schema.include(path_regex=THE_WAY_OF_A_DECISION).as_state_machine()):
        def setup(self):
            """Each scenario begins anew, so that what a step leads to hangs on the steps before it and nothing else."""
            self.start = connection.savepoint()

        def teardown(self):
            connection.savepoint_rollback(self.start)

        def before_call(self, case):
            operation = case.operation.definition.raw["operationId"]
            make_sense(operation, case)
            let_people_work(operation, case, now=timezone.now())

        def get_call_kwargs(self, case):
            who = "executor" if "/permits/" in case.path else "upstream"
            return {"headers": {"Authorization": f"Bearer {keys[who]}"}}

        def after_call(self, response, case):
            super().after_call(response, case)
            step = case.operation.definition.raw["operationId"], str(response.status_code)
            taken[step] = taken.get(step, 0) + 1

        def validate_response(self, response, case, additional_checks=None, **kwargs):
            case.validate_response(
                response,
                checks=CHECKED,
                headers=kwargs["headers"],
                transport_kwargs=kwargs,
                recorder=self.recorder,
            )

    Upstream.run(
        settings=settings(
            max_examples=SCENARIOS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )

    # It got somewhere: each of these was reached by a link.
    reached = {
        *(("submit_decision", "200"), ("submit_decision", "201"), ("submit_decision", "202"), ("get_intake", "200")),
        *(("get_decision", "200"), ("cancel_decision", "200"), ("cancel_decision", "409"), ("answer_question", "200")),
        *(("issue_permit", "201"), ("issue_permit", "409"), ("redeem_permit", "200")),
        *(("report_execution", "201"), ("report_execution", "409"), ("report_truth", "201")),
    }
    assert reached - taken.keys() == set()
