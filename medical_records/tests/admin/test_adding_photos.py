"""Adding photos in the admin: each file is saved by itself, by whoever may, and only once."""

import json

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from clinic_project.audit.models import Access, HistoryEntry
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from medical_records.admin import picture_uploads
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import PatientPhoto
from medical_records.photos import additions

from ..photos.image_files import BLUE, plain
from ..photos.uploads import files_in
from .pages import change_url, html_of, patient_url, sign

pytestmark = pytest.mark.django_db

KNEE, ELBOW = plain(size=(60, 40)), plain("PNG", (60, 40), BLUE)


@pytest.fixture
def record(staff_member, media):
    return MedicalRecordFactory(patient__clinic=staff_member.clinic, patient__full_name="Grace Hopper")


def page_of(obj, page: str = "photos") -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{page}", args=[obj.pk])


def send(client, obj, *files: tuple[str, bytes]):
    """Send the form as a browser without scripts does, and return the page that it leads to."""
    uploads = [SimpleUploadedFile(name, data, "image/jpeg") for name, data in files]
    return client.post(page_of(obj), {"photos": uploads}, follow=True)


def send_one(client, obj, name: str, data: bytes, caption: str = "") -> str:
    """Send one file as the page's script does, and return what is wrong with it."""
    body = {"photos": SimpleUploadedFile(name, data), "caption": caption}
    response = client.post(page_of(obj), body, headers={"Accept": "application/json"})
    assert response.status_code == 200
    [told] = response.json()["files"]
    assert told["name"] == name
    return told["error"]


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def photos() -> list[tuple]:
    rows = PatientPhoto.objects.filter(is_deleted=False).order_by("pk")
    return list(rows.values_list("filename", "description", "medical_record", "is_pending"))


# Several files


def test_several_files_are_added_to_a_record(client, staff_member, record):
    page = send(client, record, ("knee.jpg", KNEE), ("elbow.png", ELBOW))
    assert messages_of(page) == ["2 photos were added."]
    assert page.redirect_chain[0][0] == page_of(record, "photo_captions")
    assert photos() == [("knee.jpg", None, record.pk, False), ("elbow.png", None, record.pk, False)]
    assert {photo.uploaded_by_user for photo in PatientPhoto.objects.all()} == {staff_member.user}
    record.refresh_from_db()
    assert (record.version, record.updated_by_user) == (3, staff_member.user)


def test_the_history_says_who_added_them(client, staff_member, record):
    send(client, record, ("knee.jpg", KNEE))
    entries = HistoryEntry.objects.filter(table_name__in=["patient_photos", "medical_records"])
    made = [json.loads(entry.context) for entry in entries if entry.context]
    assert len(made) == 3  # the photo, the record's next version, the link between them
    assert {(one["via"], one["by"], one["name"]) for one in made} == {
        ("admin", staff_member.user_id, staff_member.full_name)
    }


def test_a_patient_has_photos_that_are_on_no_record(client, record):
    patient = record.patient
    assert page_of(patient) in html_of(client.get(patient_url(patient)))
    send(client, patient, ("knee.jpg", KNEE))
    assert photos() == [("knee.jpg", None, None, False)]


def test_a_bad_file_is_named_and_the_others_are_saved(client, record, media):
    page = send(client, record, ("knee.jpg", KNEE), ("notes.jpg", b"<script>alert(1)</script>"), ("elbow.png", ELBOW))
    added, refused = messages_of(page)
    assert added == "2 photos were added."
    assert refused.startswith("notes.jpg: The file isn't a JPEG, PNG or WebP image")
    assert [name for name, *_ in photos()] == ["knee.jpg", "elbow.png"]
    assert len(files_in(media)) == 4


def test_a_file_that_is_too_large_is_named_and_never_kept(client, record, monkeypatch):
    monkeypatch.setattr(picture_uploads, "MAX_BYTES", len(KNEE))
    page = send(client, record, ("large.png", KNEE + b"\0"), ("knee.jpg", KNEE))
    added, refused = messages_of(page)
    assert (added, refused) == (
        "1 photo was added.",
        "large.png: The file is larger than 10 MB. Choose a smaller image.",
    )
    assert [name for name, *_ in photos()] == ["knee.jpg"]


