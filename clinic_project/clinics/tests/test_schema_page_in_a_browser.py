"""The admin's page "Schema" in a real browser, in both themes and on both sizes of screen."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from clinic_project.clinics.factories import UserFactory
from clinic_project.reconciliation.cached_declaration import inspect_database

from .browser import needs_chromium

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]


@pytest.fixture
def damage() -> Iterator[Callable[[str, str], None]]:
    """Runs its first statement now, and its second, which undoes that, at the end."""
    undoing: list[str] = []

    def run(statement: str, undo: str) -> None:
        undoing.append(undo)
        execute(statement)

    yield run
    for undo in reversed(undoing):
        execute(undo)
    assert inspect_database().in_sync


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def superuser(staff):
    user = UserFactory(superuser=True, email="grace@clinic.example")
    staff.come_back(user)
    staff.open("index")
    return user


#: Statements, and what undoes them: one for every status, and something for a person to decide.
MANY_DAMAGES = [
    (
        "DROP INDEX idx_patients_clinic_phone",
        "CREATE INDEX idx_patients_clinic_phone ON patients (clinic_id, phone_number)",
    ),
    (
        "CREATE INDEX reconcile_old_0123456789abcdef ON patients (full_name)",
        "DROP INDEX reconcile_old_0123456789abcdef",
    ),
    ("ALTER TABLE patients ADD COLUMN nickname text NOT NULL", "ALTER TABLE patients DROP COLUMN nickname"),
    (
        "ALTER TABLE patients ALTER gender SET DEFAULT 'unknown', ALTER gender SET NOT NULL",
        "ALTER TABLE patients ALTER gender DROP DEFAULT, ALTER gender DROP NOT NULL",
    ),
    (
        "ALTER TABLE calendar_events ALTER event_type TYPE text",
        "ALTER TABLE calendar_events ALTER event_type TYPE varchar(50)",
    ),
    (
        "ALTER INDEX idx_calendar_events_clinic_date_type RENAME TO events_by_date",
        "ALTER INDEX events_by_date RENAME TO idx_calendar_events_clinic_date_type",
    ),
]


def statuses(staff) -> dict[str, str]:
    """What the page says of each column, index and constraint, by name."""
    names, found = staff.texts(".schema-object th"), staff.texts(".schema-object .schema-status")
    return dict(zip(names, found, strict=True))


def test_from_the_index_to_a_schema_as_declared(staff, superuser):
    staff.shoot("index")
    staff.click(".app-reconciliation .viewlink")
    assert "The schema is as declared" in staff.find(".schema-summary").text
    assert set(statuses(staff).values()) == {"as declared"}
    assert staff.sees_the_whole_width()
    staff.shoot("schema-as-declared")


def test_what_differs_is_shown_and_what_would_be_done_as_sql(staff, superuser, damage):
    for statement, undo in MANY_DAMAGES:
        damage(statement, undo)
    staff.open("schema")
    staff.shoot("schema-broken")
    assert "differences in 2 of" in staff.find(".schema-summary").text
    found = statuses(staff)
    assert found["idx_patients_clinic_phone"] == "missing"
    assert found["reconcile_old_0123456789abcdef"] == "left over"
    assert found["nickname"] == "not declared"
    assert found["event_type"] == found["gender"] == "different"
    assert "CREATE INDEX CONCURRENTLY" in " ".join(staff.texts(".schema-plan pre"))
    assert staff.sees_the_whole_width()


def test_a_table_is_one_click_away_from_the_overview(staff, superuser):
    staff.open("schema")
    staff.find(".schema-overview tr:last-child a").click()
    where = "return [document.querySelector(':target').getBoundingClientRect().top, innerHeight]"
    top, height = staff.driver.execute_script(where)
    assert 0 <= top < height
