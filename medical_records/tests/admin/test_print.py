"""The page of a record that is printed: who gets it, and what it costs."""

import pytest
from django.urls import reverse

from clinic_project.clinics.factories import MembershipFactory, UserFactory
from clinic_project.clinics.models import Membership
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory

from .pages import change_url, file_url, html_of, sign

pytestmark = pytest.mark.django_db


def print_url(record):
    return reverse("admin:medical_records_medicalrecord_print", args=[record.pk])


def test_it_is_linked_from_the_records_page_and_shows_form_and_photos(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, created_by_user=staff_member.user)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, description="Left arm")
    in_trash = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    assert f'href="{print_url(record)}"' in html_of(client.get(change_url(record)))
    page = html_of(client.get(print_url(record)))
    assert "Chief complaint: nothing unusual" in page
    assert f"by {staff_member.full_name}" in page
    assert f'src="{file_url(photo)}"' in page
    assert file_url(in_trash) not in page
    assert f'href="{change_url(record)}"' in page
    assert "<script" not in page


def test_a_record_in_the_trash_is_printed_with_the_photos_that_are_there(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, in_trash=True)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, in_trash=True)
    page = html_of(client.get(print_url(record)))
    assert "In the trash since" in page
    assert file_url(photo) in page


def test_a_caption_that_was_changed_after_the_signature_says_so(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic)
    photo = PatientPhotoFactory(patient=record.patient, medical_record=record, description="Left arm")
    said = "the caption was changed after the record was signed"
    client.post(change_url(photo), {"description": "Right arm"})
    sign(client, record)
    assert said not in html_of(client.get(print_url(record)))
    client.post(change_url(photo), {"description": "Left arm"})
    page = html_of(client.get(print_url(record)))
    assert said in page
    assert page.index("Left arm") < page.index(said)


def test_members_without_a_role_read_it_too(client):
    membership = MembershipFactory(user__staff=True, roles=[])
    client.force_login(membership.user)
    assert client.get(print_url(MedicalRecordFactory(patient__clinic=membership.clinic))).status_code == 200


def test_nobody_else_gets_it(client, staff_member):
    theirs, ours = MedicalRecordFactory(), MedicalRecordFactory(patient__clinic=staff_member.clinic)
    assert client.get(print_url(theirs)).status_code == 302
    Membership.objects.update(is_active=False)
    assert client.get(print_url(ours)).status_code == 302
    client.force_login(UserFactory())
    assert "login" in client.get(print_url(ours))["Location"]
    client.logout()
    assert "login" in client.get(print_url(ours))["Location"]


def test_a_superuser_without_a_membership_prints_under_the_beginning_of_their_email(client, superuser):
    record = MedicalRecordFactory(created_by_user=superuser)
    page = html_of(client.get(print_url(record)))
    assert f"by {superuser.name}" in page
    assert superuser.email not in page
    assert record.clinic.name in page


def test_it_is_only_read_and_kept_by_nobody_on_the_way(client, staff_member):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic)
    assert client.post(print_url(record)).status_code == 405
    response = client.get(print_url(record))
    assert "no-store" in response["Cache-Control"]
    assert "style-src 'self'" in response["Content-Security-Policy"]
    assert "style=" not in response.content.decode()


def test_many_photos_cost_no_more_queries(
    client, staff_member, django_assert_num_queries, django_assert_max_num_queries
):
    record = MedicalRecordFactory(patient__clinic=staff_member.clinic, created_by_user=staff_member.user)
    PatientPhotoFactory.create_batch(2, patient=record.patient, medical_record=record)
    with django_assert_max_num_queries(11) as few:
        client.get(print_url(record))
    PatientPhotoFactory.create_batch(8, patient=record.patient, medical_record=record)
    with django_assert_num_queries(len(few.captured_queries)):
        client.get(print_url(record))
