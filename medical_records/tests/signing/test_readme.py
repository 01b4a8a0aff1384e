"""What the README says of signing, where a test can tell whether it is so."""

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from clinic_project.clinics.factories import PatientFactory
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordTemplateFactory, sample_value

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README.split("\n## Signing\n")[1].split("\n## ")[0]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_whoever_has_the_record_makes_its_hash_by_the_functions_of_the_readme(api, clinic):
    [shown] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    written = {}
    exec(shown, written)  # noqa: S102 - our own README

    patient, template = PatientFactory(clinic=clinic), MedicalRecordTemplateFactory(clinic=clinic)
    photos = [
        api.post(
            "/api/clinic/patient-photos",
            {"patient_id": patient.pk, "file": SimpleUploadedFile("a.jpg", paint("skin", seed), "image/jpeg")},
            format="multipart",
        ).json()
        for seed in (1, 2)
    ]
    values = {field["id"]: sample_value(field) for field in template.fields}
    body = {"template_id": template.pk, "values": values, "photo_ids": [photo["id"] for photo in photos]}
    record = api.post(f"/api/clinic/patients/{patient.pk}/medical-records", body).json()
    signed = api.post(f"/api/clinic/medical-records/{record['id']}/sign", {"version": 1}).json()
    pictures = [b"".join(api.get(photo["file"]).streaming_content) for photo in photos]
    assert (
        written["content_hash"](api.get(f"/api/clinic/medical-records/{record['id']}").json(), pictures)
        == signed["content_hash"]
    )
