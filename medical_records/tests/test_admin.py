"""The admin: what staff find, what it costs, and what can't be done there."""

import pytest
from django.db import connection
from django.urls import reverse

from clinic_project.clinics.factories import MembershipFactory, PatientFactory, UserFactory
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

pytestmark = pytest.mark.django_db

MODELS = ["medicalrecordtemplate", "medicalrecord", "patientphoto"]
FACTORIES = {
    "medicalrecordtemplate": MedicalRecordTemplateFactory,
    "medicalrecord": MedicalRecordFactory,
    "patientphoto": PatientPhotoFactory,
}


def list_url(model: str) -> str:
    return reverse(f"admin:medical_records_{model}_changelist")


def change_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_change", args=[obj.pk])


def delete_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_delete", args=[obj.pk])


def restore_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_restore", args=[obj.pk])


@pytest.fixture
def superuser(client):
    user = UserFactory(superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def member(client):
    """A practitioner on the staff of one clinic."""
    membership = MembershipFactory(user__staff=True)
    client.force_login(membership.user)
    return membership


@pytest.fixture
def clinic_admin(client):
    membership = MembershipFactory(user__staff=True, admin=True)
    client.force_login(membership.user)
    return membership


def in_trash(obj) -> bool:
    return type(obj)._default_manager.get(pk=obj.pk).is_deleted


def rows_of(response) -> list:
    return list(response.context["cl"].result_list)


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
    model, client, member, django_assert_num_queries, django_assert_max_num_queries
):
    make_rows(model, 1, member.clinic)
    with django_assert_max_num_queries(12) as one:
        assert len(rows_of(client.get(list_url(model)))) == 1
    make_rows(model, 49, member.clinic)
    with django_assert_num_queries(len(one.captured_queries)):
        assert len(rows_of(client.get(list_url(model)))) == 50


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_the_rows_of_their_clinics_alone(model, client, member):
    make_rows(model, 2, member.clinic)
    other = FACTORIES[model]()
    rows = rows_of(client.get(list_url(model)))
    assert {row.clinic for row in rows} == {member.clinic}
    assert client.get(change_url(rows[0])).status_code == 200
    response = client.get(change_url(other), follow=True)
    assert response.redirect_chain[0][0] == reverse("admin:index")
    assert "Perhaps it was deleted" in response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_membership_that_is_over_shows_nothing(model, client, member):
    FACTORIES[model](clinic=member.clinic) if model == "medicalrecordtemplate" else make_rows(model, 1, member.clinic)
    member.is_active = False
    member.save()
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
    client.post(list_url(model), {"action": "move_to_trash", **chosen})
    assert len(rows_of(client.get(list_url(model), {"trash": "only"}))) == 2
    client.post(f"{list_url(model)}?trash=only", {"action": "restore", **chosen})
    assert len(rows_of(client.get(list_url(model)))) == 2


@pytest.mark.parametrize("model", MODELS)
def test_another_clinics_object_can_be_neither_deleted_nor_restored(model, client, clinic_admin):
    kept, trashed = FACTORIES[model](), FACTORIES[model](in_trash=True)
    client.post(delete_url(kept), {"post": "yes"})
    client.post(restore_url(trashed))
    client.post(list_url(model), {"action": "move_to_trash", "_selected_action": [kept.pk]})
    assert not in_trash(kept)
    assert in_trash(trashed)


@pytest.mark.parametrize("model", MODELS)
def test_a_member_without_a_role_reads_and_changes_nothing(model, client, member):
    make_rows(model, 1, member.clinic)
    member.roles = []
    member.save()
    (row,) = rows_of(client.get(list_url(model)))
    page = client.get(change_url(row))
    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert client.post(delete_url(row), {"post": "yes"}).status_code == 403
    assert client.post(change_url(row), {"description": "x"}).status_code == 403


def test_deleting_a_record_takes_its_photos_and_restoring_brings_back_those_alone(client, member):
    record = MedicalRecordFactory(patient__clinic=member.clinic)
    earlier = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record)

    client.post(delete_url(record), {"post": "yes"})
    assert in_trash(photo)

    client.post(restore_url(record))
    assert not in_trash(photo)
    assert in_trash(earlier)


def test_nobody_edits_a_snapshot_an_answer_or_an_author(client, superuser):
    record = MedicalRecordFactory()
    form = client.get(change_url(record)).context["adminform"].form
    assert list(form.fields) == []
    client.post(
        change_url(record),
        {
            "template_snapshot": "{}",
            "values": "{}",
            "created_by_user": superuser.pk,
            "template_name": "x",
            "version": 7,
        },
    )
    same = MedicalRecord.objects.get(pk=record.pk)
    assert same.template_snapshot == record.template_snapshot
    assert same.values == record.values
    assert same.created_by_user is None
    assert same.template_name == record.template_name


def test_of_a_photo_only_the_description_is_edited(client, superuser):
    photo = PatientPhotoFactory()
    assert list(client.get(change_url(photo)).context["adminform"].form.fields) == ["description"]
    client.post(change_url(photo), {"description": "Left knee", "uploaded_by_user": superuser.pk, "storage_key": "x"})
    same = PatientPhoto.objects.get(pk=photo.pk)
    assert same.description == "Left knee"
    assert same.storage_key == photo.storage_key
    assert same.uploaded_by_user is None
    assert same.updated_by_user == superuser


