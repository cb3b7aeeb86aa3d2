"""The test database itself: if it lies, every other test may."""

import threading

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections


@pytest.mark.django_db
def test_the_code_under_test_is_not_the_owner():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, (SELECT tableowner FROM pg_tables WHERE tablename = 'auth_user')")
        user, owner = cursor.fetchone()
    assert user != owner


@pytest.mark.django_db
def test_the_application_role_may_make_no_table():
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_schema_privilege(current_user, 'public', 'CREATE')")
        assert cursor.fetchone() == (False,)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_transactional_test_leaves_nothing_behind_and_keeps_what_migrations_made(turn):
    assert User.objects.count() == 0
    assert ContentType.objects.count() > 10

    def make():
        User.objects.create_user("ana")
        connections.close_all()

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert User.objects.count() == 1
