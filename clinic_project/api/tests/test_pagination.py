"""Pages of lists: cursors that neither repeat nor leave out a row, counts that cost no more than they are worth."""

import base64
import datetime as dt
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinic_project.api import counting
from clinic_project.api.cursors import Edge
from clinic_project.api.pagination import SequenceListing
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.tests.clients import client_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
from medical_records.models import MedicalRecord

RECORDS = "/api/clinic/medical-records"
TEMPLATES = "/api/clinic/medical-record-templates"
START = timezone.now()


@pytest.fixture
def template(clinic):
    return MedicalRecordTemplateFactory(clinic=clinic)


@pytest.fixture
def patient(clinic):
    return PatientFactory(clinic=clinic)


@pytest.fixture
def make(template, patient):
    """Make records, the oldest first, a minute apart; return their ids, the newest first."""

    def make(count, start=START):
        made = [
            MedicalRecordFactory(patient=patient, template=template, created_at=start + dt.timedelta(minutes=number))
            for number in range(count)
        ]
        return [record.pk for record in reversed(made)]

    return make


def ids(page):
    return [row["id"] for row in page["results"]]


def walk(api, url, direction="next"):
    """Yield each page from `url` on, following its links."""
    while url:
        response = api.get(url)
        assert response.status_code == 200, response.content
        yield response.json()
        url = response.json()[direction]


def test_following_next_shows_every_row_once_and_previous_leads_back(api, make):
    made = make(7)
    there = list(walk(api, f"{RECORDS}?page_size=3"))
    assert [ids(page) for page in there] == [made[:3], made[3:6], made[6:]]
    assert {page["count"] for page in there} == {7}
    # Back again, the pages are the same.
    assert list(walk(api, there[1]["next"], "previous")) == there[::-1]


def test_rows_that_are_added_meanwhile_are_neither_repeated_nor_pushed_out(api, make):
    made = make(4)
    first = api.get(RECORDS, {"page_size": 2}).json()
    newer = make(3, START + dt.timedelta(days=1))
    second = api.get(first["next"]).json()
    assert ids(second) == made[2:]
    assert second["count"] == 7
    # What was added is found on the way back.
    before = [pk for page in walk(api, second["previous"], "previous") for pk in reversed(ids(page))]
    assert before == [*reversed(made[:2]), *reversed(newer)]


def test_rows_of_one_instant_are_told_apart_by_their_ids(api, patient, template):
    now = timezone.now()
    made = MedicalRecordFactory.create_batch(7, patient=patient, template=template, created_at=now)
    pages = [ids(page) for page in walk(api, f"{RECORDS}?page_size=2")]
    assert [pk for page in pages for pk in page] == sorted((record.pk for record in made), reverse=True)


def test_a_list_by_name_is_paged_in_the_order_of_the_database(api, clinic):
    for name in ("Ärztin", "arm", "Arm", "zeh", "Arm", "éclair", "it's", 'q"uote', "%", "back\\slash"):
        MedicalRecordTemplateFactory(clinic=clinic, name=name)
    whole = ids(api.get(TEMPLATES).json())
    assert [pk for page in walk(api, f"{TEMPLATES}?page_size=3") for pk in ids(page)] == whole


def test_a_cursor_keeps_the_filters(api, make, clinic):
    made = make(3)
    MedicalRecordFactory(patient__clinic=clinic)
    template = MedicalRecord.objects.get(pk=made[0]).template_id
    pages = walk(api, f"{RECORDS}?page_size=2&template_id={template}")
    assert [ids(page) for page in pages] == [made[:2], made[2:]]


def test_a_page_whose_rows_have_gone_is_empty_and_counts_the_others(api, make):
    made = make(4)
    first = api.get(RECORDS, {"page_size": 2}).json()
    MedicalRecord.objects.filter(pk__in=made[2:]).update(is_deleted=True)
    second = api.get(first["next"]).json()
    assert (second["results"], second["count"], second["next"]) == ([], 2, None)


