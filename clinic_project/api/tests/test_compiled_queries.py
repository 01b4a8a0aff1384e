"""Compiled queries: what they give is what Django gives, whoever asks, and they keep nothing of whoever asked first."""

import pytest
from django.db import connection
from django.db.models import DateTimeField
from django.urls import path
from django.utils import timezone

from clinic_project.api import compiled_queries, pagination
from clinic_project.api.compiled_queries import Instances, fetch, insert, update
from clinic_project.clinics.api import authentication, viewsets
from clinic_project.clinics.api.patients import PatientViewSet
from clinic_project.clinics.factories import AppointmentFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Membership, Patient
from clinic_project.clinics.tests.clients import client_of
from medical_records.api import serializers
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord

API = "/api/clinic"


@pytest.fixture
def compared(monkeypatch):
    """Let Django read, too, whatever a compiled query reads; return the recipes that were compared."""
    recipes = []

    def fetch_twice(recipe, *shape, **values):
        found = fetch(recipe, *shape, **values)
        assert found == list(recipe(*shape, **values))
        recipes.append(recipe)
        return found

    for module in (pagination, viewsets, authentication, serializers):
        monkeypatch.setattr(module, "fetch", fetch_twice)
    return recipes


@pytest.fixture
def records(clinic):
    """Four records of one patient; one has a photo, one is in the trash."""
    patient = PatientFactory(clinic=clinic)
    appointment = AppointmentFactory(patient=patient)
    made = MedicalRecordFactory.create_batch(3, patient=patient, appointment=appointment)
    made.append(MedicalRecordFactory(patient=patient, in_trash=True))
    PatientPhotoFactory(patient=patient, medical_record=made[0])
    return made


def follow(api, url, direction="next"):
    while url:
        page = api.get(url).json()
        assert page["results"] or page["count"] == 0
        last, url = url, page[direction]
    return last


def test_every_read_is_what_django_reads(api, records, compared):
    record, patient = records[0], records[0].patient_id
    lists = [
        *("medical-record-templates", "medical-records", "patients", "appointments"),
        f"patients/{patient}/medical-records",
        f"medical-records?patient_id={patient}&template_id={record.template_id}",
        f"medical-records?appointment={record.appointment_id}&status=all",
        "medical-records?status=deleted",
        f"patient-photos?patient_id={patient}&unlinked=false",
        f"patient-photos?patient={patient}&record={record.pk}",
    ]
    for url in lists:
        first = f"{API}/{url}{'&' if '?' in url else '?'}page_size=1"
        follow(api, follow(api, first), "previous")
        api.get(first, headers={"If-None-Match": api.get(first)["ETag"]})
    for url in (*(f"medical-records/{one.pk}" for one in records), f"patients/{patient}"):
        api.get(f"{API}/{url}", headers={"If-None-Match": api.get(f"{API}/{url}")["ETag"]})
    assert {recipe.__name__ for recipe in compared} == {"_valid_token", "_page", "_one", "_of_clinic", "_read_in_use"}


def test_a_filter_that_isnt_an_id_or_a_choice_is_left_to_django(api, records, compared):
    for query in (
        "created_after=2020-01-01T00:00:00Z",
        f"updated_since=2020-01-01T00:00:00Z&patient_id={records[0].patient_id}",
    ):
        compared.clear()
        assert api.get(f"{API}/medical-records?{query}").json()["count"] >= 3
        assert [recipe.__name__ for recipe in compared] == ["_valid_token"]


def test_each_asks_with_their_own_values(records):
    others = client_of(MembershipFactory(admin=True))
    mine = client_of(Membership.objects.get(clinic=records[0].clinic_id))
    for _ in range(2):
        assert mine.get(f"{API}/medical-records").json()["count"] == 3
        assert others.get(f"{API}/medical-records").json()["count"] == 0
        assert mine.get(f"{API}/medical-records/{records[1].pk}").json()["id"] == records[1].pk
        assert others.get(f"{API}/medical-records/{records[1].pk}").status_code == 404


class NamedAsAsked(PatientViewSet):
    """An app's own view, which looks at the request."""

    def get_queryset(self):
        return super().get_queryset().filter(full_name=self.request.headers["X-Name"])


class WithOwnView:
    urlpatterns = [
        path("named", NamedAsAsked.as_view({"get": "list"})),
        path("named/<int:pk>", NamedAsAsked.as_view({"get": "retrieve"})),
    ]