def test_more_than_a_worker_keeps_at_once_is_named(client, record, monkeypatch):
    monkeypatch.setattr(picture_uploads, "MAX_TOTAL", len(KNEE) + len(ELBOW) - 1)
    page = send(client, record, ("knee.jpg", KNEE), ("elbow.png", ELBOW))
    assert "elbow.png: It wasn't received" in messages_of(page)[1]
    send(client, record, ("elbow.png", ELBOW))
    assert [name for name, *_ in photos()] == ["knee.jpg", "elbow.png"]


def test_no_file_at_all_leads_back(client, record):
    page = send(client, record)
    assert messages_of(page) == ["Choose at least one photo."]
    assert page.redirect_chain[0][0] == page_of(record)


def test_a_hostile_name_is_cleaned_before_it_is_shown(client, record):
    page = send(client, record, ("<b>\u202egpj.jpg", b"no image"))
    assert messages_of(page)[0].startswith("<b>gpj.jpg: ")
    assert "<b>gpj" not in html_of(page)


def test_a_storage_that_fails_is_told_for_each_file(client, record, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "save", fail)
        assert "storage of the photos is full" in send_one(client, record, "knee.jpg", KNEE)
    assert photos() == []
    assert send_one(client, record, "knee.jpg", KNEE) == ""


# One by one, as the script sends them


def test_a_photo_is_sent_with_its_caption(client, record):
    assert send_one(client, record, "knee.jpg", KNEE, " Left knee ") == ""
    assert photos() == [("knee.jpg", "Left knee", record.pk, False)]


def test_what_is_sent_shows_nothing_that_the_access_log_would_have(client, record):
    send_one(client, record, "knee.jpg", KNEE)
    assert client.post(page_of(record), {"photos": SimpleUploadedFile("elbow.png", ELBOW)}).status_code == 302
    assert not Access.objects.exists()
    client.get(page_of(record, "photo_captions"))
    [access] = Access.objects.all()
    assert (access.record_ids, len(access.photo_ids)) == ([record.pk], 2)


def test_a_caption_that_is_too_long_is_told_before_the_photo_is_kept(client, record):
    assert "at most 2000 characters" in send_one(client, record, "knee.jpg", KNEE, "x" * 2001)
    assert photos() == []


def test_what_is_sent_again_isnt_there_twice(client, record, media):
    """The answer to the first got lost; the caption was corrected before the second."""
    send_one(client, record, "knee.jpg", KNEE, "Left knee")
    assert send_one(client, record, "knee.jpg", KNEE, "Right knee") == ""
    assert photos() == [("knee.jpg", "Right knee", record.pk, False)]
    assert send_one(client, record, "knee.jpg", KNEE) == ""
    assert photos() == [("knee.jpg", "Right knee", record.pk, False)]
    assert len(files_in(media)) == 2


def test_without_scripts_it_is_said_that_a_photo_was_there(client, record):
    page = send(client, record, ("knee.jpg", KNEE), ("copy of knee.jpg", KNEE))
    assert messages_of(page) == ["1 photo was added.", "copy of knee.jpg was there already."]
    assert len(photos()) == 1


def test_the_same_picture_may_be_on_another_record_or_come_back_from_the_trash_anew(client, record):
    other = MedicalRecordFactory(patient=record.patient)
    send_one(client, record, "knee.jpg", KNEE)
    send_one(client, other, "knee.jpg", KNEE)
    assert len(photos()) == 2
    PatientPhoto.objects.filter(medical_record=record).update(is_deleted=True)
    send_one(client, record, "knee.jpg", KNEE)
    assert PatientPhoto.objects.filter(medical_record=record).count() == 2


def test_a_pending_photo_becomes_part_of_the_record(client, record):
    send_one(client, record, "knee.jpg", KNEE)
    PatientPhoto.objects.update(is_pending=True)
    send_one(client, record, "knee.jpg", KNEE)
    assert photos() == [("knee.jpg", None, record.pk, False)]


# Who may, and where


