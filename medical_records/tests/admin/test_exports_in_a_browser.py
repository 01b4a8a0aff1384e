"""A patient's export, downloaded in a real browser, unpacked, and read there without a network."""

import zipfile
from pathlib import Path

import pytest

from clinic_project.clinics.factories import MembershipFactory, PatientFactory
from clinic_project.clinics.tests.browser import Staff, needs_chromium
from clinic_project.reconciliation.tests.support.waiting import wait_until
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory

from ..photos.uploads import put_photo

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]


@pytest.fixture
def administrator():
    return MembershipFactory(user__staff=True, admin=True, full_name="Dr. Chen")


def downloaded(staff: Staff, folder: Path) -> Path:
    """Return the file that the browser has put into `folder`, once it is whole."""
    [found] = wait_until(lambda: list(folder.glob("*.zip")))
    return found


def test_exporting_a_patient_and_reading_it(staff, administrator, tmp_path):
    patient = PatientFactory(clinic=administrator.clinic, full_name="Grace Hopper", notes="Prefers mornings.\nDeaf.")
    record = MedicalRecordFactory(patient=patient, template__name="First visit")
    MedicalRecordFactory(patient=patient, template__name="Follow-up", in_trash=True)
    put_photo(record, "Left forearm")
    staff.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    staff.come_back(administrator.user)

    staff.open("clinics_patient_change", patient.pk)
    staff.shoot("patient-with-export")
    staff.click(".object-tools a[href$='/export/']")
    assert staff.texts("h1") == ["Export of Grace Hopper"]
    assert staff.sees_the_whole_width()
    staff.shoot("export")
    PatientPhotoFactory(patient=patient, description="An X-ray, whose file is missing")
    staff.find(".export a.default").click()

    with zipfile.ZipFile(downloaded(staff, tmp_path)) as copy:
        copy.extractall(tmp_path / "copy")
    staff.driver.get(f"file://{tmp_path}/copy/index.html")
    assert staff.texts("h1") == ["Grace Hopper"]
    assert staff.image_width(f"#record-{record.pk} img") > 0
    assert staff.sees_the_whole_width()
    staff.shoot("exported")


def test_copying_a_template(staff, administrator):
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, name="First visit")
    staff.come_back(administrator.user)
    staff.open("medical_records_medicalrecordtemplate_change", template.pk)
    staff.click(".object-tools a[href$='/copy/']")
    staff.find("#id_name").clear()
    staff.write("#id_name", "First visit of a child")
    assert staff.sees_the_whole_width()
    staff.shoot("copy-template")
    staff.click("[type=submit].default")
    assert "First visit of a child" in staff.find(".messagelist").text
    assert staff.find("#id_name").get_property("value") == "First visit of a child"
