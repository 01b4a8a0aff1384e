"""Who looked, in the admin: each page that shows what a patient has leaves one row, and administrators read them."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils.html import strip_tags

from clinic_project.audit.models import Access
from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, PatientFactory, UserFactory
from clinic_project.clinics.models import Patient
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.tests.photos.uploads import add

from .pages import change_url, delete_url, file_url, list_url, patient_url, restore_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(clinic_admin):
    return PatientFactory(clinic=clinic_admin.clinic, full_name="Grace Hopper")


@pytest.fixture
def record(patient):
    return MedicalRecordFactory(patient=patient)


@pytest.fixture
def photo(record):
    return add(record.patient, record=record)


def shown() -> list[tuple]:
    """Return of each access what was shown, and how."""
    rows = Access.objects.order_by("pk").values_list("action", "patient_ids", "record_ids", "photo_ids")
    return [(action, *map(sorted, ids)) for action, *ids in rows]


def who_looked_url(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_who_looked", args=[obj.pk])


def text(response) -> str:
    assert response.status_code == 200
    return " ".join(strip_tags(response.content.decode().replace("<", " <")).split())


# Each page


MODELS: tuple[type[Model], ...] = (Patient, MedicalRecord, PatientPhoto)

#: What the access log calls pages that show something, by the ends of their names.
ACTIONS = {
    "changelist": "list",
    "change": "view",
    "answers": "view",
    "delete": "view",
    "history": "history",
    "state": "history",
    "file": "file",
    "thumbnail": "thumbnail",
    "print": "print",
    "who_looked": "access-log",
    "export": "view",
    "download": "export",
    "photos": "view",
    "sign": "view",
    "photo_captions": "view",
}
#: A patient's name in a list is no record.
SHOWING_NOTHING = {
    (Patient, "changelist"),
    *((model, page) for model in MODELS for page in ("add", "restore")),
    # Changes, which lead to the record's page.
    *((MedicalRecord, page) for page in ("amend", "enter_in_error", "undo_error")),
}


def pages() -> list[tuple[type[Model], str]]:
    """Return each page of patients, records and photos: the model, and what the name of the page ends with."""
    found: list[tuple[type[Model], str]] = []
    for model in MODELS:
        own = f"{model._meta.app_label}_{model._meta.model_name}_"
        names = {str(pattern.name) for pattern in admin.site._registry[model].urls}
        found += [(model, name.removeprefix(own)) for name in sorted(names) if name.startswith(own)]
    return found


@pytest.mark.parametrize(("model", "page"), pages())
def test_a_page_leaves_one_row_if_it_shows_something(model, page, client, clinic_admin, patient, record, photo):
    obj = {Patient: patient, MedicalRecord: record, PatientPhoto: photo}[model]
    args = {"changelist": [], "add": [], "state": [obj.pk, 1]}.get(page, [obj.pk])
    response = client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args))
    nothing = (model, page) in SHOWING_NOTHING
    assert nothing or response.status_code == 200
    left = list(Access.objects.all())
    assert [access.action for access in left] == ([] if nothing else [ACTIONS[page]])
    for access in left:
        assert (access.patient_ids, access.clinic_id, access.via) == ([patient.pk], patient.clinic_id, "admin")
        assert (access.user_id, access.user_name) == (clinic_admin.user_id, clinic_admin.full_name)
        assert access.request_id == response["X-Request-ID"]


def test_a_patients_page_shows_records_and_photos(client, patient, record, photo):
    gallery = add(patient)
    client.get(patient_url(patient))
    photos = sorted([photo.pk, gallery.pk])
    assert shown() == [("view", [patient.pk], [record.pk], photos)]


def test_a_record_is_shown_with_its_photos_now_and_as_it_was(client, patient, record, photo):
    client.get(change_url(record))
    client.get(reverse("admin:medical_records_medicalrecord_state", args=[record.pk, 1]))
    assert shown()[0] == ("view", [patient.pk], [record.pk], [photo.pk])
    assert shown()[1][:3] == ("history", [patient.pk], [record.pk])


def test_a_list_is_one_row_with_what_is_on_its_page(client, clinic_admin, patient, record):
    MedicalRecordFactory(patient__clinic=ClinicFactory())
    trashed = MedicalRecordFactory(patient=patient, in_trash=True)
    found = ("", "?trash=only", "?trash=with&_popup=1", "?q=hopper", f"?patient={patient.pk}")
    for query in (*found, "?q=nobody", "?trash=what"):
        client.get(list_url("medicalrecord") + query)
    both = [record.pk, trashed.pk]
    assert [ids for _, _, ids, _ in shown()] == [[record.pk], [trashed.pk], both, [record.pk], [record.pk], [record.pk]]


def test_records_named_by_an_autocompletion_are_shown(client, clinic_admin, record):
    query = {
        "app_label": "medical_records",
        "model_name": "patientphoto",
        "field_name": "medical_record",
        "term": "hopper",
    }
    found = client.get(reverse("admin:autocomplete"), query).json()["results"]
    assert [row["id"] for row in found] == [str(record.pk)]
    assert shown() == [("list", [record.patient_id], [record.pk], [])]


def test_a_file_that_the_browser_has_leaves_a_row_each_time(client, photo):
    for kind in ("file", "thumbnail"):
        etag = client.get(file_url(photo, kind))["ETag"]
        assert client.get(file_url(photo, kind), headers={"If-None-Match": etag}).status_code == 304
    assert [action for action, *_ in shown()] == ["file", "file", "thumbnail", "thumbnail"]


def test_what_is_done_without_showing_anything_leaves_no_row(client, patient, record, photo):
    assert client.post(change_url(photo), {"description": "x"}).status_code == 302
    assert client.post(delete_url(record), {"post": "yes"}).status_code == 302
    assert client.post(restore_url(record)).status_code == 302
    moved = {"action": "move_to_trash", "_selected_action": [record.pk], "post": "yes"}
    assert client.post(list_url("medicalrecord"), moved).status_code == 302
    assert shown() == []


def test_what_is_asked_before_several_go_to_the_trash_is_one_row(client, patient, record, photo):
    for obj, row in ((record, ([record.pk], [])), (photo, ([], [photo.pk])), (patient, ([], []))):
        url = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_changelist")
        asked = client.post(url, {"action": "move_to_trash", "_selected_action": [obj.pk]})
        assert asked.status_code == 200
        assert shown()[-1] == ("list", [patient.pk], *row)
    assert len(shown()) == 3


def test_what_another_clinic_has_leaves_no_row(client, clinic_admin):
    record = MedicalRecordFactory()
    photo = PatientPhotoFactory(patient=record.patient)
    assert client.get(change_url(record)).status_code == 302
    assert client.get(who_looked_url(record)).status_code == 302
    for kind in ("file", "thumbnail"):
        assert client.get(file_url(photo, kind)).status_code == 404
    assert shown() == []


def test_a_superuser_without_a_membership_is_named_by_the_beginning_of_the_email(client, superuser):
    first, second = MedicalRecordFactory(), MedicalRecordFactory()
    client.get(list_url("medicalrecord"))
    client.get(change_url(first))
    of_both, of_one = Access.objects.order_by("pk")
    assert (of_both.user_id, of_both.user_name, of_both.clinic_id) == (superuser.pk, superuser.name, None)
    assert dict(zip(of_both.record_ids, of_both.patient_ids, strict=True)) == {
        record.pk: record.patient_id for record in (first, second)
    }
    assert of_one.clinic_id == first.clinic_id


def test_recent_actions_name_patients_and_leave_one_row(client, clinic_admin, patient, record, photo):
    client.post(change_url(photo), {"description": "x"})
    client.post(delete_url(record), {"post": "yes"})
    assert shown() == []
    page = client.get(reverse("admin:index"))
    assert f"{record} of Grace Hopper" in page.content.decode()
    assert shown() == [("list", [patient.pk], [record.pk], [photo.pk])]


# Other sites


def test_recent_actions_name_nobody_to_whom_another_site_sends_there(client, patient, record):
    client.post(delete_url(record), {"post": "yes"}, follow=True)
    page = client.get(reverse("admin:index"), headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert f"Medical record {record.pk}" in text(page)
    assert "Hopper" not in text(page)
    assert shown() == []


def test_a_link_of_another_site_doesnt_show_it_but_leads_there(client, patient, record, photo):
    for url in (change_url(record), patient_url(patient), list_url("medicalrecord"), file_url(photo)):
        refused = client.get(url, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
        assert refused.status_code == 403
        assert f'href="{url}"' in refused.content.decode()
        assert "Hopper" not in refused.content.decode()
    assert shown() == []
    assert client.get(change_url(record), headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_what_shows_nothing_is_open_to_links_of_other_sites(client, clinic_admin):
    for url in (reverse("admin:index"), reverse("admin:login"), reverse("admin:clinics_clinic_changelist")):
        assert client.get(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code in {200, 302}


# Who looked


def test_administrators_see_who_looked_at_a_patient_and_a_record(client, clinic_admin, patient, record, photo):
    noor = MembershipFactory(clinic=clinic_admin.clinic, full_name="Noor Haddad", user__staff=True)
    client.force_login(noor.user)
    client.get(change_url(record))
    client.get(patient_url(patient))
    client.get(list_url("medicalrecord") + "?q=nobody")

    client.force_login(clinic_admin.user)
    page = client.get(who_looked_url(record))
    assert [access.action for access in page.context["accesses"]] == ["Opened", "Opened"]
    assert "Noor Haddad Opened" in text(page)
    of_patient, of_photo = (client.get(who_looked_url(obj)).context["accesses"] for obj in (patient, photo))
    assert [access.action for access in of_patient] == ["Who looked", "Opened", "Opened"]
    assert [access.action for access in of_photo] == ["Opened", "Opened"]


def test_their_pages_lead_there(client, patient, record):
    for url, obj in ((patient_url(patient), patient), (change_url(record), record)):
        assert who_looked_url(obj) in client.get(url).content.decode()


def test_nobody_else_sees_it(client, clinic_admin, patient, record):
    for roles in (["practitioner"], []):
        member = MembershipFactory(clinic=clinic_admin.clinic, user__staff=True, roles=roles)
        client.force_login(member.user)
        assert who_looked_url(record) not in client.get(change_url(record)).content.decode()
        assert client.get(who_looked_url(record)).status_code == 403
        assert client.get(who_looked_url(patient)).status_code == 403
    client.force_login(UserFactory(superuser=True))
    assert client.get(who_looked_url(record)).status_code == 200


def test_it_is_read_in_pages(client, patient, record, django_assert_max_num_queries):
    rows = {"patient_ids": [patient.pk], "record_ids": [record.pk], "photo_ids": [], "action": "view", "via": "api"}
    Access.objects.bulk_create([Access(**rows) for _ in range(52)])
    with django_assert_max_num_queries(12):
        first = client.get(who_looked_url(record))
    assert len(first.context["accesses"]) == 50
    assert "53 accesses" in text(client.get(who_looked_url(record) + "?p=2"))


def test_a_list_names_what_is_the_patients_alone(client, clinic_admin, patient, record):
    MedicalRecordFactory(patient=PatientFactory(clinic=clinic_admin.clinic))
    client.get(list_url("medicalrecord"))
    [access] = client.get(who_looked_url(patient)).context["accesses"]
    assert access.records.links == [(record.pk, change_url(record))]


def test_what_cant_be_named_is_still_shown(client, patient):
    """A user who is gone, of an access that nobody is named in, with more records than a line has."""
    many = [*range(1, 31)]
    Access.objects.create(
        user_id=2**40, patient_ids=[patient.pk], record_ids=many, photo_ids=[], action="later-version", via="other"
    )
    page = text(client.get(who_looked_url(patient)))
    assert f"User {2**40} later-version" in page
    assert "and 20 more" in page