def test_another_clinics_record_isnt_there(client, record):
    foreign = MedicalRecordFactory()
    for obj in (foreign, foreign.patient):
        for page in ("photos", "photo_captions"):
            assert client.get(page_of(obj, page)).status_code == 404
        assert client.post(page_of(obj), {"photos": SimpleUploadedFile("knee.jpg", KNEE)}).status_code == 404
    assert client.get(reverse("admin:medical_records_medicalrecord_photos", args=[10**30])).status_code == 404
    assert photos() == []


def test_who_only_reads_adds_none(client, staff_member, record):
    reader = MembershipFactory(clinic=staff_member.clinic, user__staff=True, roles=[])
    client.force_login(reader.user)
    for obj in (record, record.patient):
        assert page_of(obj) not in html_of(client.get(change_url(record)))
        assert client.get(page_of(obj)).status_code == 403
        assert client.get(page_of(obj, "photo_captions")).status_code == 403
        assert client.post(page_of(obj), {"photos": SimpleUploadedFile("knee.jpg", KNEE)}).status_code == 403
    assert photos() == []


def test_a_forged_form_is_refused(record, staff_member):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff_member.user)
    assert strict.post(page_of(record), {"photos": SimpleUploadedFile("knee.jpg", KNEE)}).status_code == 403
    token = strict.get(page_of(record)).context["csrf_token"]
    body = {"photos": SimpleUploadedFile("knee.jpg", KNEE), "csrfmiddlewaretoken": str(token)}
    assert strict.post(page_of(record), body).status_code == 302
    assert len(photos()) == 1


def test_who_is_logged_out_is_led_to_the_login(client, record):
    client.logout()
    response = client.post(page_of(record), {"photos": SimpleUploadedFile("knee.jpg", KNEE)})
    assert response.url.startswith(reverse("admin:login"))


def test_the_files_of_who_is_not_on_the_staff_are_not_kept_while_the_form_is_checked(record):
    from django.test import Client

    stranger = Client(enforce_csrf_checks=True)
    token = str(stranger.get(reverse("admin:login")).context["csrf_token"])
    uploads = [SimpleUploadedFile("knee.jpg", KNEE), SimpleUploadedFile("elbow.png", ELBOW)]
    response = stranger.post(page_of(record), {"photos": uploads, "csrfmiddlewaretoken": token})
    assert response.status_code == 302
    assert response.wsgi_request.POST["csrfmiddlewaretoken"] == token
    assert not response.wsgi_request.FILES


def test_a_signed_record_says_that_it_has_to_be_amended_first(client, record):
    client.get(sign(client, record).url)
    page = client.get(page_of(record), follow=True)
    assert page.redirect_chain == [(change_url(record), 302)]
    [said] = messages_of(page)
    assert said == "The record is signed. Press “Amend” on its page and say why it is changed, then add photos."
    assert page_of(record) not in html_of(page)
    assert send_one(client, record, "knee.jpg", KNEE) == said

    client.post(page_of(record, "amend"), {"version": 2, "reason": "The photo was missing"})
    assert send_one(client, record, "knee.jpg", KNEE) == ""


def test_a_record_in_error_says_that_this_is_undone_first(client, record):
    client.post(page_of(record, "enter_in_error"), {"version": 1, "reason": "Another patient's"})
    said = send_one(client, record, "knee.jpg", KNEE)
    assert said == "The record is marked as entered in error. Undo that on its page, then add photos."
    client.post(page_of(record, "undo_error"), {"version": 2})
    assert send_one(client, record, "knee.jpg", KNEE) == ""


def test_a_record_that_is_signed_while_a_photo_is_decoded_gets_none(client, record, media, monkeypatch):
    def sign_meanwhile(data):
        sign(client, record)
        return process(data)

    process = additions.process_image
    monkeypatch.setattr(additions, "process_image", sign_meanwhile)
    assert "The record is signed." in send_one(client, record, "knee.jpg", KNEE)
    assert photos() == []
    assert files_in(media) == []


def test_nothing_is_added_in_the_trash(client, staff_member, record):
    trashed = MedicalRecordFactory(patient=record.patient, in_trash=True)
    assert send_one(client, trashed, "knee.jpg", KNEE) == "This record is in the trash."
    gone = PatientFactory(clinic=staff_member.clinic, is_deleted=True)
    assert send_one(client, gone, "knee.jpg", KNEE) == "This patient has been deleted."
    for obj in (trashed, gone):
        assert page_of(obj) not in html_of(client.get(page_of(obj, "change")))


