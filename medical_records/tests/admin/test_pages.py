"""What the admin's pages of templates, records and photos have in common: who sees what, the trash, queries."""

import pytest
from django.db import connection
from django.urls import reverse

from clinic_project.clinics.factories import UserFactory
from clinic_project.clinics.tests.admin_site import rows_of
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory

from .pages import change_url, delete_url, in_trash, list_url, restore_url

pytestmark = pytest.mark.django_db

MODELS = ["medicalrecordtemplate", "medicalrecord", "patientphoto"]
FACTORIES = {
    "medicalrecordtemplate": MedicalRecordTemplateFactory,
    "medicalrecord": MedicalRecordFactory,
    "patientphoto": PatientPhotoFactory,
}


def make_rows(model: str, count: int, clinic) -> None:
    """Make rows whose patients, templates and authors are all different ones."""
    for _ in range(count):
        author = UserFactory()
        if model == "medicalrecordtemplate":
            MedicalRecordTemplateFactory(clinic=clinic, created_by_user=author)
            continue
        record = MedicalRecordFactory(patient__clinic=clinic, created_by_user=author)
        if model == "patientphoto":
            PatientPhotoFactory(patient=record.patient, medical_record=record, uploaded_by_user=author)


@pytest.mark.parametrize("model", MODELS)
def test_a_list_of_fifty_costs_as_many_queries_as_a_list_of_one(
    model, client, staff_member, django_assert_num_queries, django_assert_max_num_queries
):
    make_rows(model, 1, staff_member.clinic)
    with django_assert_max_num_queries(12) as one:
        assert len(rows_of(client.get(list_url(model)))) == 1
    make_rows(model, 49, staff_member.clinic)
    with django_assert_num_queries(len(one.captured_queries)):
        assert len(rows_of(client.get(list_url(model)))) == 50


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_the_rows_of_their_clinics_alone(model, client, staff_member):
    make_rows(model, 2, staff_member.clinic)
    other = FACTORIES[model]()
    rows = rows_of(client.get(list_url(model)))
    assert {row.clinic for row in rows} == {staff_member.clinic}
    assert client.get(change_url(rows[0])).status_code == 200
    response = client.get(change_url(other), follow=True)
    assert response.redirect_chain[0][0] == reverse("admin:index")
    assert "Perhaps it was deleted" in response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_membership_that_is_over_shows_nothing(model, client, staff_member):
    FACTORIES[model](clinic=staff_member.clinic) if model == "medicalrecordtemplate" else make_rows(
        model, 1, staff_member.clinic
    )
    staff_member.is_active = False
    staff_member.save()
    assert rows_of(client.get(list_url(model))) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_superuser_sees_every_clinic(model, client, superuser):
    FACTORIES[model].create_batch(3)
    assert len(rows_of(client.get(list_url(model)))) == 3


@pytest.mark.parametrize("model", MODELS)
def test_deleting_moves_to_the_trash(model, client, superuser):
    obj = FACTORIES[model]()
    assert "to the trash" in client.get(delete_url(obj)).content.decode()
    response = client.post(delete_url(obj), {"post": "yes"}, follow=True)
    assert "was moved to the" in response.content.decode()
    obj.refresh_from_db()
    assert obj.is_deleted
    assert obj.deleted_at is not None


@pytest.mark.parametrize("model", MODELS)
def test_what_is_in_the_trash_is_listed_there_and_restored_by_a_button(model, client, superuser):
    obj = FACTORIES[model](in_trash=True)
    assert rows_of(client.get(list_url(model))) == []
    assert rows_of(client.get(list_url(model), {"trash": "only"})) == [obj]
    assert restore_url(obj) in client.get(change_url(obj)).content.decode()
    client.post(restore_url(obj))
    obj.refresh_from_db()
    assert not obj.is_deleted
    assert obj.deleted_at is None


@pytest.mark.parametrize("model", MODELS)
def test_actions_move_to_the_trash_and_back(model, client, superuser):
    objects = FACTORIES[model].create_batch(2)
    chosen = {"_selected_action": [obj.pk for obj in objects]}
    assert client.post(list_url(model), {"action": "move_to_trash", **chosen}).status_code == 200
    assert rows_of(client.get(list_url(model), {"trash": "only"})) == []
    client.post(list_url(model), {"action": "move_to_trash", "post": "yes", **chosen})
    assert len(rows_of(client.get(list_url(model), {"trash": "only"}))) == 2
    client.post(f"{list_url(model)}?trash=only", {"action": "restore", **chosen})
    assert len(rows_of(client.get(list_url(model)))) == 2


@pytest.mark.parametrize("chosen", ["", "x", "\0", "9" * 5_000])
def test_an_action_on_what_is_no_id_is_malformed(chosen, client, superuser):
    asked = client.post(list_url("medicalrecord"), {"action": "move_to_trash", "_selected_action": ["1", chosen]})
    assert asked.status_code == 400


@pytest.mark.parametrize("model", MODELS)
def test_another_clinics_object_can_be_neither_deleted_nor_restored(model, client, clinic_admin):
    kept, trashed = FACTORIES[model](), FACTORIES[model](in_trash=True)
    client.post(delete_url(kept), {"post": "yes"})
    client.post(restore_url(trashed))
    for asked in ({}, {"post": "yes"}):
        client.post(list_url(model), {"action": "move_to_trash", "_selected_action": [kept.pk], **asked})
    assert not in_trash(kept)
    assert in_trash(trashed)


@pytest.mark.parametrize("model", MODELS)
def test_a_member_without_a_role_reads_and_changes_nothing(model, client, staff_member):
    make_rows(model, 1, staff_member.clinic)
    staff_member.roles = []
    staff_member.save()
    (row,) = rows_of(client.get(list_url(model)))
    page = client.get(change_url(row))
    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert client.post(delete_url(row), {"post": "yes"}).status_code == 403
    assert client.post(change_url(row), {"description": "x"}).status_code == 403


@pytest.mark.parametrize("query", [{"patient": "x"}, {"template": "x"}, {"clinic": "x"}, {"created_at__year": "9999"}])
def test_an_invalid_filter_leads_back_to_the_list_with_an_error(query, client, superuser):
    MedicalRecordFactory()
    response = client.get(list_url("medicalrecord"), query)
    assert response.status_code == 302
    assert response.url.endswith("?e=1")


@pytest.mark.parametrize("model", MODELS)
def test_an_unmigrated_database_is_503_with_the_command_to_run(model, client, superuser):
    table = FACTORIES[model]._meta.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO hidden")
        response = client.get(list_url(model))
    assert response.status_code == 503
    assert "manage.py migrate" in response.content.decode()


def test_another_programming_error_is_not_called_an_unmigrated_database(client, superuser, monkeypatch):
    from django.db import ProgrammingError

    from medical_records.admin.records import RecordAdmin

    def fails(*args):
        raise ProgrammingError("something else")

    monkeypatch.setattr(RecordAdmin, "get_queryset", fails)
    with pytest.raises(ProgrammingError, match="something else"):
        client.get(list_url("medicalrecord"))
