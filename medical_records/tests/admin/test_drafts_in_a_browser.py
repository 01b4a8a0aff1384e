"""Drafts in a real browser: what was typed and not saved is offered again, to the person who typed it alone."""

import pytest

from clinic_project.clinics.factories import PASSWORD, MembershipFactory, PatientFactory
from clinic_project.clinics.tests.browser import needs_chromium, wait_until
from medical_records.factories import MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecordTemplate

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

CHANGE = "medical_records_medicalrecordtemplate_change"
ADD = "medical_records_medicalrecordtemplate_add"
PATIENT = "clinics_patient_change"
INDEX = "index"

STORED = "return Object.keys(localStorage).filter(name => name.startsWith('draft:'))"
WITHOUT_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('Blocked'); }})"
TWELVE_HOURS_AGO = """
for (const name of Object.keys(localStorage).filter((name) => name.startsWith("draft:"))) {
    const draft = JSON.parse(localStorage.getItem(name));
    draft.at -= 12 * 60 * 60 * 1000;
    localStorage.setItem(name, JSON.stringify(draft));
}"""
FULL = """
localStorage.setItem("filler", "x".repeat(5 * 1024 * 1024 - 200 - JSON.stringify(localStorage).length));
"""


@pytest.fixture
def administrator(staff):
    membership = MembershipFactory(user__staff=True, admin=True)
    staff.come_back(membership.user)
    staff.driver.execute_script("localStorage.clear()")
    return membership


@pytest.fixture
def template(administrator):
    return MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=[make_field("Cough"), make_field("Fever")])


def stored(staff) -> list[str]:
    return staff.driver.execute_script(STORED)


def kept(staff, at_least: int = 1) -> list[str]:
    """Wait until what was typed is kept."""
    wait_until(staff, lambda: len(stored(staff)) >= at_least and not pending(staff))
    return stored(staff)


def pending(staff) -> bool:
    """Wait longer than a pause in typing may be, and for what is being written."""
    return staff.driver.execute_async_script("const done = arguments[0]; setTimeout(() => done(false), 500)")


def type_into(staff, selector: str, text: str) -> None:
    pending(staff)
    staff.find(selector).send_keys(text)
    kept(staff)


def take(staff) -> None:
    staff.click(".draft-continue")
    staff.find_text(".draft", "This is the draft of ")


def is_offered(staff) -> bool:
    pending(staff)
    return bool(staff.texts(".draft-continue"))


def in_a_new_tab(staff) -> str:
    """Go to a new tab, and return the old one's handle; only that has the size and the theme of the browser."""
    before = staff.driver.current_window_handle
    staff.driver.switch_to.new_window("tab")
    return before


def close_and_go_to(staff, tab: str) -> None:
    staff.driver.close()
    staff.driver.switch_to.window(tab)


def label(staff, place: int) -> str:
    return staff.find(f"#id_questions-{place}-label").get_property("value")


def add_a_question(staff, text: str, place: int) -> None:
    from selenium.webdriver.support.expected_conditions import staleness_of

    before = staff.find("#questions")
    staff.find("button[name=_edit][value=add]").click()
    wait_until(staff, lambda: staleness_of(before)(staff.driver))
    type_into(staff, f"#id_questions-{place}-label", text)


def log_out(staff) -> None:
    staff.click("#logout-form button")


def test_a_closed_tab_loses_nothing(staff, template):
    first = in_a_new_tab(staff)
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    add_a_question(staff, "Headache", 2)
    close_and_go_to(staff, first)
    staff.open(CHANGE, template.pk)
    assert staff.find(".draft-continue").text.startswith("Continue the draft of ")
    assert not staff.find(".draft-older").is_displayed()
    assert staff.sees_the_whole_width()
    staff.shoot("draft-offered")
    take(staff)
    assert staff.find("#id_name").get_property("value") == f"{template.name}, new"
    assert [label(staff, place) for place in range(3)] == ["Cough", "Fever", "Headache"]
    assert not is_offered(staff)
    staff.shoot("draft-continued")
    staff.click(".submit-row [name=_continue]")
    assert "was changed successfully" in staff.find(".messagelist").text
    assert stored(staff) == []
    assert not is_offered(staff)
    assert [field["label"] for field in MedicalRecordTemplate.objects.get().fields] == ["Cough", "Fever", "Headache"]


