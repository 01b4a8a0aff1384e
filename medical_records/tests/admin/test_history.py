"""The history of an object in the admin, and the object as it was: each test is a story of who changed what."""

import datetime
from contextlib import contextmanager

import pytest
from django.db import connection
from django.urls import reverse
from django.utils.html import strip_tags

from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Membership, Patient
from medical_records import services
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

from ..unrecorded import unrecorded

pytestmark = pytest.mark.django_db


def history_url(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_history", args=[obj.pk])


def state_url(obj, sequence: int) -> str:
    return f"{history_url(obj)}{sequence}/"


def text(response) -> str:
    """Return what a page says, its spaces made one."""
    assert response.status_code == 200
    return " ".join(strip_tags(response.content.decode()).split())


def title(response) -> str:
    return response.content.decode().partition("<title>")[2].partition("</title>")[0]


@contextmanager
def as_member(membership: Membership, via: str = "api"):
    with changes_by(via=via, by=membership.user_id, name=membership.full_name), atomic():
        yield


def rename(patient: Patient, name: str) -> None:
    patient.full_name = name
    patient.save(update_fields=["full_name"])


@pytest.fixture
def patient(staff_member):
    return PatientFactory(clinic=staff_member.clinic, full_name="Grace Hopper", notes=None)


@pytest.fixture
def ada(staff_member):
    return MembershipFactory(clinic=staff_member.clinic, full_name="Ada Lovelace")


def answer_ids(record: MedicalRecord) -> dict[str, str]:
    return {field["label"]: field["id"] for field in record.template_snapshot["fields"]}


def answer(record: MedicalRecord, by: Membership, **answers) -> None:
    """Change some answers of a record, by the labels of their fields."""
    ids = answer_ids(record)
    record.refresh_from_db()
    values = {**record.values, **{ids[label.replace("_", " ")]: value for label, value in answers.items()}}
    services.change_record(record, [record.version], by.user, values=values)


def test_a_patients_history_says_who_changed_what_and_when(client, patient, ada):
    with as_member(ada):
        rename(patient, "Grace B. Hopper")
    response = client.get(history_url(patient))
    assert title(response).startswith("History of Grace B. Hopper, born ")
    newest, oldest = response.context["changes"]
    assert (newest.by, newest.via) == ("Ada Lovelace", "through the API")
    assert [(value.label, value.before, value.after) for value in newest.values] == [
        ("Full name", "Grace Hopper", "Grace B. Hopper")
    ]
    assert oldest.change.action == "created"


def test_the_history_button_of_an_object_leads_there(client, patient):
    assert f'href="{history_url(patient)}"' in client.get(change_url_of(patient)).content.decode()


def change_url_of(patient) -> str:
    return reverse("admin:clinics_patient_change", args=[patient.pk])


def test_what_is_changed_in_the_admin_is_told_with_the_name_of_who_did_it(client, staff_member, patient):
    client.post(change_url_of(patient), {"full_name": "Grace Murray", "birthday": "1906-12-09"})
    page = text(client.get(history_url(patient)))
    assert f"by {staff_member.full_name}, in the admin" in page
    assert "9 Dec 1906" in page


def test_a_patient_opens_as_they_were(client, patient, ada):
    with as_member(ada):
        rename(patient, "Grace Murray")
    response = client.get(state_url(patient, 1))
    page = text(response)
    assert "This is an earlier state." in page
    assert "Full name: Grace Hopper" in page
    assert title(response).startswith("Earlier state of Grace Murray, born ")
    assert "This is the present state." in text(client.get(state_url(patient, 2)))


def test_a_record_opens_as_the_form_that_was_filled_in_then(client, patient, ada):
    record = MedicalRecordFactory(patient=patient)
    label = next(iter(answer_ids(record)))
    with as_member(ada):
        answer(record, ada, **{label: "Cough"})
    with as_member(ada):
        answer(record, ada, **{label: "Fever"})
    response = client.get(history_url(record))
    assert "Grace Hopper" in title(response)
    (value,) = response.context["changes"][0].values
    assert (value.label, value.before, value.after) == (label, "Cough", "Fever")
    then = client.get(state_url(record, 2))
    assert "Grace Hopper" in title(then)
    assert "Cough" in text(then)
    assert "Fever" not in text(then)


def test_what_a_record_said_at_a_time_is_opened_by_the_time(client, patient, ada):
    with as_member(ada):
        rename(patient, "Grace Murray")
    made, renamed = (shown.change.at for shown in reversed(client.get(history_url(patient)).context["changes"]))

    def opened(moment) -> str:
        response = client.get(history_url(patient), {"at": f"{moment:%Y-%m-%dT%H:%M:%S.%f}"}, follow=True)
        return response.redirect_chain[0][0].removeprefix(history_url(patient)) + " " + title(response)

    assert opened(renamed).startswith("2/ Present state of Grace Murray")
    assert opened(renamed.replace(microsecond=0)).startswith("2/")
    assert opened(renamed - datetime.timedelta(microseconds=1)).startswith("1/ Earlier state of Grace Murray")
    assert opened(made - datetime.timedelta(days=1)).startswith(" History of Grace Murray")
    assert "Enter a valid date/time." in text(client.get(history_url(patient), {"at": "the third of May"}))


def test_a_time_before_the_first_change_opens_what_was_there_before(client, staff_member, ada):
    with unrecorded("patients"):
        patient = PatientFactory(clinic=staff_member.clinic, full_name="Grace Hopper")
    with as_member(ada):
        rename(patient, "Grace Murray")
    page = text(client.get(history_url(patient), {"at": "2020-05-03T10:00"}, follow=True))
    assert "Full name: Grace Hopper" in page


def test_nothing_is_said_of_a_time_before_an_object_was_made(client, patient):
    page = text(client.get(history_url(patient), {"at": "2020-05-03T10:00"}, follow=True))
    assert "Nothing is recorded of 3 May 2020, 10:00:00." in page


def test_a_record_opens_with_the_photos_that_it_had_then(client, patient, ada):
    record = MedicalRecordFactory(patient=patient)
    left, right = (PatientPhotoFactory(patient=patient, description=f"{side} arm") for side in ("Left", "Right"))
    for version, photo in ((1, left), (2, right)):
        with as_member(ada):
            services.change_record(record, [version], ada.user, photo_ids=[photo.pk])
    (value,) = client.get(history_url(record)).context["changes"][0].values
    assert (value.label, value.before, value.after) == (
        "Photos",
        f"Left arm (photo {left.pk})",
        f"Right arm (photo {right.pk})",
    )
    shown = [client.get(state_url(record, sequence)).content.decode() for sequence in (1, 2, 3)]
    assert [("Left arm" in page, "Right arm" in page) for page in shown] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_dates_and_choices_are_told_as_the_form_shows_them(client, patient, ada):
    fields = [
        {"id": "d", "label": "Since", "type": "date", "required": False, "order": 0},
        {"id": "c", "label": "Side", "type": "checkbox", "required": False, "order": 1, "options": ["Left", "Right"]},
    ]
    record = MedicalRecordFactory(patient=patient, template__fields=fields, values={"d": "2026-05-03", "c": ["Left"]})
    with as_member(ada):
        answer(record, ada, Since="2026-05-04", Side=["Left", "Right"])
    values = client.get(history_url(record)).context["changes"][0].values
    assert [(value.label, value.before, value.after) for value in values] == [
        ("Since", "3 May 2026", "4 May 2026"),
        ("Side", "Left", "Left, Right"),
    ]


def test_of_a_long_text_the_words_that_changed_are_marked(client, patient, ada):
    said = "She has had pain in the left arm since Monday."
    fields = [{"id": "t", "label": "Story", "type": "textarea", "required": False, "order": 0}]
    record = MedicalRecordFactory(patient=patient, template__fields=fields, values={"t": said})
    with as_member(ada):
        answer(record, ada, Story=said.replace("left", "right"))
    page = client.get(history_url(record)).content.decode()
    assert '<del><span class="visually-hidden">removed: </span> left</del>' in page
    assert '<ins><span class="visually-hidden">added: </span> right</ins>' in page


def test_added_and_removed_fields_of_a_template_are_named(client, staff_member, ada):
    old, new = ({"id": key, "label": label, "type": "text", "required": False, "order": 0} for key, label in FIELDS)
    template = MedicalRecordTemplateFactory(clinic=staff_member.clinic, name="First visit", fields=[old])
    with as_member(ada):
        services.change_template(MedicalRecordTemplate.objects.all(), template.pk, [1], ada.user, fields=[new])
    response = client.get(history_url(template))
    assert {(value.label, value.before, value.after) for value in response.context["changes"][0].values} == {
        ("Insurance", "Short text", ""),
        ("Allergies", "", "Short text"),
    }
    assert "Insurance" in text(client.get(state_url(template, 1)))
    assert "Insurance" not in text(client.get(state_url(template, 2)))


def test_what_changed_of_a_question_is_told_as_the_editor_calls_it(client, staff_member, ada):
    (key, _), (other, _) = FIELDS
    first = {"id": key, "label": "Side", "type": "text", "required": False, "order": 0}
    second = {"id": other, "label": "Dose", "type": "number", "required": True, "min": 1, "order": 1}
    template = MedicalRecordTemplateFactory(clinic=staff_member.clinic, fields=[first, second])
    chosen = {**first, "type": "radio", "options": ["Left", "Right"], "required": True, "order": 1}
    limited = {**second, "order": 0, "min": 2}
    with as_member(ada):
        services.change_template(
            MedicalRecordTemplate.objects.all(), template.pk, [1], ada.user, fields=[limited, chosen]
        )
    response = client.get(history_url(template))
    assert {(value.label, value.before, value.after) for value in response.context["changes"][0].values} == {
        ("Side: Type", "Short text", "One option, from buttons"),
        ("Side: Options", "", "Left\nRight"),
        ("Side: Required", "No", "Yes"),
        ("Dose: Smallest number", "1", "2"),
        ("Order of the questions", "Side\nDose", "Dose\nSide"),
    }


FIELDS = [("8f14e45f-0000-4000-8000-000000000001", "Insurance"), ("8f14e45f-0000-4000-8000-000000000002", "Allergies")]


def test_a_numbers_unit_and_limits_are_told_with_its_field_and_its_answers(client, patient, ada):
    weight = {"id": FIELDS[0][0], "label": "Weight", "type": "number", "required": True, "unit": "kg", "min": 0.5}
    template = MedicalRecordTemplateFactory(clinic=patient.clinic, fields=[])
    with as_member(ada):
        services.change_template(MedicalRecordTemplate.objects.all(), template.pk, [1], ada.user, fields=[weight])
    page = client.get(history_url(template))
    (value,) = page.context["changes"][0].values
    assert value.after == "Number, at least 0.5 kg, required"

    record = MedicalRecordFactory(patient=patient, template__fields=[weight], values={weight["id"]: 70})
    with as_member(ada):
        answer(record, ada, Weight=71.5)
    (value,) = client.get(history_url(record)).context["changes"][0].values
    assert (value.label, value.before, value.after) == ("Weight", "70 kg", "71.5 kg")


def test_a_photos_description_has_a_history(client, patient, ada):
    photo = PatientPhotoFactory(patient=patient, description="Left arm")
    with as_member(ada, via="admin"):
        services.change_photo(PatientPhoto.objects.all(), photo.pk, ada.user, description="Right arm")
    response = client.get(history_url(photo))
    assert "Grace Hopper" in title(response)
    assert "Description" in text(response)
    then = client.get(state_url(photo, 1))
    assert "Left arm" in text(then)
    assert reverse("admin:medical_records_patientphoto_file", args=[photo.pk]) in then.content.decode()


def test_the_image_isnt_shown_where_it_was_another_file(client, patient):
    photo = PatientPhotoFactory(patient=patient)
    PatientPhoto.objects.filter(pk=photo.pk).update(storage_key="another")
    assert reverse("admin:medical_records_patientphoto_file", args=[photo.pk]) not in text(
        client.get(state_url(photo, 1))
    )


def test_a_membership_has_one_too(client, superuser):
    membership = MembershipFactory(full_name="Ada Lovelace", clinic__name="North")
    Membership.objects.filter(pk=membership.pk).update(roles=["admin"])
    response = client.get(history_url(membership))
    assert title(response).startswith("History of Ada Lovelace in North")
    (value,) = response.context["changes"][0].values
    assert (value.label, value.before, value.after) == ("Roles", "practitioner", "admin")


def test_going_to_the_trash_and_coming_back_are_said(client, patient, ada):
    record = MedicalRecordFactory(patient=patient)
    rows = MedicalRecord.objects.all()
    with as_member(ada):
        services.move_record_to_trash(rows, record.pk, [1], ada.user)
    with as_member(ada):
        services.restore_record(rows, record.pk, [2], ada.user)
    actions = [shown.action for shown in client.get(history_url(record)).context["changes"]]
    assert actions == ["Restored from the trash", "Moved to the trash", "Created"]
    assert "in the trash" in text(client.get(state_url(record, 2)))


def test_a_change_in_sql_is_by_the_databases_user(client, patient):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE patients SET notes = 'seen' WHERE id = %s", [patient.pk])
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone()
    assert f"by the database's user {user}" in text(client.get(history_url(patient)))


def test_who_it_was_stands_beside_what_the_database_knows(client, patient, ada):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL application_name = 'a tool'")
        cursor.execute("SELECT session_user")
        (user,) = cursor.fetchone()
    with changes_by(via="api", by=ada.user_id, name="Ada Lovelace", request_id="req-7", reason="Misspelt"), atomic():
        rename(patient, "Grace Murray")
    page = text(client.get(history_url(patient)))
    assert "by Ada Lovelace, through the API Reason: Misspelt" in page
    assert f"The database's user was {user} (a tool" in page
    assert "Request req-7." in page


def test_a_person_without_a_name_is_told_by_the_beginning_of_their_email(client, patient, superuser):
    with changes_by(via="admin", by=superuser.pk, name=""), atomic():
        rename(patient, "Grace Murray")
    assert f"by {superuser.name}, in the admin" in text(client.get(history_url(patient)))


def test_values_that_read_alike_are_told_apart(client, patient):
    Patient.objects.filter(pk=patient.pk).update(notes="")
    (value,) = client.get(history_url(patient)).context["changes"][0].values
    assert (value.before, value.after) == ("null", '""')


def test_what_was_written_runs_nowhere(client, patient):
    Patient.objects.filter(pk=patient.pk).update(notes="<script>alert(1)</script>")
    Patient.objects.filter(pk=patient.pk).update(notes="<script>alert(2)</script>")
    for url in (history_url(patient), state_url(patient, 2)):
        page = client.get(url).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_what_was_changed_unrecorded_is_found_and_the_history_never_passes_for_whole(client, patient, ada):
    with unrecorded("patients"):
        Patient.objects.filter(pk=patient.pk).update(full_name="Somebody Else")
    with as_member(ada):
        Patient.objects.filter(pk=patient.pk).update(notes="seen")
    page = text(client.get(history_url(patient)))
    assert "This history isn't whole." in page
    assert "Found changed, by nobody known" in page
    assert "What it left can't be proven" in page
    response = client.get(history_url(patient))
    assert [shown.change.action for shown in response.context["changes"]] == ["changed", "found-changed", "created"]
    then = text(client.get(state_url(patient, 1)))
    assert "This can't be proven" in then
    assert "another one was found" in then
    assert "Nobody knows who changed what until then." in text(client.get(state_url(patient, 2)))


def test_an_object_that_is_older_than_the_history_opens_as_it_was_before(client, staff_member, ada):
    with unrecorded("patients"):
        patient = PatientFactory(clinic=staff_member.clinic, full_name="Grace Hopper")
    assert "Nothing has been changed since" in text(client.get(history_url(patient)))
    with as_member(ada):
        rename(patient, "Grace Murray")
    page = text(client.get(history_url(patient)))
    assert "the history begins here" in page
    before = text(client.get(state_url(patient, 0)))
    assert "It is the one before the first change that was recorded." in before
    assert "Full name: Grace Hopper" in before


def test_columns_of_another_program_are_shown_by_their_names(client, patient):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE patients ADD COLUMN insurer text")
        cursor.execute("UPDATE patients SET insurer = 'North Life' WHERE id = %s", [patient.pk])
    (value,) = client.get(history_url(patient)).context["changes"][0].values
    assert (value.label, value.after) == ("insurer", "North Life")
    assert "insurer: North Life" in text(client.get(state_url(patient, 2)))


def test_a_reference_is_named_where_the_person_may_see_it(client, patient, ada):
    record, other = MedicalRecordFactory.create_batch(2, patient=patient)
    elsewhere = MedicalRecordFactory()
    photo = PatientPhotoFactory(patient=patient, medical_record=record)
    PatientPhoto.objects.filter(pk=photo.pk).update(medical_record=other)
    PatientPhoto.objects.filter(pk=photo.pk).update(medical_record=elsewhere)
    newest, before = client.get(history_url(photo)).context["changes"][:2]
    assert [(value.before, value.after) for value in before.values] == [(str(record), str(other))]
    assert newest.values[0].after == f"medical record {elsewhere.pk}"


def test_the_newest_changes_come_first_on_pages_of_twenty_five(client, patient):
    for number in range(29):
        Patient.objects.filter(pk=patient.pk).update(notes=f"{number}")
    first = client.get(history_url(patient))
    assert [shown.change.sequence for shown in first.context["changes"]] == list(range(30, 5, -1))
    assert "30 changes" in text(first)
    second = client.get(history_url(patient), {"p": 2})
    assert [shown.change.sequence for shown in second.context["changes"]] == [5, 4, 3, 2, 1]


OBJECTS = {
    "template": lambda clinic: MedicalRecordTemplateFactory(clinic=clinic),
    "record": lambda clinic: MedicalRecordFactory(patient__clinic=clinic),
    "photo": lambda clinic: PatientPhotoFactory(patient__clinic=clinic),
    "patient": lambda clinic: PatientFactory(clinic=clinic),
    "membership": lambda clinic: MembershipFactory(clinic=clinic),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_another_clinics_history_is_as_hidden_as_its_object(client, staff_member, kind):
    own, other = OBJECTS[kind](staff_member.clinic), OBJECTS[kind](ClinicFactory())
    for url in (history_url, lambda obj: state_url(obj, 1)):
        assert client.get(url(own)).status_code == 200
        assert client.get(url(other)).url == reverse("admin:index")


def test_who_only_reads_sees_the_history(client, patient, staff_member):
    Membership.objects.filter(pk=staff_member.pk).update(roles=[])
    assert client.get(history_url(patient)).status_code == 200
    assert client.get(state_url(patient, 1)).status_code == 200


def test_there_is_no_state_of_a_change_that_there_isnt(client, patient):
    assert client.get(state_url(patient, 0)).status_code == 404
    assert client.get(state_url(patient, 2)).status_code == 404


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_long_history_costs_as_many_queries_as_a_short_one(
    client, staff_member, kind, django_assert_num_queries, django_assert_max_num_queries
):
    obj = OBJECTS[kind](staff_member.clinic)
    columns = {"membership": "title", "template": "name", "record": "template_name", "photo": "filename"}
    rows, column = type(obj).objects.filter(pk=obj.pk), columns.get(kind, "full_name")

    def change(number: int) -> None:
        with changes_by(via="api", by=staff_member.user_id), atomic():
            rows.update(**{column: f"Number {number}"})

    change(0)
    with django_assert_max_num_queries(24) as one:
        client.get(history_url(obj))
    for number in range(1, 30):
        change(number)
    with django_assert_num_queries(len(one.captured_queries)):
        client.get(history_url(obj))
    with django_assert_max_num_queries(28):
        client.get(state_url(obj, 3))


def test_a_record_of_another_program_may_hold_anything(client, patient):
    record = MedicalRecordFactory(patient=patient)
    rows = MedicalRecord.objects.filter(pk=record.pk)
    for values, snapshot in (([1.5, {"a": None}], "text"), ("x", {"fields": [7, {"id": 5}]}), (1e300, None)):
        rows.update(values=values, template_snapshot=snapshot if snapshot is not None else [])
    assert client.get(history_url(record)).status_code == 200
    for sequence in (1, 2, 3, 4):
        assert client.get(state_url(record, sequence)).status_code == 200


def test_a_date_that_python_does_not_have_is_shown_as_it_is(client, patient):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE patients SET birthday = '20000-01-01' WHERE id = %s", [patient.pk])
        cursor.execute("UPDATE patients SET birthday = '2000-01-01' WHERE id = %s", [patient.pk])
    assert "20000-01-01" in text(client.get(history_url(patient)))
    assert "20000-01-01" in text(client.get(state_url(patient, 2)))


@pytest.mark.parametrize("at", ["2026-03-29T02:30:00", "2026-10-25T02:30:00"])
def test_a_time_that_the_clocks_leave_out_or_show_twice_isnt_taken(at, client, patient, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    page = text(client.get(history_url(patient), {"at": at}))
    assert "(Europe/Berlin):" in page
    assert "it may be ambiguous or it may not exist" in page
