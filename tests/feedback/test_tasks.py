"""The bells, as a worker hears them."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from feedback import tasks
from feedback.domain.vocabulary import ExportShape, RunState
from feedback.models import Export, Label
from feedback.services import request_backtest, request_export
from policies.domain.vocabulary import Autonomy
from policies.models import PolicyVersion
from policies.queries import live_policy
from reviews.models import Heartbeat
from reviews.services.settle import settle_due
from tests.concurrency import until_readable
from tests.factories import ana, gate_of, make_live_policy, make_workflow, omar, submit_one
from tests.feedback.labelled import make_labels
from tests.reviewing import decide

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_was_collected_is_assessed_at_once():
    now = timezone.now()
    make_live_policy(alpha=Decimal("0.02"), now=now)
    make_labels(np.arange(300) % 4 == 0, since=now)
    decision = submit_one(confidence=0.62, now=now)
    decide(gate_of(decision), ana(), now=now)
    settle_due(now=timezone.now() + timedelta(minutes=1))
    until_readable()
    tasks.collect_labels()
    assert Label.objects.filter(decision=decision).exists()
    assert live_policy(make_workflow().pk).thresholds[0].autonomy == Autonomy.WITHDRAWN


def test_the_clock_assesses_every_workflow_and_takes_up_what_was_left_lying(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    make_live_policy(monitored=False)
    export = request_export(user=omar(), workflow=make_workflow(), shape=ExportShape.DECISIONS, now=timezone.now())
    tasks.assess_autonomy()
    assert Heartbeat.objects.filter(name="evidence:support").exists()
    tasks.run_export(str(export.pk))
    assert Export.objects.get().state == RunState.DONE


def test_a_back_test_runs_by_its_bell():
    version = make_live_policy()
    backtest = request_backtest(PolicyVersion.objects.get(pk=version.pk), user=omar(), now=timezone.now())
    tasks.run_backtest(str(backtest.pk))
    backtest.refresh_from_db()
    assert backtest.state == RunState.DONE
