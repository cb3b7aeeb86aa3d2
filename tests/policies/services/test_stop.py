import threading

import pytest
from django.db import connection, transaction

from policies import queries, services
from policies.models import PolicyChange
from tests.factories import NOW, ada, ana, eve, ines, omar
from tests.policies.scene import support

pytestmark = pytest.mark.django_db


def test_a_workflow_is_paused_and_resumed_with_who_and_why():
    workflow = support()
    services.pause(workflow, actor=omar(), reason="Complaints.", now=NOW)
    assert queries.switches(workflow.pk).paused == "workflow"
    services.resume(workflow, actor=ada(), reason="Answered.", now=NOW)
    assert queries.switches(workflow.pk).paused == ""
    kept = PolicyChange.objects.order_by("pk").values_list("kind", "workflow", "actor__username", "reason")
    assert list(kept) == [
        ("paused", workflow.pk, "omar", "Complaints."),
        ("resumed", workflow.pk, "ada", "Answered."),
    ]


def test_everything_is_paused_by_one_switch():
    workflow = support()
    services.pause(None, actor=omar(), reason="Odd answers everywhere.", now=NOW)
    assert queries.switches(workflow.pk) == queries.Switches(everything=True, workflow=False)
    assert queries.switches(workflow.pk).paused == "everything"
    assert PolicyChange.objects.get().workflow is None
    services.resume(None, actor=omar(), reason="The supplier mended it.", now=NOW)
    assert queries.switches(workflow.pk).paused == ""


def test_both_switches_are_read_by_one_query(django_assert_num_queries):
    workflow = support()
    with django_assert_num_queries(1):
        queries.switches(workflow.pk)


def test_what_is_paused_is_not_paused_again():
    services.pause(None, actor=omar(), reason="Stop.", now=NOW)
    with pytest.raises(services.AlreadySo, match="Everything is paused already"):
        services.pause(None, actor=ada(), reason="Stop.", now=NOW)
    with pytest.raises(services.AlreadySo, match="Support is running already"):
        services.resume(support(), actor=ada(), reason="Go.", now=NOW)
    assert PolicyChange.objects.count() == 1


def test_a_stop_and_its_lifting_say_why():
    with pytest.raises(services.ReasonMissing):
        services.pause(None, actor=omar(), reason="", now=NOW)
    services.pause(None, actor=omar(), reason="Stop.", now=NOW)
    with pytest.raises(services.ReasonMissing):
        services.resume(None, actor=omar(), reason="  ", now=NOW)


@pytest.mark.parametrize("person", [ana, ines, eve])
def test_only_leads_and_admins_stop(person):
    with pytest.raises(services.NotAllowed):
        services.pause(None, actor=person(), reason="Stop.", now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("whole", "lock"), [(True, (7001, 0)), (False, None)])
def test_a_stop_waits_out_what_is_being_submitted(whole, lock):
    workflow, lead = support(), omar()
    order: list[str] = []

    def stops() -> None:
        services.pause(None if whole else workflow, actor=lead, reason="Stop.", now=NOW)
        order.append("stopped")
        connection.close()

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", lock or (7002, workflow.pk))
        thread = threading.Thread(target=stops)
        thread.start()
        thread.join(timeout=0.3)
        order.append("submitted")
    thread.join()
    assert order == ["submitted", "stopped"]


@pytest.mark.django_db(transaction=True)
def test_a_stop_waits_longer_than_a_page_s_statement_may():
    workflow, lead = support(), omar()
    outcome: list[str] = []

    def stops() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '100ms'")
        services.pause(workflow, actor=lead, reason="Stop.", now=NOW)
        outcome.append("stopped")
        connection.close()

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(7002, %s)", [workflow.pk])
        thread = threading.Thread(target=stops)
        thread.start()
        thread.join(timeout=0.5)
    thread.join()
    assert outcome == ["stopped"]
