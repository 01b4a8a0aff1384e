"""The admin's page "Schema": who sees it, and what it says of a database in whichever state."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test import override_settings
from django.urls import reverse
from django.utils.html import escape

from clinic_project.clinics.factories import ClinicFactory, UserFactory
from clinic_project.reconciliation import cached_declaration
from clinic_project.reconciliation.admin import site
from clinic_project.reconciliation.planning.repairs import violations

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")
PAGE = reverse("admin:schema")

#: At most. All tables are asked about at once: what is there, and the history; rows, where they decide; and what an
#: index with a condition that is missing would be in a restored dump. One is for the name of who looks at it.
QUERIES = 81


@pytest.fixture
def superuser(client):
    user = UserFactory(superuser=True)
    client.force_login(user)
    return user


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def shown(response, table: str, name: str):
    """What the page shows of that column, index or constraint."""
    (found,) = (t for t in response.context["tables"] if t.name == table)
    (status,) = (item for part in found.parts for item in part.objects if item.name == name)
    return status


# Who sees it


def test_superusers_find_it_on_the_index_and_in_the_sidebar(client, superuser):
    assert f'href="{PAGE}"' in client.get(INDEX).content.decode()
    page = client.get(PAGE)
    assert page.status_code == 200
    assert f'<a href="{PAGE}" aria-current="page">Schema</a>' in page.content.decode()


def test_other_staff_neither_see_the_link_nor_the_page(client):
    client.force_login(UserFactory(staff=True))
    assert PAGE not in client.get(INDEX).content.decode()
    assert client.get(PAGE).status_code == 403


def test_who_is_not_logged_in_is_asked_to(client):
    assert client.get(PAGE).headers["Location"] == f"{reverse('admin:login')}?next={PAGE}"


def test_an_app_s_own_index_lists_that_app_alone(client, superuser):
    page = client.get(reverse("admin:app_list", args=["clinics"]))
    assert [app["app_label"] for app in page.context["app_list"]] == ["clinics"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_can_only_be_read(client, superuser, method):
    response = getattr(client, method)(PAGE)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


# What it says


def test_a_schema_as_declared_is_said_to_be_so(client, superuser):
    page = client.get(PAGE)
    count = len(page.context["tables"])
    assert f"The schema is as declared: {count} tables." in page.content.decode()
    statuses = {item.status for table in page.context["tables"] for part in table.parts for item in part.objects}
    assert statuses == {"as declared"}
    assert "What migrate would do" not in page.content.decode()


def test_what_is_broken_is_shown_beside_what_is_declared_and_nothing_is_repaired(client, superuser):
    run(
        "DROP INDEX idx_patients_clinic_phone",
        "ALTER TABLE patients ALTER full_name DROP NOT NULL",
        "ALTER TABLE patients ADD COLUMN nickname text",
    )
    for _ in range(2):
        page = client.get(PAGE)
        assert shown(page, "patients", "idx_patients_clinic_phone").status == "missing"
        full_name = shown(page, "patients", "full_name")
        assert (full_name.status, full_name.lines) == ("different", (("NOT NULL", "nullable"),))
        nickname = shown(page, "patients", "nickname")
        assert (nickname.status, nickname.lines) == ("not declared", (("nothing", "text"),))
        assert shown(page, "patients", "phone_number").status == "as declared"
        text = page.content.decode()
        assert f"2 differences in 1 of {len(page.context['tables'])} tables." in text
        assert escape('CREATE INDEX CONCURRENTLY "idx_patients_clinic_phone" ON "public"."patients"') in text
        assert "patients: left alone, since no model declares them: column nickname." in text


def test_what_is_ignored_is_shown_and_is_as_meant(client, superuser):
    run("DROP INDEX idx_patients_clinic_phone")
    meant = ["patients.idx_patients_clinic_phone", "patients.fullname"]
    with override_settings(RECONCILIATION={"apps": "*", "ignore": meant}):
        page = client.get(PAGE)
    assert shown(page, "patients", "idx_patients_clinic_phone").status == "ignored"
    assert next(table for table in page.context["tables"] if table.name == "patients").status == "as declared"
    text = page.content.decode()
    assert (
        f'{len(page.context["tables"])} tables, apart from what is ignored: see the <a href="#notes">notes</a>.' in text
    )
    assert "patients.idx_patients_clinic_phone: ignored, as RECONCILIATION says: expected" in text
    assert "patients.fullname: is in RECONCILIATION" in text


def test_a_missing_table_has_all_its_parts_shown_as_missing(client, superuser):
    run("DROP TABLE patient_photos")
    page = client.get(PAGE)
    (table,) = (table for table in page.context["tables"] if table.name == "patient_photos")
    assert {item.status for part in table.parts for item in part.objects} == {"missing"}
    assert "CREATE TABLE &quot;public&quot;.&quot;patient_photos&quot;" in page.content.decode()


def test_a_refusal_is_shown_as_a_decision_that_is_needed(client, superuser):
    run("ALTER TABLE calendar_events ALTER event_type TYPE integer USING 1")
    page = client.get(PAGE)
    assert shown(page, "calendar_events", "event_type").refused
    text = page.content.decode()
    assert "Decisions needed" in text
    assert "column-type" in text
    assert "One thing needs a person's decision" in text
    assert "What migrate would do" not in text


def test_what_makes_queries_fail_is_said_with_who_can_repair_it(client, superuser):
    run(
        "ALTER TABLE patients DROP COLUMN notes",
        "ALTER TABLE medical_records ADD COLUMN theirs integer NOT NULL",
    )
    text = " ".join(client.get(PAGE).content.decode().split())
    assert "patients.notes: expected" in text
    assert "found nothing. <code>python manage.py migrate</code> repairs it." in text
    assert (
        "medical_records.theirs: expected nothing, found integer NOT NULL without a default. A person must decide."
        in text
    )


def test_rows_that_would_make_a_step_fail_are_shown_as_a_decision(client, superuser):
    """As by reconcile --plan: the page, too, looks at the rows."""
    clinic = ClinicFactory()
    run(*_without_foreign_key("user_clinic_associations", "clinic_id"))
    run(
        "INSERT INTO user_clinic_associations (user_id, clinic_id, full_name)"
        f" VALUES ({superuser.pk}, {clinic.pk + 1000}, 'N')"
    )
    page = client.get(PAGE)
    (refusal,) = page.context["refusals"]
    assert refusal.code == "orphan-rows"
    assert page.context["forecast_is_complete"]


def test_looking_at_rows_ends_soon_and_the_page_says_so(client, superuser, monkeypatch):
    run(*_without_foreign_key("user_clinic_associations", "clinic_id"))
    monkeypatch.setattr(violations, "orphans", _slow_query)
    monkeypatch.setattr(site, "LOOKING_AT_ROWS", 0.05)
    page = client.get(PAGE)
    assert page.context["refusals"] == ()
    assert "would have taken too long for this page" in page.content.decode()


def _without_foreign_key(table: str, column: str) -> list[str]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    names = [name for name, it in constraints.items() if it["foreign_key"] and it["columns"] == [column]]
    return [f"ALTER TABLE {table} DROP CONSTRAINT {name}" for name in names]


def _slow_query(table, constraint):
    query = violations.check_violations(table, constraint)
    return replace(query, sql="SELECT 0, pg_sleep(10)::text")


def test_names_from_the_database_are_no_markup(client, superuser):
    run('ALTER TABLE patients ADD COLUMN "<script>alert(1)</script>" text')
    page = client.get(PAGE).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# What stands in the way


@pytest.fixture
def _new_process():
    """Nothing is known yet of what is declared."""
    cached_declaration._declared.cache_clear()


@pytest.mark.usefixtures("_new_process")
def test_a_database_that_cant_be_compared_is_503_with_the_reason(client, superuser):
    run("SET TRANSACTION READ ONLY")
    page = client.get(PAGE)
    assert page.status_code == 503
    assert "The schema can't be compared" in page.content.decode()
    assert "found read-only ones for the role" in page.content.decode()


def test_a_server_that_became_read_only_is_503_in_the_same_process(client, superuser):
    assert client.get(PAGE).status_code == 200
    run("SET TRANSACTION READ ONLY")
    assert client.get(PAGE).status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_table_that_another_session_has_locked_is_503_with_the_reason(client, superuser, settings):
    settings.RECONCILIATION = {"lock_timeout": 0.1}
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")
        page = client.get(PAGE)
    finally:
        other.close()
    assert page.status_code == 503
    assert "canceling statement due to lock timeout" in page.content.decode()
    assert "Another session has locked a table" in page.content.decode()
    assert client.get(PAGE).status_code == 200


# What it costs


def test_it_asks_the_database_a_few_times_whatever_the_state(client, superuser, django_assert_max_num_queries):
    client.get(PAGE)  # works out what is declared, once in a process
    with django_assert_max_num_queries(QUERIES):
        client.get(PAGE)
    run(
        "DROP TABLE patient_photos",
        "ALTER TABLE medical_records DROP COLUMN is_deleted",
        "ALTER TABLE calendar_events ALTER event_type TYPE integer USING 1",
    )
    with django_assert_max_num_queries(QUERIES):
        client.get(PAGE)


@pytest.mark.parametrize("damage", ["RENAME TO hidden", "RENAME full_name TO hidden"])
def test_it_is_shown_to_whom_nothing_can_be_named(damage, client, superuser):
    run(f"ALTER TABLE user_clinic_associations {damage}")
    page = client.get(PAGE)
    assert page.status_code == 200
    assert f"<strong>{superuser.email.partition('@')[0]}</strong>" in page.content.decode()