def test_the_first_pages_are_found_by_number_too_and_lead_on_by_cursors(api, make):
    made = make(6)
    second = api.get(RECORDS, {"page": 2, "page_size": 2}).json()
    assert ids(second) == made[2:4]
    assert ids(api.get(second["next"]).json()) == made[4:]
    assert ids(api.get(second["previous"]).json()) == made[:2]
    assert "page=" not in second["next"]
    assert api.get(RECORDS, {"page": 4, "page_size": 2}).status_code == 404


@pytest.mark.parametrize(("page", "status"), [(200, 404), (201, 400), (10**18, 400)])
def test_a_number_leads_to_the_first_ten_thousand_rows_only(api, page, status):
    response = api.get(RECORDS, {"page": page})
    assert response.status_code == status
    if status == 400:
        assert response.json()["type"] == "/problems/page-too-deep"
        assert list(response.json()["errors"]) == ["page"]


@pytest.mark.parametrize("cursor", ["", "x", "a:b", "WzFd:x", "é", "\0", "." * 5000])
def test_a_cursor_that_nobody_gave_is_400(api, cursor):
    response = api.get(RECORDS, {"cursor": cursor})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["cursor"]


def test_a_cursor_is_for_its_own_list_and_for_no_number(api, make, clinic):
    make(2)
    MedicalRecordTemplateFactory.create_batch(2, clinic=clinic)
    of_templates = api.get(TEMPLATES, {"page_size": 1}).json()["next"].split("?")[1]
    assert api.get(f"{RECORDS}?{of_templates}").status_code == 400
    of_records = api.get(RECORDS, {"page_size": 1}).json()["next"]
    assert list(api.get(f"{of_records}&page=2").json()["errors"]) == ["cursor"]


def test_a_cursor_shows_nothing_of_another_clinic(api, make):
    make(2)
    mine = api.get(RECORDS, {"page_size": 1}).json()["next"]
    other = MedicalRecordFactory(created_at=START - dt.timedelta(days=1))
    assert other.pk not in [pk for page in walk(api, mine) for pk in ids(page)]


# Lists that are ordered by names


PATIENTS = "/api/clinic/patients"
LONGEST_REQUEST_LINE = 4094  # gunicorn's default, --limit-request-line


def named(clinic, *names):
    return [PatientFactory(clinic=clinic, full_name=name) for name in names]


@pytest.mark.parametrize("url", [PATIENTS, TEMPLATES])
def test_a_cursor_has_no_name_in_it(api, clinic, url):
    named(clinic, "Ada Example", "Bea Example")
    for name in ("Ada Example", "Bea Example"):
        MedicalRecordTemplateFactory(clinic=clinic, name=name)
    first = api.get(url, {"page_size": 1}).json()
    for link in (first["next"], api.get(first["next"]).json()["previous"]):
        cursor = parse_qs(urlsplit(link).query)["cursor"][0]
        assert b"Example" not in base64.urlsafe_b64decode(f"{cursor.partition(':')[0]}==")
        assert len(cursor) < 200


def test_the_longest_names_make_links_that_a_server_takes(api, clinic):
    named(clinic, *(chr(0x1F600 + number) * 255 for number in range(3)))
    pages = list(walk(api, f"{PATIENTS}?page_size=1&search={quote(chr(0x1F601) * 200)}"))
    assert [page["count"] for page in pages] == [1]
    link = api.get(PATIENTS, {"page_size": 1}).json()["next"]
    assert len(f"GET {link} HTTP/1.1") < LONGEST_REQUEST_LINE


def test_a_cursor_of_another_clinic_is_refused_whose_place_would_tell_a_name(api, clinic):
    other = MembershipFactory()
    named(other.clinic, "Bea", "Dora")
    named(clinic, "Ada", "Cora")
    theirs = client_of(other).get(PATIENTS, {"page_size": 1}).json()["next"]
    assert client_of(other).get(theirs).status_code == 200
    assert list(api.get(theirs).json()["errors"]) == ["cursor"]


