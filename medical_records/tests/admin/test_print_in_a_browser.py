"""A record on paper, as a real browser prints it."""

import io
import os
from base64 import b64decode
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest
from django.conf import settings

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.browser import needs_chromium
from medical_records.factories import MedicalRecordFactory, make_field

from ..photos.uploads import put_photo

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

#: Inches.
A4 = {"paperWidth": 8.27, "paperHeight": 11.69}


@pytest.fixture
def practitioner():
    return MembershipFactory(user__staff=True, full_name="Ada Lovelace", clinic__name="Riverside Clinic")


def sheets(staff, what: str):
    """Print the page that is open as the browser's dialog would; the PDF is kept with the screenshots."""
    import pypdf

    pdf = b64decode(staff.driver.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    if folder := os.environ.get("ADMIN_SCREENSHOTS"):
        (Path(folder) / f"{what}-{staff.name}.pdf").write_bytes(pdf)
    return list(pypdf.PdfReader(io.BytesIO(pdf)).pages)


def test_a_record_with_two_photos_is_read_on_the_screen_and_printed_on_one_sheet(staff, practitioner):
    fields = [
        make_field("Reason for the visit", required=True, order=0),
        make_field("Temperature", "number", order=1, unit="°C", min=30, max=45, required=True),
        make_field("Systolic", "number", order=2, unit="mmHg", min=40, max=300),
        make_field("Side", "radio", order=3, options=["Left", "Right"]),
        make_field("Allergies", "checkbox", order=4, options=["Penicillin", "Latex", "Pollen"]),
        make_field("Since", "date", order=5, description="As the patient remembers it"),
    ]
    values = {fields[0]["id"]: "Cough\nfor ten days", fields[2]["id"]: 128, fields[4]["id"]: ["Latex"]}
    record = MedicalRecordFactory(
        patient=PatientFactory(clinic=practitioner.clinic, full_name="Grace Hopper", gender="female"),
        template__fields=fields,
        template__name="General consultation",
        values=values,
        created_by_user=practitioner.user,
    )
    for caption in ("Left forearm", "Left forearm, with the ruler"):
        put_photo(record, caption)
    staff.come_back(practitioner.user)
    staff.open("medical_records_medicalrecord_change", record.pk)
    staff.shoot("record-to-print")
    staff.click(".printlink")
    assert "128 mmHg" in staff.texts(".answers td")
    assert staff.texts(".is-missing strong") == ["Missing"]
    assert staff.image_width(".photos img") == 900
    assert staff.sees_the_whole_width()
    staff.shoot("print")
    (sheet,) = sheets(staff, "print")
    assert "128 mmHg" in sheet.extract_text()
    assert "Back to the record" not in sheet.extract_text()
    assert len(sheet.images) == 2
    staff.click(".not-on-paper a")
    assert staff.find(".filled-form")


def test_a_long_record_says_on_each_sheet_whose_it_is(staff, practitioner):
    fields = [make_field(f"Question {number}", "textarea", order=number) for number in range(30)]
    words = {field["id"]: [f"q{number}w{word}" for word in range(150)] for number, field in enumerate(fields)}
    values = {key: " ".join(answer) for key, answer in words.items()} | {fields[1]["id"]: "x" * 4000}
    record = MedicalRecordFactory(
        patient=PatientFactory(clinic=practitioner.clinic, full_name="Grace Hopper"),
        template__fields=fields,
        values=values,
    )
    for number in range(7):
        put_photo(record, f"Photo {number}")
    staff.come_back(practitioner.user)
    staff.open("medical_records_medicalrecord_print", record.pk)
    assert staff.sees_the_whole_width()
    staff.shoot("print-long")
    printed = sheets(staff, "print-long")
    texts = [sheet.extract_text() for sheet in printed]
    assert len(texts) > 5
    for number, text in enumerate(texts, 1):
        assert "Grace Hopper, born" in text
        assert f"Record {record.pk}, version 1" in text
        assert "by Ada Lovelace" in text
        assert f"Page {number} of {len(texts)}" in text
        has_answers = "w1" in text or "xxx" in text
        assert ("Question Answer" in " ".join(text.split())) == has_answers
    printed_words = Counter(" ".join(texts).split())
    assert all(printed_words[word] == 1 for key in values.keys() - {fields[1]["id"]} for word in words[key])
    assert sum(text.count("x") for text in texts) >= 4000
    # One that was cut would be on two of them.
    assert sum(len(sheet.images) for sheet in printed) == 7


def test_a_record_is_printed_in_chinese_to_the_foot_of_each_sheet(staff, practitioner):
    fields = [make_field("現病史", "textarea", order=0)]
    patient = PatientFactory(clinic=practitioner.clinic, full_name="王小明", birthday="1980-03-02")
    values = {fields[0]["id"]: "病人自述三個月前左前臂出現紅色斑塊、逐漸擴大。" * 200}
    record = MedicalRecordFactory(patient=patient, template__fields=fields, template__name="皮膚科初診", values=values)
    staff.come_back(practitioner.user)
    staff.driver.add_cookie({"name": settings.LANGUAGE_COOKIE_NAME, "value": "zh-hant"})
    staff.open("medical_records_medicalrecord_print", record.pk)
    staff.shoot("print-chinese")
    printed = sheets(staff, "print-chinese")
    # Fonts have some characters as radicals; NFKC has Chinese commas as Latin ones.
    texts = ["".join(normalize("NFKC", sheet.extract_text()).split()) for sheet in printed]
    assert len(texts) > 1
    for number, text in enumerate(texts, 1):
        assert f"第{number}頁,共{len(texts)}頁" in text
        assert f"王小明,生日1980年3月2日,病人{patient.pk}" in text
        assert "Page" not in text
    assert sum(text.count("三個月前") for text in texts) + sum(text.count("逐漸擴大") for text in texts) >= 390
