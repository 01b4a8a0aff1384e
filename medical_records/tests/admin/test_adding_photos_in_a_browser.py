"""Adding photos in a real browser: chosen, dropped, shown, described, sent, and sent again."""

import os

import pytest
from PIL.PngImagePlugin import PngInfo

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.browser import needs_chromium, wait_until
from medical_records.factories import MedicalRecordFactory
from medical_records.models import PatientPhoto

from ..photos.image_files import BLUE, RED, plain

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

PHOTOS = "medical_records_medicalrecord_photos"

#: Drops files on the page, as a person drags them from a folder: names and what is in them, as Base64.
DROP = """
const dropped = new DataTransfer();
for (const [name, type, data] of arguments[0]) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    dropped.items.add(new File([bytes], name, {type}));
}
for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, {dataTransfer: dropped, bubbles: true, cancelable: true});
    document.querySelector("h1").dispatchEvent(event);
}
"""

#: The colour in the middle of each preview.
COLOURS = """
return [...document.querySelectorAll("canvas.is-drawn")].map(
    (canvas) => [...canvas.getContext("2d").getImageData(60, 60, 1, 1).data.slice(0, 3)]);
"""


@pytest.fixture
def record(staff, media):
    membership = MembershipFactory(user__staff=True)
    staff.come_back(membership.user)
    return MedicalRecordFactory(
        patient__clinic=membership.clinic, patient__full_name="Grace Hopper", template__name="First visit"
    )


@pytest.fixture
def files(tmp_path):
    """Files that somebody has: by their names, their paths."""
    contents = {
        "knee.jpg": plain(size=(640, 480)),
        "elbow.png": plain("PNG", (300, 900), BLUE),
        "notes.jpg": b"no image",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def choose(staff, *paths: str) -> None:
    staff.driver.find_element("id", "id_photos").send_keys("\n".join(paths))


def noise(size: int) -> PngInfo:
    """Return what makes a file larger, and its picture no other."""
    info = PngInfo()
    info.add(b"noIs", os.urandom(size))
    return info


def is_like(colour, expected) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(colour, expected, strict=True))


def states(staff) -> list[str]:
    rows = staff.driver.find_elements("css selector", ".chosen-photos > li")
    return [row.get_attribute("data-state") for row in rows]


def saved() -> list[tuple]:
    return list(PatientPhoto.objects.order_by("pk").values_list("filename", "description", "is_pending"))


def on_the_records_page(staff) -> bool:
    """Say whether the person is at the record's page, and the browser has asked for all pictures of it."""
    if not (staff.driver.current_url.endswith("/change/") and staff.texts(".field-photos figcaption")):
        return False
    return staff.driver.execute_script("return [...document.images].every((image) => image.complete)")


def test_photos_are_chosen_shown_described_and_added(staff, record, files):
    staff.open("medical_records_medicalrecord_change", record.pk)
    staff.click(".field-photos .photo-links a")
    staff.shoot("photos-none")
    choose(staff, files["knee.jpg"], files["elbow.png"])
    wait_until(staff, lambda: len(staff.driver.execute_script(COLOURS)) == 2)
    first, second = staff.driver.execute_script(COLOURS)
    assert is_like(first, RED)
    assert is_like(second, BLUE)
    assert staff.texts(".chosen-name") == ["knee.jpg", "elbow.png"]
    staff.find("li:nth-child(2) textarea").send_keys("Left elbow")
    staff.shoot("photos-chosen")
    assert staff.sees_the_whole_width()
    assert saved() == []
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("knee.jpg", None, False), ("elbow.png", "Left elbow", False)]
    assert staff.texts(".field-photos figcaption") == ["knee.jpg", "Left elbow"]
    assert staff.image_width(".field-photos img") in range(100, 301)
    staff.shoot("photos-on-the-record")


def test_photos_are_dropped_anywhere_and_left_out(staff, record, files):
    from base64 import b64encode
    from pathlib import Path

    def dropped(name: str, media_type: str) -> list[str]:
        return [name, media_type, b64encode(Path(files[name]).read_bytes()).decode()]

    staff.open(PHOTOS, record.pk)
    staff.driver.execute_script(DROP, [dropped("knee.jpg", "image/jpeg"), dropped("elbow.png", "image/png")])
    wait_until(staff, lambda: len(staff.driver.execute_script(COLOURS)) == 2)
    staff.find("li:first-child .leave-out").click()
    assert staff.texts(".chosen-name") == ["elbow.png"]
    assert staff.driver.switch_to.active_element.get_attribute("class") == "leave-out"
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("elbow.png", None, False)]


def test_a_bad_file_is_told_at_its_row_and_the_others_are_saved_once(staff, record, files):
    staff.open(PHOTOS, record.pk)
    choose(staff, files["knee.jpg"], files["notes.jpg"], files["elbow.png"])
    staff.find("li:nth-child(2) textarea").send_keys("What the patient wrote")
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: states(staff) == ["saved", "failed", "saved"])
    assert "isn't a JPEG" in staff.find("[data-state=failed] .chosen-state").text
    assert staff.find("[data-state=failed] textarea").get_property("value") == "What the patient wrote"
    assert staff.find_text(".adding-status", "Not all photos were saved: each says why.")
    staff.shoot("photos-one-refused")

    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: states(staff) == ["saved", "failed", "saved"])
    assert [name for name, *_ in saved()] == ["knee.jpg", "elbow.png"]
    staff.find("[data-state=failed] .leave-out").click()
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: on_the_records_page(staff))
    assert [name for name, *_ in saved()] == ["knee.jpg", "elbow.png"]