def test_a_record_has_no_more_photos_than_it_can_be_saved_with(client, record, media, monkeypatch):
    monkeypatch.setattr(additions, "MAX_PHOTOS", 1)
    page = send(client, record, ("knee.jpg", KNEE), ("elbow.png", ELBOW))
    assert messages_of(page)[1] == "elbow.png: A record has at most 1 photo."
    assert [name for name, *_ in photos()] == ["knee.jpg"]
    assert len(files_in(media)) == 2


def test_a_record_in_another_clinic_than_its_patient_gets_none(client, record, superuser):
    client.force_login(superuser)
    foreign = MedicalRecordFactory(patient=record.patient, clinic=MedicalRecordFactory().clinic)
    assert "another clinic than its patient" in send_one(client, foreign, "knee.jpg", KNEE)
    assert photos() == []


# Captions


@pytest.fixture
def two(record):
    return [
        PatientPhotoFactory(patient=record.patient, medical_record=record, description=text) for text in ("Knee", None)
    ]


def form_of(client, obj) -> dict:
    """Return what a browser would send of the page as it is."""
    form = client.get(page_of(obj, "photo_captions")).context["form"]
    shown = {str(photo.pk): photo.description or "" for photo in form.photos}
    initial = {f"initial-{pk}": text for pk, text in shown.items()}
    return {"photo": list(shown), **shown, **initial}


def test_captions_are_changed_afterwards(client, staff_member, record, two):
    assert page_of(record, "photo_captions") in html_of(client.get(change_url(record)))
    first, second = two
    body = form_of(client, record) | {str(second.pk): "Left elbow"}
    page = client.post(page_of(record, "photo_captions"), body, follow=True)
    assert messages_of(page) == ["1 caption was changed."]
    for photo in two:
        photo.refresh_from_db()
    assert (first.description, second.description) == ("Knee", "Left elbow")
    assert (first.updated_by_user, second.updated_by_user) == (None, staff_member.user)


def test_a_caption_that_somebody_else_changed_meanwhile_stays(client, record, two):
    first, second = two
    body = form_of(client, record) | {str(second.pk): "Left elbow"}
    PatientPhoto.objects.filter(pk=first.pk).update(description="Right knee")
    client.post(page_of(record, "photo_captions"), body)
    first.refresh_from_db()
    assert first.description == "Right knee"


def test_captions_arent_lost_where_one_cant_be_saved(client, record, two):
    first, second = two
    body = form_of(client, record) | {str(first.pk): "Right knee", str(second.pk): "Left elbow"}
    PatientPhoto.objects.filter(pk=first.pk).update(is_deleted=True)
    page = html_of(client.post(page_of(record, "photo_captions"), body))
    assert "It is in the trash. Restore it first." in page
    assert "Right knee" in page
    assert "Left elbow" in page
    second.refresh_from_db()
    assert second.description is None


def test_only_the_photos_of_the_record_are_changed(client, record, two):
    other = PatientPhotoFactory(patient=record.patient)
    body = {"photo": [other.pk, "x", "9" * 10, "9" * 5000], str(other.pk): "Elsewhere"}
    client.post(page_of(record, "photo_captions"), body)
    other.refresh_from_db()
    assert other.description is None


def test_the_page_of_a_signed_record_says_what_the_signature_covers(client, record, two):
    sign(client, record)
    page = html_of(client.get(page_of(record, "photo_captions")))
    assert "The signature covers the photos, not their captions." in page
    client.get(change_url(record))
    body = form_of(client, record) | {str(two[0].pk): "Right knee"}
    assert messages_of(client.post(page_of(record, "photo_captions"), body, follow=True)) == ["1 caption was changed."]


def test_a_record_without_photos_has_no_captions(client, record):
    assert "There are no photos here." in html_of(client.get(page_of(record, "photo_captions")))
    assert page_of(record, "photo_captions") not in html_of(client.get(change_url(record)))
