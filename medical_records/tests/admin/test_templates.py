"""Templates in the admin: who changes them, and how they are shown."""

import pytest
from django.urls import reverse

from medical_records.factories import MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecordTemplate

from .pages import change_url, delete_url, list_url

pytestmark = pytest.mark.django_db


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


def test_who_moves_templates_to_the_trash_reads_that_their_records_stay(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic)
    assert "Its records stay as they are." in client.get(delete_url(template)).content.decode()
    chosen = {"action": "move_to_trash", "_selected_action": template.pk}
    asked = client.post(list_url("medicalrecordtemplate"), chosen)
    assert "Their records stay as they are." in asked.content.decode()


def test_a_practitioner_only_reads_templates(client, staff_member):
    template = MedicalRecordTemplateFactory(clinic=staff_member.clinic)
    assert client.get(change_url(template)).status_code == 200
    assert client.post(change_url(template), {"name": "x", "version": 1}).status_code == 403
    assert client.post(delete_url(template), {"post": "yes"}).status_code == 403


def test_the_units_and_limits_of_numbers_are_shown_to_who_reads_them(client, staff_member):
    fields = [make_field("Weight", "number", unit="kg", min=0.5)]
    page = client.get(
        change_url(MedicalRecordTemplateFactory(clinic=staff_member.clinic, fields=fields))
    ).content.decode()
    assert "at least 0.5 kg" in page


def test_a_reader_sees_the_names_of_types_that_the_question_editor_shows(client, staff_member):
    fields = [make_field("Side", "dropdown", options=["Left"]), {**make_field("Seal"), "type": "wax"}]
    template = MedicalRecordTemplateFactory(clinic=staff_member.clinic, fields=fields)
    page = client.get(change_url(template)).content.decode()
    assert "<td>One option, from a list</td>" in page
    assert "<td>wax</td>" in page


@pytest.mark.parametrize("broken", [{}, "text", 7, {"a": 1}, [1, {"label": None, "order": "x"}]])
def test_a_template_whose_fields_are_malformed_is_shown_as_it_is(broken, client, superuser):
    template = MedicalRecordTemplateFactory(fields=broken)
    assert client.get(list_url("medicalrecordtemplate")).status_code == 200
    assert client.get(change_url(template)).status_code == 200


def copy_url(template) -> str:
    return reverse("admin:medical_records_medicalrecordtemplate_copy", args=[template.pk])


def test_an_administrator_copies_a_template(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic)
    assert copy_url(template) in client.get(change_url(template)).content.decode()
    assert client.get(copy_url(template)).context["form"].initial == {"name": f"{template.name} (copy)"}
    response = client.post(copy_url(template), {"name": "For children"})
    copied = MedicalRecordTemplate.objects.get(name="For children")
    assert response["Location"] == change_url(copied)
    assert (copied.clinic, copied.created_by_user) == (clinic_admin.clinic, clinic_admin.user)
    assert len(copied.fields) == len(template.fields)


def test_a_name_that_has_no_room_for_more_is_proposed_as_it_is(client, clinic_admin):
    for length, proposed in ((248, f"{'x' * 248} (copy)"), (249, "x" * 249)):
        template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic, name="x" * length)
        assert client.get(copy_url(template)).context["form"].initial == {"name": proposed}


def test_a_copy_without_a_name_is_refused(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic)
    assert "This field is required" in client.post(copy_url(template), {"name": " "}).content.decode()
    assert MedicalRecordTemplate.objects.count() == 1


def test_a_template_in_the_trash_is_not_copied(client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic, in_trash=True)
    assert copy_url(template) not in client.get(change_url(template)).content.decode()
    assert client.post(copy_url(template), {"name": "x"})["Location"] == change_url(template)
    assert MedicalRecordTemplate.objects.count() == 1


def test_a_practitioner_copies_no_template(client, staff_member):
    template = MedicalRecordTemplateFactory(clinic=staff_member.clinic)
    assert copy_url(template) not in client.get(change_url(template)).content.decode()
    assert client.post(copy_url(template), {"name": "x"}).status_code == 403
