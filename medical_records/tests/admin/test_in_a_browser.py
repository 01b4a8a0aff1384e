"""The admin in a real browser. Each test is one thing that staff do."""

import datetime as dt

import pytest
from django.contrib.auth import SESSION_KEY
from django.utils import timezone

from clinic_project.audit.destruction import destroy
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from clinic_project.clinics.tests.browser import needs_chromium
from medical_records import services
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto

from ..photos.uploads import put_photo
from ..retention import in_trash_since, long_ago
from ..unrecorded import unrecorded
from .pages import in_trash

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]


@pytest.fixture
def practitioner():
    return MembershipFactory(user__staff=True, user__email="ada@clinic.example")


@pytest.fixture
def patient(practitioner):
    return PatientFactory(clinic=practitioner.clinic, full_name="Grace Hopper")


def test_logging_in_by_email_and_out(staff, practitioner):
    staff.log_in(practitioner.user.email)
    assert "What would you like to look at?" in staff.texts("h1")
    staff.shoot("index")
    staff.click("#logout-form button")
    staff.open("index")
    assert staff.find("[name=password]")
    assert SESSION_KEY not in staff.driver.page_source


def test_a_wrong_password_is_refused_with_a_message(staff, practitioner):
    staff.open("login")
    staff.write("[name=username]", practitioner.user.email)
    staff.write("[name=password]", "wrong")
    staff.click("#login-form [type=submit]")
    assert "correct email and password" in staff.find(".errornote").text
    staff.shoot("wrong-password")


def test_finding_a_patients_record_by_name_and_reading_it(staff, practitioner, patient):
    MedicalRecordFactory(patient=patient, template__name="First visit")
    MedicalRecordFactory(patient__clinic=practitioner.clinic, patient__full_name="Somebody Else")
    staff.come_back(practitioner.user)

    staff.open("medical_records_medicalrecord_changelist")
    staff.write("#searchbar", "hopper\n")
    staff.find("#searchbar[value=hopper]")
    (named,) = staff.texts("#result_list .field-patient_shown")
    assert named.split("\n") == ["Grace Hopper", patient.born]
    staff.shoot("search")

    staff.click("#result_list tbody th a")
    assert "Chief complaint: nothing unusual" in staff.texts(".filled-form dd")
    assert [text.split("\n")[0] for text in staff.texts(".filled-form .is-chosen")] == [
        "Mild",
        "Right",
        "Penicillin",
        "Latex",
    ]
    staff.shoot("record")