def test_what_a_view_says_of_its_rows_with_the_request_at_hand_counts(api, clinic, settings):
    settings.ROOT_URLCONF = WithOwnView
    ada, ben = (PatientFactory(clinic=clinic, full_name=name) for name in ("Ada", "Ben"))
    for name, patient, other in (("Ada", ada, ben), ("Ben", ben, ada)):
        listed = api.get("/named", headers={"X-Name": name}).json()["results"]
        assert [row["id"] for row in listed] == [patient.pk]
        assert api.get(f"/named/{patient.pk}", headers={"X-Name": name}).status_code == 200
        assert api.get(f"/named/{other.pk}", headers={"X-Name": name}).status_code == 404


# By themselves


def named(words, *, clinic, names):
    patients = Patient.objects.filter(clinic=clinic, full_name__in=[*names.values()])
    return patients.order_by("-id").values(*words)


def test_the_shape_makes_other_sql_and_values_dont(clinic):
    for name in ("Ada", "Ben", "Cem"):
        PatientFactory(clinic=clinic, full_name=name)
    for words in (("id",), ("full_name", "birthday", "created_at")):
        for names in ({0: "Ada"}, {0: "Ben"}, {0: "Cem", 1: "Ada"}):
            values = {"clinic": clinic.pk, "names": names}
            found = fetch(named, words, **values)
            assert found == list(named(words, **values))
            assert len(found) == len(names)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_lost_is_opened_again():
    assert fetch(named, ("id",), clinic=1, names={0: "Ada"}) == []
    connection.close()
    assert fetch(named, ("id",), clinic=1, names={0: "Ada"}) == []


class ToReplica:
    def db_for_read(self, model, **hints):
        return "replica"


def test_each_query_goes_where_it_is_routed(clinic, settings, monkeypatch):
    values = {"clinic": clinic.pk, "names": {0: "Ada"}}
    assert fetch(named, ("id",), **values) == []
    asked = []
    monkeypatch.setattr(compiled_queries, "connections", {"replica": connection, "default": None})
    monkeypatch.setattr(compiled_queries, "_selection", lambda *key: asked.append(key[-1]) or Nothing())
    settings.DATABASE_ROUTERS = [ToReplica()]
    fetch(named, ("id",), **values)
    assert asked == ["replica"]


class Nothing:
    def fetch(self, values):
        return []


def test_what_is_kept_is_bounded():
    for kept in (compiled_queries._pattern, compiled_queries._selection, compiled_queries._updating):
        assert kept.cache_info().maxsize == compiled_queries.MAX_KEPT


def memberships(*, user):
    read = Instances({"": Membership, "clinic__": Membership.clinic.field.related_model})
    return Membership.objects.filter(user=user).values_list(*read.columns)


def test_instances_are_read_as_django_reads_them(member):
    read = Instances({"": Membership, "clinic__": type(member.clinic)})
    [row] = fetch(memberships, user=member.user_id)
    found, clinic = read.of(row)
    assert (found, clinic) == (member, member.clinic)
    assert found.roles == member.roles
    assert found._state.db == "default"
    assert not found._state.adding


def test_a_deferred_field_is_read_when_it_is_asked_for(member, django_assert_num_queries):
    read = Instances({"": Membership}, deferred=DateTimeField)
    assert "created_at" not in read.columns
    [found] = read.of([getattr(member, name) for name in read.columns])
    assert found.get_deferred_fields() == {"created_at", "updated_at"}
    with django_assert_num_queries(1):
        assert found.created_at is not None


def renamed(*, pk, name):
    return Patient.objects.filter(pk=pk), {"full_name": name}


def test_an_update_says_how_many_rows_it_has_changed(clinic):
    ada, ben = PatientFactory.create_batch(2, clinic=clinic)
    assert update(renamed, pk=ada.pk, name="Ada") == 1
    assert update(renamed, pk=0, name="Nobody") == 0
    ada.refresh_from_db()
    ben.refresh_from_db()
    assert (ada.full_name, ben.full_name == "Ada") == ("Ada", False)


def test_a_row_is_inserted_as_django_inserts_it(records):
    [made, *_] = records
    columns = {
        field.attname: getattr(made, field.attname)
        for field in made._meta.concrete_fields
        if field.attname not in {"id", "version", "is_deleted"}
    }
    columns |= {"created_at": timezone.now(), "values": {"a": [1, "é", None, {"b": 2.5}]}, "appointment_id": None}
    by_us, by_django = MedicalRecord(**columns), MedicalRecord(**columns)
    assert insert(by_us)
    by_django.save(force_insert=True)
    assert not by_us._state.adding
    first, second = (MedicalRecord.objects.filter(pk=one.pk).values().get() for one in (by_us, by_django))
    assert first.pop("id") == second.pop("id") - 1
    assert first == second
