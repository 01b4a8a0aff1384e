"""The admin in a real browser, under a Content-Security-Policy that allows no inline script or style.

Each test is one thing that staff do. Set ADMIN_SCREENSHOTS to a folder to look at what they saw.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from clinic_project.clinics.factories import PASSWORD, MembershipFactory, PatientFactory
from clinic_project.clinics.models import Patient
from medical_records.demo.paintings import paint
from medical_records.factories import MedicalRecordFactory, PatientPhotoFactory
from medical_records.models import MedicalRecord
from medical_records.photo_files import PhotoFile
from medical_records.pictures import clean_picture

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium here: apt install chromium chromium-driver"),
]

SECONDS = 10
WIDE, NARROW = (1280, 900), (390, 800)
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


def strict_policy(get_response: Callable[[HttpRequest], HttpResponseBase]):
    """A middleware that forbids everything inline and foreign, and that nothing loosens."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if "html" in response.get("Content-Type", ""):
            response["Content-Security-Policy"] = POLICY
        return response

    return respond


@pytest.fixture
def _strict_policy(settings):
    settings.MIDDLEWARE = [f"{__name__}.strict_policy", *settings.MIDDLEWARE]


class Staff:
    """Somebody at a browser."""

    def __init__(self, driver, address: str, name: str) -> None:
        self.driver, self.address, self.name = driver, address, name

    def open(self, view: str, *args, query: str = "") -> None:
        self.driver.get(f"{self.address}{reverse(f'admin:{view}', args=args)}{query}")

    def find(self, selector: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, SECONDS).until(lambda d: d.find_element(By.CSS_SELECTOR, selector))

    def find_text(self, selector: str, text: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
        from selenium.webdriver.support.ui import WebDriverWait

        found = text_to_be_present_in_element((By.CSS_SELECTOR, selector), text)
        WebDriverWait(self.driver, SECONDS).until(found)
        return self.find(selector)

    def click(self, selector: str) -> None:
        """Click on what leads to another page, and wait for that."""
        from selenium.webdriver.support.expected_conditions import staleness_of
        from selenium.webdriver.support.ui import WebDriverWait

        before = self.find("html")
        self.find(selector).click()
        WebDriverWait(self.driver, SECONDS).until(staleness_of(before))

    def write(self, selector: str, text: str) -> None:
        self.find(selector).send_keys(text)

    def texts(self, selector: str) -> list[str]:
        from selenium.webdriver.common.by import By

        return [found.text for found in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def log_in(self, email: str) -> None:
        self.open("login")
        self.write("[name=username]", email)
        self.write("[name=password]", PASSWORD)
        self.click("[type=submit]")

    def shoot(self, what: str) -> None:
        if folder := os.environ.get("ADMIN_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{what}-{self.name}.png"))

    def picture_width(self, selector: str) -> int:
        """Return how many pixels wide the picture is that the browser has decoded: 0 if it has not."""
        from selenium.webdriver.support.ui import WebDriverWait

        picture = self.find(selector)
        WebDriverWait(self.driver, SECONDS).until(lambda _: picture.get_property("complete"))
        return picture.get_property("naturalWidth")


@pytest.fixture(scope="module", params=["light-wide", "dark-narrow"])
def browser(request, tmp_path_factory) -> Iterator[tuple[Any, str]]:
    """A browser with that theme and size, and what it is called."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    profile = f"user-data-dir={tmp_path_factory.mktemp('profile')}"
    for flag in [*flags.split(), "disable-component-update", "disable-sync", profile]:
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        theme, size = request.param.split("-")
        width, height = WIDE if size == "wide" else NARROW
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "narrow"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        preference = {"name": "prefers-color-scheme", "value": theme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})
        yield driver, request.param
    finally:
        driver.quit()


@pytest.fixture
def staff(browser, live_server, _strict_policy) -> Iterator[Staff]:
    """Somebody at the browser, which says at the end whether the policy has refused anything."""
    driver, name = browser
    driver.get_log("browser")
    yield Staff(driver, live_server.url, name)
    driver.delete_all_cookies()
    complaints = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert complaints == []


@pytest.fixture
def practitioner():
    return MembershipFactory(user__staff=True, user__email="ada@clinic.example")


@pytest.fixture
def patient(practitioner):
    return PatientFactory(clinic=practitioner.clinic, full_name="Grace Hopper")


def put_photo(record: MedicalRecord, description: str):
    """A photo of `record`, with its files in the storage."""
    picture = clean_picture(paint("skin", 1))
    file = PhotoFile(record.clinic_id, picture.sha256)
    file.keep(picture)
    return PatientPhotoFactory(
        patient=record.patient,
        medical_record=record,
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
        description=description,
    )


def test_logging_in_by_email_and_out(staff, practitioner):
    staff.log_in(practitioner.user.email)
    assert "What would you like to look at?" in staff.texts("h1")
    staff.shoot("index")
    staff.click("#logout-form button")
    staff.open("index")
    assert staff.find("[name=password]")
    assert SESSION_KEY not in staff.driver.page_source


def test_a_wrong_password_is_told(staff, practitioner):
    staff.open("login")
    staff.write("[name=username]", practitioner.user.email)
    staff.write("[name=password]", "wrong")
    staff.click("[type=submit]")
    assert "correct email and password" in staff.find(".errornote").text
    staff.shoot("wrong-password")


def test_finding_a_patients_record_by_name_and_reading_it(staff, practitioner, patient):
    MedicalRecordFactory(patient=patient, template__name="First visit")
    MedicalRecordFactory(patient__clinic=practitioner.clinic, patient__full_name="Somebody Else")
    staff.log_in(practitioner.user.email)

    staff.open("medical_records_medicalrecord_changelist")
    staff.write("#searchbar", "hopper\n")
    staff.find("#searchbar[value=hopper]")
    assert staff.texts("#result_list .field-patient") == ["Grace Hopper"]
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
    staff.log_in(practitioner.user.email)

    staff.open("clinics_patient_change", patient.pk)
    assert staff.texts(".overview-record h3") == [record.template_name]
    assert staff.picture_width(".overview-record img") in range(100, 301)
    staff.shoot("patient")

    staff.click(".overview-record a.thumbnail")
    assert staff.picture_width("img") == 900
    staff.shoot("full-picture")


def test_restoring_a_record_with_its_photo(staff, practitioner, patient):
    record = MedicalRecordFactory(patient=patient)
    photo = put_photo(record, "Left forearm")
    staff.log_in(practitioner.user.email)

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


def test_restoring_several_records_by_an_action(staff, practitioner, patient):
    records = MedicalRecordFactory.create_batch(3, patient=patient, in_trash=True)
    staff.log_in(practitioner.user.email)
    staff.open("medical_records_medicalrecord_changelist", query="?trash=only")
    staff.find("#action-toggle").click()
    staff.find("select[name=action] option[value=restore]").click()
    staff.shoot("trash")
    staff.click("#changelist-form button[name=index]")
    assert "Restored: 3." in staff.find(".messagelist").text
    assert MedicalRecord.objects.active().count() == len(records)


def test_choosing_a_clinic_by_typing(staff, practitioner):
    MembershipFactory(user=practitioner.user, clinic__name="Northgate")
    staff.log_in(practitioner.user.email)
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
    staff.log_in(practitioner.user.email)
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
        page, screen = staff.driver.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert page <= screen, view
        staff.shoot(view)