def test_looking_at_a_photo_from_the_patients_page(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    put_photo(record, "Left forearm")
    staff.come_back(practitioner.user)

    staff.open("clinics_patient_change", patient.pk)
    assert staff.texts(".overview-record h3") == [record.template_name]
    assert staff.image_width(".overview-record img") in range(100, 301)
    staff.shoot("patient")

    staff.click(".overview-record a.thumbnail")
    assert staff.image_width("img") == 900
    staff.shoot("full-image")


def test_restoring_a_record_with_its_photo(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    photo = put_photo(record, "Left forearm")
    staff.come_back(practitioner.user)

    staff.open("medical_records_medicalrecord_change", record.pk)
    staff.click(".deletelink")
    staff.shoot("confirmation")
    staff.click("#content form [type=submit]")
    assert "moved to the trash" in staff.find(".messagelist").text
    photo.refresh_from_db()
    assert photo.is_deleted

    staff.click(".messagelist a")
    staff.click("#result_list tbody th a")
    staff.shoot("in-the-trash")
    staff.click(".in-trash button")
    assert "was restored" in staff.find(".messagelist").text
    photo.refresh_from_db()
    assert not photo.is_deleted
    assert not MedicalRecord.objects.get(pk=record.pk).is_deleted


@pytest.mark.parametrize("scripts_are_off", [False, True])
def test_several_are_asked_about_before_they_go_to_the_trash(staff, practitioner, patient, scripts_are_off):
    first, second, third = MedicalRecordFactory.create_batch(3, patient=patient, template_name="First visit")
    staff.come_back(practitioner.user)

    def choose(*records) -> None:
        staff.open("medical_records_medicalrecord_changelist")
        for record in records:
            staff.find(f"input.action-select[value='{record.pk}']").click()
        staff.find("select[name=action] option[value=move_to_trash]").click()
        staff.click(".actions button")

    with staff.without_scripts(scripts_are_off):
        choose(first, second)
        assert "Move these 2 to the trash?" in staff.find("#content").text
        staff.shoot("several-to-the-trash")
        staff.click(".cancel-link")
        assert staff.texts(".messagelist") == []
        choose(first, second)
        staff.click("#content form [type=submit]")
        assert "Moved to the trash" in staff.find(".messagelist").text
    assert [in_trash(record) for record in (first, second, third)] == [True, True, False]


def test_signing_amending_and_marking_a_record(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient, template__name="First visit")
    field = record.template_snapshot["fields"][0]["id"]
    other = MedicalRecordFactory(patient=patient, template=record.template, values={})
    late = timezone.now() - dt.timedelta(hours=30)
    MedicalRecord.objects.filter(pk=other.pk).update(updated_at=late)
    staff.come_back(practitioner.user)
    sign_record(staff, record, practitioner.full_name)
    amend_and_sign_again(staff)
    sign_incomplete_and_mark_as_error(staff, other)
    read_what_was_done(staff, record)
    assert MedicalRecord.objects.get(pk=record.pk).values[field]


def sign_record(staff, record, signer):
    staff.open("medical_records_medicalrecord_change", record.pk)
    assert staff.sees_the_whole_width()
    staff.shoot("unsigned")
    staff.click(".signing a.button")
    assert f"Sign this record as {signer}?" in staff.find("#content-main").text
    assert staff.sees_the_whole_width()
    staff.shoot("sign")
    staff.click("#content-main form button")
    assert "Signed" in staff.find(".messagelist").text
    assert f"Signed by {signer}" in staff.find(".signature").text
    staff.shoot("signed")


def amend_and_sign_again(staff):
    staff.find(".signing summary").click()
    staff.write("#amend_reason", "It is the left knee, and not the right one.")
    assert staff.sees_the_whole_width()
    staff.shoot("amending")
    staff.click(".signing details[open] button")
    assert "It is the left knee" in staff.find(".signature").text
    staff.click(".signing a.button")
    staff.click("#content-main form button")
    staff.shoot("signed-again")


def sign_incomplete_and_mark_as_error(staff, record):
    staff.open("medical_records_medicalrecord_change", record.pk)
    assert "Nobody has signed it" in staff.find(".signing").text
    staff.shoot("overdue-incomplete")
    staff.click(".signing a.button")
    staff.find("[name=incomplete]").click()
    staff.shoot("sign-incomplete")
    staff.click("#content-main form button")
    staff.find(".signing details:last-of-type summary").click()
    staff.write("#enter_in_error_reason", "Written for another patient")
    staff.click(".signing details[open] button")
    assert "Entered in error" in staff.find(".signature").text
    staff.shoot("in-error")


def read_what_was_done(staff, record):
    staff.open("medical_records_medicalrecord_changelist", query="?error=with")
    assert sorted(staff.texts("#result_list .field-state")) == ["Entered in error", "Signed"]
    assert staff.sees_the_whole_width()
    staff.shoot("states-in-a-list")
    staff.open("medical_records_medicalrecord_history", record.pk)
    assert staff.texts(".change h2") == ["Signed", "Amended", "Signed", "Created"]
    staff.shoot("history-of-signatures")


def test_restoring_several_records_by_an_action(staff, practitioner, patient):
    records = MedicalRecordFactory.create_batch(3, patient=patient, in_trash=True)
    staff.come_back(practitioner.user)
    staff.open("medical_records_medicalrecord_changelist", query="?trash=only")
    staff.find("#action-toggle").click()
    staff.find("select[name=action] option[value=restore]").click()
    staff.shoot("trash")
    staff.click("#changelist-form button[name=index]")
    assert staff.find(".messagelist").text.count("of Grace Hopper") == 3
    assert MedicalRecord.objects.active().count() == len(records)


def test_choosing_a_clinic_by_typing(staff, practitioner):
    MembershipFactory(user=practitioner.user, clinic__name="Northgate")
    staff.come_back(practitioner.user)
    staff.open("clinics_patient_add")
    staff.find(".select2-selection").click()
    staff.write(".select2-search__field", "north")
    staff.find_text(".select2-results__option--highlighted", "Northgate").click()
    staff.shoot("autocomplete")
    staff.write("#id_full_name", "Katherine Johnson")
    staff.click("[name=_save]")
    assert "was added successfully" in staff.find(".messagelist").text
    assert Patient.objects.get(full_name="Katherine Johnson").clinic.name == "Northgate"


def test_no_page_is_wider_than_the_screen(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    photo = put_photo(record, "A very long description, " * 8)
    staff.come_back(practitioner.user)
    for view, *args in (
        ["clinics_patient_changelist"],
        ["clinics_patient_change", patient.pk],
        ["medical_records_medicalrecord_changelist"],
        ["medical_records_medicalrecord_change", record.pk],
        ["medical_records_medicalrecordtemplate_change", record.template_id],
        ["medical_records_patientphoto_changelist"],
        ["medical_records_patientphoto_change", photo.pk],
    ):
        staff.open(view, *args)
        assert staff.sees_the_whole_width(), view
        staff.shoot(view)


def change_over_time(record: MedicalRecord, membership) -> None:
    """Two changes of a record by a member, and between them one that no trigger recorded."""
    rows = MedicalRecord.objects.all()
    first, second, *_ = (field["id"] for field in record.template_snapshot["fields"])
    story = record.values[second].replace("unusual", "remarkable")
    for version, answers in ((1, {first: "Cough"}), (2, {second: story})):
        record.refresh_from_db()
        with changes_by(via="api", by=membership.user_id, name="Ada Lovelace"), atomic():
            values = {**record.values, **answers}
            services.change_record(record, [version], membership.user, values=values)
        if version == 1:
            with unrecorded("medical_records"):
                rows.filter(pk=record.pk).update(template_name="Another name")


def test_reading_what_was_changed_and_the_record_as_it_was(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    put_photo(record, "Left forearm")
    change_over_time(record, practitioner)
    staff.come_back(practitioner.user)
    staff.open("medical_records_medicalrecord_change", record.pk)
    staff.click(".historylink")
    assert staff.texts(".change h2") == ["Changed", "Found changed, by nobody known", "Changed", "Created"]
    assert "Ada Lovelace" in staff.texts(".change .who")[0]
    assert staff.sees_the_whole_width()
    staff.shoot("history-record")

    staff.driver.execute_script("document.querySelector('#id_at').value = '2126-05-03T10:00:00'")
    staff.click("form.moment button")
    assert "This is the present state." in staff.texts(".earlier-state p")[0]
    staff.click(".state-links a:nth-last-child(2)")

    staff.click(".change:last-child .state-link a")
    assert "This is an earlier state." in staff.texts(".earlier-state p")[0]
    assert "Chief complaint: nothing unusual" in staff.texts(".filled-form dd")
    assert staff.sees_the_whole_width()
    staff.shoot("state-record")


def test_the_histories_of_a_patient_and_a_template_are_read_by_keyboard(staff, practitioner, patient):
    with changes_by(via="admin", by=practitioner.user_id, name="Ada Lovelace"), atomic():
        Patient.objects.filter(pk=patient.pk).update(full_name="Grace Murray", notes="Comes with an interpreter.")
    template = MedicalRecordTemplateFactory(clinic=practitioner.clinic)
    fields = [{**template.fields[0], "label": "Reason for the visit"}, *template.fields[2:]]
    with changes_by(via="api", by=practitioner.user_id, name="Ada Lovelace"), atomic():
        services.change_template(
            MedicalRecordTemplate.objects.all(), template.pk, [1], practitioner.user, fields=fields
        )
    staff.come_back(practitioner.user)
    staff.open("clinics_patient_history", patient.pk)
    assert staff.sees_the_whole_width()
    staff.shoot("history-patient")
    staff.write(".change:last-child .state-link a", "\n")
    assert "Grace Hopper" in staff.find(".field-full_name .readonly").text
    assert staff.sees_the_whole_width()
    staff.shoot("state-patient")
    for view, *args in (["history", template.pk], ["state", template.pk, 1]):
        staff.open(f"medical_records_medicalrecordtemplate_{view}", *args)
        assert staff.sees_the_whole_width()
        staff.shoot(f"{view}-template")


def test_until_when_the_trash_is_kept_and_what_was_destroyed(staff, practitioner):
    patient = PatientFactory(clinic=practitioner.clinic, full_name="Grace Hopper", birthday=None)
    administrator = MembershipFactory(admin=True, user__staff=True, clinic=practitioner.clinic)
    record = MedicalRecordFactory(patient=patient, in_trash=True)
    photo = put_photo(record, "Left forearm")
    services.move_photo_to_trash(PatientPhoto.objects.all(), photo.pk, practitioner.user)
    old = MedicalRecordFactory.create_batch(3, patient=patient, **in_trash_since(long_ago()))
    for number, description in enumerate(
        ({"via": "api", "name": "Ada Lovelace"}, {"via": "command", "command": "purge_trash"}, {})
    ):
        with changes_by(**description), atomic():
            destroy("medical_records", [old[number].pk])
    staff.come_back(administrator.user)

    for view, pk in (("medicalrecord", record.pk), ("patientphoto", photo.pk)):
        staff.open(f"medical_records_{view}_change", pk)
        assert "To be kept until" in staff.find(".in-trash").text
        assert staff.sees_the_whole_width()
        staff.shoot(f"kept-{view}")

    staff.open("audit_destruction_changelist")
    assert staff.texts("#result_list .field-patient") == ["Grace Hopper"] * 3
    assert staff.texts("#result_list .field-who")[1:] == [
        "purge_trash, a command of manage.py",
        "Ada Lovelace, through the API",
    ]
    assert staff.sees_the_whole_width()
    staff.shoot("destructions")
    staff.click("#result_list tbody th a")
    assert len(staff.find(".field-sha256 .readonly").text) == 64
    assert staff.sees_the_whole_width()
    staff.shoot("destruction")


def test_reading_who_looked_at_a_patient(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    put_photo(record, "Left forearm")
    staff.come_back(practitioner.user)
    staff.open("clinics_patient_change", patient.pk)
    staff.open("medical_records_medicalrecord_changelist")
    staff.open("medical_records_medicalrecord_change", record.pk)
    assert "Who looked" not in staff.texts(".object-tools a")

    administrator = MembershipFactory(clinic=patient.clinic, user__staff=True, admin=True, full_name="Noor Haddad")
    staff.come_back(administrator.user)
    staff.open("medical_records_medicalrecord_change", record.pk)
    staff.click(".object-tools a[href$='/who-looked/']")
    assert staff.texts(".accesses tbody td:nth-child(3)") == ["Opened", "Opened", "In a list", "Opened"]
    assert staff.sees_the_whole_width()
    staff.shoot("who-looked-record")
    staff.open("clinics_patient_who_looked", patient.pk)
    assert practitioner.full_name in "".join(staff.texts(".accesses tbody td:nth-child(2)"))
    assert "In a list" in staff.texts(".accesses tbody td:nth-child(3)")
    assert staff.sees_the_whole_width()
    staff.shoot("who-looked-patient")


def test_a_link_on_another_site_leads_to_a_page_with_a_link(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    staff.come_back(practitioner.user)
    staff.open("medical_records_medicalrecord_change", record.pk)
    address, looks = staff.driver.current_url, Access.objects.count()

    staff.driver.get(f"data:text/html,<a href='{address}'>The record</a>")
    staff.click("a")
    assert staff.texts("h1") == ["Opened from another site"]
    assert Access.objects.count() == looks
    assert staff.sees_the_whole_width()
    staff.shoot("another-site")
    assert ["403" in text for text in staff.complaints()] == [True]

    staff.click("#content p a")
    assert staff.driver.current_url == address
    assert staff.find(".filled-form")
    assert Access.objects.count() == looks + 1