def test_a_file_that_is_too_large_isnt_even_sent(staff, record, tmp_path):
    (tmp_path / "large.jpg").write_bytes(bytes(10 * 1024 * 1024 + 1))
    staff.open(PHOTOS, record.pk)
    choose(staff, str(tmp_path / "large.jpg"))
    wait_until(staff, lambda: states(staff) == ["failed"])
    assert "larger than 10 MB" in staff.find("[data-state=failed] .chosen-state").text
    # What is left there keeps the page from being left without a question.
    staff.find(".leave-out").click()
    assert states(staff) == []


def test_of_a_large_file_it_is_shown_how_much_was_sent(staff, record, tmp_path):
    (tmp_path / "large.png").write_bytes(plain("PNG", (700, 700), pnginfo=noise(400_000)))
    staff.open(PHOTOS, record.pk)
    choose(staff, str(tmp_path / "large.png"))
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    staff.driver.execute_cdp_cmd("Network.enable", {})
    staff.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    try:
        staff.find("#add-photos [type=submit]").click()
        wait_until(staff, lambda: 0 < staff.find("li progress:not([hidden])").get_property("value") < 1)
        assert staff.find(".chosen-state").text == "Being sent"
        staff.shoot("photos-being-sent")
    finally:
        staff.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("large.png", None, False)]


def test_without_a_connection_nothing_is_lost_and_the_next_try_saves_it(staff, record, files):
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    staff.open(PHOTOS, record.pk)
    choose(staff, files["knee.jpg"])
    staff.find("li textarea").send_keys("Left knee")
    staff.driver.execute_cdp_cmd("Network.enable", {})
    staff.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        staff.find("#add-photos [type=submit]").click()
        wait_until(staff, lambda: states(staff) == ["failed"])
        assert "didn't reach the server" in staff.find(".chosen-state").text
    finally:
        staff.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    staff.driver.get_log("browser")  # which tells of the failed request
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("knee.jpg", "Left knee", False)]


def test_who_is_logged_out_meanwhile_logs_in_elsewhere_and_goes_on(staff, record, files):
    user = record.patient.clinic.memberships.get().user
    staff.open(PHOTOS, record.pk)
    choose(staff, files["knee.jpg"])
    staff.find("li textarea").send_keys("Left knee")
    staff.driver.delete_cookie("sessionid")
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: states(staff) == ["failed"])
    assert "Log in on another tab" in staff.find(".chosen-state").text

    first = staff.driver.current_window_handle
    staff.driver.switch_to.new_window("tab")
    try:
        staff.log_in(user.email)
    finally:
        staff.driver.close()
        staff.driver.switch_to.window(first)
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("knee.jpg", "Left knee", False)]


def test_who_logs_in_elsewhere_meanwhile_adds_no_photos_of_somebody_else(staff, record, files):
    colleague = MembershipFactory(clinic=record.clinic, user__staff=True).user
    staff.open(PHOTOS, record.pk)
    choose(staff, files["knee.jpg"])
    page = staff.driver.current_window_handle
    staff.driver.delete_cookie("sessionid")
    staff.driver.switch_to.new_window("tab")
    staff.log_in(colleague.email)
    owner = "return localStorage.getItem('drafts-of')"
    wait_until(staff, lambda: staff.driver.execute_script(owner) == str(colleague.pk))
    staff.driver.close()
    staff.driver.switch_to.window(page)
    staff.find("#add-photos [type=submit]").click()
    wait_until(staff, lambda: states(staff) == ["failed"])
    staff.driver.get_log("browser")  # which tells of the refused request
    assert not PatientPhoto.objects.exists()


def test_by_keyboard_alone(staff, record, files):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(keys: str) -> None:
        ActionChains(staff.driver).send_keys(keys).perform()

    staff.open(PHOTOS, record.pk)
    staff.driver.execute_script("document.getElementById('id_photos').focus()")
    choose(staff, files["knee.jpg"])
    wait_until(staff, lambda: states(staff) == ["waiting"])
    while staff.driver.switch_to.active_element.tag_name != "textarea":
        press(Keys.TAB)
    press("Left knee")
    press(Keys.TAB)
    assert staff.driver.switch_to.active_element.text == "Leave out"
    press(Keys.TAB)
    assert staff.driver.switch_to.active_element.get_attribute("type") == "submit"
    press(Keys.ENTER)
    wait_until(staff, lambda: on_the_records_page(staff))
    assert saved() == [("knee.jpg", "Left knee", False)]


def test_without_scripts_the_captions_come_next(staff, record, files):
    with staff.without_scripts():
        staff.open(PHOTOS, record.pk)
        choose(staff, files["knee.jpg"], files["elbow.png"])
        staff.shoot("photos-without-scripts")
        staff.click("#add-photos [type=submit]")
        assert staff.texts(".messagelist li") == ["2 photos were added."]
        staff.shoot("photos-captions")
        assert staff.sees_the_whole_width()
        staff.find("li:last-child textarea").send_keys("Left elbow")
        staff.click("[type=submit].default")
        assert staff.texts(".messagelist li") == ["1 caption was changed."]
    assert saved() == [("knee.jpg", None, False), ("elbow.png", "Left elbow", False)]