def test_what_is_stored_cannot_be_read(staff, template):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", "Secret words")
    content = staff.driver.execute_script("return JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
    assert template.name not in content
    assert "Secret" not in content


def test_a_session_that_ended_loses_nothing(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.driver.delete_cookie("sessionid")
    staff.find("#id_description").send_keys("Typed last")
    staff.click(".submit-row [name=_save]")
    assert len(stored(staff)) == 1
    staff.write("[name=username]", administrator.user.email)
    staff.write("[name=password]", PASSWORD)
    staff.click("#login-form [type=submit]")
    take(staff)
    assert staff.find("#id_name").get_property("value") == f"{template.name}, new"
    staff.click(".submit-row [name=_save]")
    same = MedicalRecordTemplate.objects.get()
    assert (same.name, same.description) == (f"{template.name}, new", "Typed last")
    assert stored(staff) == []


def test_whoever_logs_in_again_in_another_tab_saves_in_the_first(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.driver.delete_cookie("sessionid")
    first = in_a_new_tab(staff)
    staff.log_in(administrator.user.email)
    close_and_go_to(staff, first)
    staff.click(".submit-row [name=_save]")
    assert MedicalRecordTemplate.objects.get().name == f"{template.name}, new"


def test_a_button_of_the_editor_works_again_after_the_login(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.driver.delete_cookie("sessionid")
    staff.find("button[name=_edit][value=add]").click()
    staff.find_text(".editor-status", "What you have typed is still here")
    first = in_a_new_tab(staff)
    staff.log_in(administrator.user.email)
    close_and_go_to(staff, first)
    add_a_question(staff, "Headache", 2)
    staff.click(".submit-row [name=_save]")
    same = MedicalRecordTemplate.objects.get()
    assert (same.name, same.fields[2]["label"]) == (f"{template.name}, new", "Headache")


def test_the_logout_deletes_it(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.open(INDEX)
    log_out(staff)
    assert stored(staff) == []
    staff.come_back(administrator.user)
    staff.open(CHANGE, template.pk)
    assert not is_offered(staff)


def test_an_open_tab_keeps_nothing_after_the_logout(staff, template):
    staff.open(CHANGE, template.pk)
    first = in_a_new_tab(staff)
    staff.open(INDEX)
    log_out(staff)
    close_and_go_to(staff, first)
    staff.find("#id_name").send_keys(", new")
    staff.find_text(".draft", "keeps no draft")
    assert stored(staff) == []


def test_another_user_neither_gets_nor_leaves_it(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.driver.delete_cookie("sessionid")
    staff.open("login")
    assert len(stored(staff)) == 1
    other = MembershipFactory(user__staff=True, admin=True, clinic=administrator.clinic)
    staff.come_back(other.user)
    staff.open(INDEX)
    assert stored(staff) == []
    staff.open(CHANGE, template.pk)
    assert not is_offered(staff)


@pytest.mark.parametrize("page", ["login", INDEX])
def test_it_is_gone_after_twelve_hours(page, staff, template):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.driver.execute_script(TWELVE_HOURS_AGO)
    if page == "login":
        staff.driver.delete_cookie("sessionid")
    staff.open(page)
    assert stored(staff) == []


def test_a_form_with_errors_goes_on_with_its_draft(staff, template):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_description", "Every visit")
    staff.find("#id_name").clear()
    staff.click(".submit-row [name=_save]")
    assert not is_offered(staff)
    (draft,) = stored(staff)
    type_into(staff, "#id_description", ", always")
    assert stored(staff) == [draft]
    staff.open(CHANGE, template.pk)
    take(staff)
    assert staff.find("#id_description").get_property("value").endswith("Every visit, always")


def test_two_tabs_have_a_draft_each(staff, template):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", one")
    first = in_a_new_tab(staff)
    staff.open(CHANGE, template.pk)
    staff.find_text(".draft", "open in another tab")
    assert not is_offered(staff)
    staff.find("#id_name").send_keys(", two")
    assert len(kept(staff, 2)) == 2
    staff.click(".submit-row [name=_save]")
    assert len(stored(staff)) == 1
    close_and_go_to(staff, first)
    staff.click(".submit-row [name=_save]")
    assert staff.driver.switch_to.active_element.text == "Two versions"


def test_an_offer_is_not_overwritten_by_what_is_typed_beside_it(staff, template):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", one")
    staff.open(CHANGE, template.pk)
    assert is_offered(staff)
    staff.find("#id_name").send_keys(", two")
    assert len(kept(staff, 2)) == 2
    staff.open(CHANGE, template.pk)
    pending(staff)
    assert len(staff.texts(".draft-continue")) == 2
    for left in (1, 0):
        staff.find(".draft-discard").click()
        assert len(stored(staff)) == left
    assert not is_offered(staff)


def test_a_draft_of_an_older_version_shows_both(staff, template, administrator):
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    MedicalRecordTemplate.objects.change(template.pk, [1], administrator.user, name="Their name")
    staff.open(CHANGE, template.pk)
    assert staff.find(".draft-older").is_displayed()
    staff.shoot("draft-of-an-older-version")
    take(staff)
    staff.click(".submit-row [name=_save]")
    assert staff.driver.switch_to.active_element.text == "Two versions"
    assert "Their name" in staff.texts(".conflict td")
    assert MedicalRecordTemplate.objects.get().name == "Their name"


def test_what_somebody_else_changed_in_another_input_stays(staff, administrator):
    patient = PatientFactory(clinic=administrator.clinic, phone_number="0912 000 111")
    staff.open(PATIENT, patient.pk)
    type_into(staff, "#id_full_name", " Lin")
    type(patient).objects.filter(pk=patient.pk).update(phone_number="0912 000 222")
    staff.open(PATIENT, patient.pk)
    assert staff.find(".draft-older").is_displayed()
    staff.find(".draft-continue").click()
    staff.find_text(".draft", "This is the draft of ")
    assert staff.find("#id_full_name").get_property("value") == f"{patient.full_name} Lin"
    assert staff.find("#id_phone_number").get_property("value") == "0912 000 222"
    staff.click(".submit-row [name=_save]")
    patient.refresh_from_db()
    assert (patient.full_name[-4:], patient.phone_number) == (" Lin", "0912 000 222")
    assert stored(staff) == []


def test_passwords_and_files_are_not_kept_and_what_has_no_place_any_more_is_shown(staff, administrator):
    patient = PatientFactory(clinic=administrator.clinic)
    more = """
        const add = (type, name) => {
            const input = Object.assign(document.createElement("input"), {type, name, id: name, ariaLabel: name});
            document.querySelector("#patient_form").append(input);
        };
        add("password", "secret");
        add("text", "once");
        document.querySelector("#once").autocomplete = "one-time-code";"""
    staff.open(PATIENT, patient.pk)
    staff.driver.execute_script(f"{more} add('text', 'gone');")
    for name in ("secret", "once", "gone"):
        type_into(staff, f"#{name}", f"The text of {name}")
    staff.open(PATIENT, patient.pk)
    staff.driver.execute_script(more)
    staff.find(".draft-continue").click()
    staff.find_text(".draft", "has no place any more for:")
    assert staff.texts(".draft li") == ["The text of gone"]
    assert [staff.find(f"#{name}").get_property("value") for name in ("secret", "once")] == ["", ""]
    staff.shoot("draft-without-place")


def test_a_draft_is_offered_by_the_time_in_the_language_of_the_page(staff, template):
    import re

    staff.driver.add_cookie({"name": "django_language", "value": "zh-hant"})
    staff.open(CHANGE, template.pk)
    type_into(staff, "#id_name", ", new")
    staff.open(CHANGE, template.pk)
    assert re.search(r"\b([01]\d|2[0-3]):[0-5]\d\b", staff.find(".draft-continue").text)


@pytest.mark.parametrize("problem", ["blocked", "full"])
def test_without_storage_the_page_says_so(problem, staff, template):
    script = ""
    if problem == "blocked":
        added = staff.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_STORAGE})
        script = added["identifier"]
    staff.open(CHANGE, template.pk)
    if problem == "full":
        staff.driver.execute_script(FULL)
    staff.find("#id_name").send_keys(", new")
    staff.find_text(".draft", "keeps no draft")
    if problem == "full":
        staff.shoot("draft-storage-full")
    staff.click(".submit-row [name=_save]")
    assert MedicalRecordTemplate.objects.get().name == f"{template.name}, new"
    if script:
        # Django's own scripts don't expect it.
        assert not [entry for entry in staff.driver.get_log("browser") if "drafts.js" in entry["message"]]
        staff.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})
    else:
        staff.driver.execute_script("localStorage.clear()")


def test_a_new_template_is_kept_apart_from_others(staff, template):
    staff.open(ADD)
    staff.find("#id_name").send_keys("Vital signs")
    add_a_question(staff, "Pulse", 0)
    staff.open(CHANGE, template.pk)
    assert not is_offered(staff)
    staff.open(ADD)
    take(staff)
    assert label(staff, 0) == "Pulse"
