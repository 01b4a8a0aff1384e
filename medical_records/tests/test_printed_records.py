"""A record as it is printed: what the paper says, of any record that can be in the database."""

import datetime
import re
from html import unescape

import pytest
from django.utils import timezone

from clinic_project.clinics.factories import PatientFactory
from clinic_project.clinics.times import zoned
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory, make_field
from medical_records.printed_records import Print, PrintedPhoto, record_html, stylesheet

MOMENT = datetime.datetime(2026, 5, 3, 8, 30, tzinfo=datetime.UTC)


def record_with(**columns):
    """A record that is in no database."""
    patient = PatientFactory.build(
        pk=7, full_name="Grace Hopper", birthday=datetime.date(1906, 12, 9), gender="female", clinic__name="Riverside"
    )
    written = {"created_at": MOMENT, "created_by_user_id": 3, "updated_by_user_id": 3}
    return MedicalRecordFactory.build(
        **{"pk": 12, "patient": patient, "template__name": "First visit", **written, **columns}
    )


def printed(record, photos=()):
    return record_html(record, photos, {3: "Ada Lovelace", 4: "Alan Turing"}, Print(MOMENT, "Katherine Johnson"))


def words(html):
    return " ".join(unescape(re.sub(r"<.*?>", " ", html)).split())


def test_it_says_whose_record_it_is_who_wrote_it_and_who_printed_it():
    text = words(printed(record_with()))
    for part in (
        "Riverside First visit Patient Grace Hopper Born 9 Dec 1906 Gender female Patient number 7",
        "Written 3 May 2026, 08:30 (UTC) by Ada Lovelace",
        "Not signed",
        "Grace Hopper, born 9 Dec 1906, patient 7 Record 12, version 1",
        "Printed 3 May 2026, 08:30 (UTC) by Katherine Johnson",
    ):
        assert part in text
    assert "Last change" not in text


def test_it_says_who_changed_it_last():
    later = MOMENT + datetime.timedelta(days=1)
    text = words(printed(record_with(updated_at=later, updated_by_user_id=4, version=2)))
    assert "Last change 4 May 2026, 08:30 (UTC) by Alan Turing" in text


def test_times_are_those_of_the_time_zone_with_its_name():
    with timezone.override("Asia/Taipei"):
        assert zoned(MOMENT) == "3 May 2026, 16:30 (Asia/Taipei)"


def test_answers_have_their_units_and_those_that_are_missing_are_marked():
    fields = [
        make_field("Weight", "number", order=0, unit="kg", min=0.5),
        make_field("Complaint", order=1, required=True),
        make_field("Since", "date", order=2),
        make_field("Side", "radio", order=3, options=["Left", "Right"]),
        make_field("Skin type", "dropdown", order=4, options=["I", "II", "III"]),
    ]
    values = {fields[0]["id"]: 70.5, fields[3]["id"]: "Right", fields[4]["id"]: "II"}
    text = words(printed(record_with(template__fields=fields, values=values)))
    assert "Weight At least 0.5 kg 70.5 kg Complaint required Missing Since Not answered" in text
    assert "Side Left \u00d7 Right , chosen Skin type \u00d7 II , chosen" in text


def test_photos_have_their_captions_and_what_is_wrong_with_them():
    left = PatientPhotoFactory.build(pk=1, description="Left arm", created_at=MOMENT)
    lost = PatientPhotoFactory.build(pk=2, filename="IMG_1.jpg", created_at=MOMENT, is_pending=True)
    html = printed(record_with(), [PrintedPhoto(left, "photos/1.jpg"), PrintedPhoto(lost, problem="It is missing.")])
    assert re.findall(r'<img src="(.*?)" alt="(.*?)">', html) == [("photos/1.jpg", "Left arm")]
    assert "It is missing. 2. IMG_1.jpg Photo 2, 3 May 2026, 08:30 (UTC); pending, so that it isn't part" in words(html)


def test_what_is_in_the_trash_is_marked():
    assert "In the trash since 3 May 2026, 08:30 (UTC)" in printed(record_with(is_deleted=True, deleted_at=MOMENT))
    assert "In the trash since an unknown time" in printed(record_with(is_deleted=True))


def signed(record, by="Ada Lovelace"):
    record.signed_at, record.signed_by_name, record.content_hash = MOMENT, by, "9f86d081" * 8
    return record


def test_a_signature_is_shown_with_its_hash():
    text = words(printed(signed(record_with())))
    assert f"Signed 3 May 2026, 08:30 (UTC) by Ada Lovelace SHA-256 of what was signed: {'9f86d081' * 8}" in text
    assert "Not signed" not in text
    assert "by somebody whose name isn't known" in words(printed(signed(record_with(), by=None)))


def test_amendments_and_errors_are_marked():
    record = record_with()
    record.amended_at, record.amendment_reason = MOMENT, "It is the left arm."
    record.entered_in_error_at, record.entered_in_error_by_name = MOMENT, "Alan Turing"
    record.entered_in_error_reason = "Of another patient."
    text = words(printed(record))
    assert "Entered in error, marked 3 May 2026, 08:30 (UTC) by Alan Turing: Of another patient." in text
    assert "Amended 3 May 2026, 08:30 (UTC), after it had been signed: It is the left arm." in text
    assert "Not signed" in text


def test_nothing_that_people_wrote_is_taken_for_html():
    evil = "<script>alert(1)</script>"
    fields = [make_field(evil, unit=evil, description=evil), make_field(evil, "radio", options=[evil])]
    record = record_with(
        patient__full_name=evil, template__name=evil, template__fields=fields, values={fields[0]["id"]: evil}
    )
    photo = PatientPhotoFactory.build(pk=1, description=f'"{evil}')
    html = printed(record, [PrintedPhoto(photo, "1.jpg")])
    assert "<script" not in html
    assert '"&quot;&lt;script' in html


@pytest.mark.parametrize("broken", [None, [], "text", 7, {"fields": None}, {"fields": [{"options": 3}, "x"]}])
def test_a_record_whose_json_is_no_form_is_printed_as_it_is(broken):
    assert "First visit" in printed(record_with(template_snapshot=broken, values=broken))
    assert "Values that belong to no question of the form" in printed(record_with(values={"x": 1}))


def test_the_stylesheet_is_about_printed_records_alone_and_loads_nothing():
    rules = re.sub(r"/\*.*?\*/", "", stylesheet(), flags=re.DOTALL)
    selectors = [line for line in rules.splitlines() if line.endswith(("{", ",")) and "@" not in line]
    # The body alone chooses the sheets, in whose margins the language is the page's.
    selectors.remove(":lang(zh-hant) body {")
    assert all(line.lstrip().startswith(".printed-record") for line in selectors)
    assert "url(" not in rules
    assert "</" not in rules