def test_a_page_begins_beyond_the_row_before_one_that_was_renamed(api, clinic):
    *_, cora, dora = named(clinic, "Ada", "Bea", "Cora", "Dora")
    following = api.get(PATIENTS, {"page_size": 3}).json()["next"]
    Patient.objects.filter(pk=cora.pk).update(full_name="Zoe")
    assert ids(api.get(following).json()) == [dora.pk, cora.pk]
    Patient.objects.filter(pk=cora.pk).delete()
    assert ids(api.get(following).json()) == [dora.pk]


def test_a_page_whose_rows_were_all_renamed_says_so(api, clinic):
    named(clinic, "Ada", "Bea")
    following = api.get(PATIENTS, {"page_size": 1}).json()["next"]
    Patient.objects.filter(full_name="Ada").update(full_name="Zoe")
    response = api.get(following)
    assert response.status_code == 400
    assert response.json()["errors"] == {
        "cursor": ["The rows at which this page begins were renamed or removed. Begin again, without a cursor."]
    }


def test_a_cursor_outlives_a_secret_key_that_still_counts(api, clinic, settings):
    _, bea = named(clinic, "Ada", "Bea")
    following = api.get(PATIENTS, {"page_size": 1}).json()["next"]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert ids(api.get(following).json()) == [bea.pk]


# How many


def test_up_to_the_limit_rows_are_counted_and_beyond_it_estimated(api, make, monkeypatch):
    monkeypatch.setattr(counting, "EXACT_COUNT_LIMIT", 5)
    make(5)
    page = api.get(RECORDS, {"page_size": 2}).json()
    assert (page["count"], page["count_estimate"]) == (5, None)
    make(20)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE medical_records")
    for page in walk(api, f"{RECORDS}?page_size=2"):
        assert page["count"] is None
        assert 6 <= page["count_estimate"] <= 30


def test_every_page_takes_the_same_queries_and_beyond_the_limit_one_more(api, make, monkeypatch):
    make(12)
    url = f"{RECORDS}?page_size=3"
    for expected in (3, 4):  # the token with the memberships, the rows with their number, who looked; the estimate
        page = url
        while page:
            with CaptureQueriesContext(connection) as queries:
                page = api.get(page).json()["next"]
            assert len(queries) == expected
        monkeypatch.setattr(counting, "EXACT_COUNT_LIMIT", 5)


def test_a_page_starts_from_its_cursor_and_skips_no_rows(api, make):
    make(6)
    page = api.get(RECORDS, {"page_size": 2}).json()["next"]
    with CaptureQueriesContext(connection) as queries:
        api.get(page)
    _, sql, _ = (query["sql"] for query in queries)
    assert "OFFSET" not in sql
    assert 'ROW("medical_records"."created_at", "medical_records"."id") < ROW(' in sql


def test_of_what_has_been_found_only_the_rows_of_the_page_are_made():
    made = []

    def row_of(sequence):
        made.append(sequence)
        return {"sequence": sequence}

    def sequences(edge, start=0, stop=3):
        return [row["sequence"] for row in listing.read(edge, lambda rows: rows, start, stop)]

    listing = SequenceListing(found=range(10_000, 0, -1), row_of=row_of)
    assert sequences(None) == [10_000, 9_999, 9_998]
    assert sequences(None, 50, 52) == [9_950, 9_949]
    assert sequences(Edge([9_999], backwards=False)) == [9_998, 9_997, 9_996]
    assert sequences(Edge([3], backwards=False)) == [2, 1]
    assert sequences(Edge([1], backwards=False)) == []
    assert sequences(Edge([9_997], backwards=True)) == [9_998, 9_999, 10_000]
    assert sequences(Edge([10_000], backwards=True)) == []
    assert len(made) == 3 + 2 + 3 + 2 + 3
    # What the edge names isn't there any more, with what came after it.
    assert sequences(Edge([10_005], backwards=False)) == [10_000, 9_999, 9_998]
    assert sequences(Edge([10_005], backwards=True)) == []