def test_a_clinics_administrator_renames_a_template_and_its_version_grows(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic)
    client.post(change_url(template), {"name": "First visit", "description": "", "version": 1})
    same = MedicalRecordTemplate.objects.get(pk=template.pk)
    assert (same.name, same.version, same.updated_by_user) == ("First visit", 2, clinic_admin.user)
    assert same.fields == template.fields


def test_a_template_that_has_changed_meanwhile_is_not_overwritten(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic, version=4)
    page = client.post(change_url(template), {"name": "Mine", "description": "", "version": 3})
    assert "changed this template meanwhile" in page.content.decode()
    template.refresh_from_db()
    assert template.name != "Mine"
    assert template.version == 4


def test_a_practitioner_only_reads_templates(client, member):
    template = MedicalRecordTemplateFactory(clinic=member.clinic)
    assert client.get(change_url(template)).status_code == 200
    assert client.post(change_url(template), {"name": "x", "version": 1}).status_code == 403
    assert client.post(delete_url(template), {"post": "yes"}).status_code == 403


def test_a_record_is_shown_as_its_filled_in_form(client, member):
    record = MedicalRecordFactory(patient__clinic=member.clinic)
    page = client.get(change_url(record)).content.decode()
    assert "Chief complaint: nothing unusual" in page
    assert "March 14, 2026" in page
    assert "Penicillin" in page
    assert "&quot;fields&quot;" not in page


@pytest.mark.parametrize("broken", [None, [], "text", 7, {"fields": None}, {"fields": [{"options": 3}, "x"]}])
def test_a_record_whose_json_is_no_form_is_shown_as_it_is(broken, client, superuser):
    record = MedicalRecordFactory(template_snapshot=broken or {}, values=broken or {})
    assert client.get(change_url(record)).status_code == 200


@pytest.mark.parametrize("broken", [{}, "text", 7, {"a": 1}, [1, {"label": None, "order": "x"}]])
def test_a_template_whose_fields_are_no_questions_is_shown_as_it_is(broken, client, superuser):
    template = MedicalRecordTemplateFactory(fields=broken)
    assert client.get(list_url("medicalrecordtemplate")).status_code == 200
    assert client.get(change_url(template)).status_code == 200


def test_records_are_found_by_their_patients_name(client, member):
    wanted = MedicalRecordFactory(patient__clinic=member.clinic, patient__full_name="Ada Lovelace")
    MedicalRecordFactory(patient__clinic=member.clinic, patient__full_name="Charles Babbage")
    assert rows_of(client.get(list_url("medicalrecord"), {"q": "lovel"})) == [wanted]


def test_records_are_filtered_by_patient_template_clinic_and_date(client, member):
    wanted = MedicalRecordFactory(patient__clinic=member.clinic)
    MedicalRecordFactory(patient__clinic=member.clinic)
    day = wanted.created_at
    for query in (
        {"patient": wanted.patient_id},
        {"template": wanted.template_id},
        {"patient": wanted.patient_id, "created_at__year": day.year, "created_at__month": day.month},
    ):
        assert rows_of(client.get(list_url("medicalrecord"), query)) == [wanted]
    assert rows_of(client.get(list_url("medicalrecord"), {"clinic": member.clinic_id + 1})) == []
    assert rows_of(client.get(list_url("medicalrecord"), {"created_at__year": day.year - 1})) == []


@pytest.mark.parametrize("query", [{"patient": "x"}, {"template": "x"}, {"clinic": "x"}, {"created_at__year": "9999"}])
def test_a_filter_that_makes_no_sense_is_an_error_message_and_no_traceback(query, client, superuser):
    MedicalRecordFactory()
    response = client.get(list_url("medicalrecord"), query)
    assert response.status_code == 302
    assert response.url.endswith("?e=1")


def test_photos_are_filtered_by_their_place(client, superuser):
    record = MedicalRecordFactory()
    linked = PatientPhotoFactory(patient=record.patient, medical_record=record)
    in_gallery = PatientPhotoFactory()
    pending = PatientPhotoFactory(pending=True)
    found = {place: rows_of(client.get(list_url("patientphoto"), {"place": place})) for place in ("record", "gallery")}
    assert found == {"record": [linked], "gallery": [in_gallery]}
    assert rows_of(client.get(list_url("patientphoto"), {"place": "pending"})) == [pending]


@pytest.mark.parametrize("model", MODELS)
def test_an_unmigrated_database_is_said_to_be_so(model, client, superuser):
    table = FACTORIES[model]._meta.model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO hidden")
        response = client.get(list_url(model))
    assert response.status_code == 503
    assert "manage.py migrate" in response.content.decode()


def test_another_programming_error_is_not_called_an_unmigrated_database(client, superuser, monkeypatch):
    from django.db import ProgrammingError

    from medical_records.admin import RecordAdmin

    def fails(*args):
        raise ProgrammingError("something else")

    monkeypatch.setattr(RecordAdmin, "get_queryset", fails)
    with pytest.raises(ProgrammingError, match="something else"):
        client.get(list_url("medicalrecord"))


def test_a_patient_is_trashed_and_not_deleted(client, member):
    patient = PatientFactory(clinic=member.clinic)
    MedicalRecordFactory(patient=patient)
    client.post(reverse("admin:clinics_patient_delete", args=[patient.pk]), {"post": "yes"})
    assert in_trash(patient)
