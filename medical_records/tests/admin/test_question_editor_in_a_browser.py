"""The question editor in a real browser: by keyboard, with and without JavaScript, with many questions."""

import pytest

from clinic_project.clinics.factories import MembershipFactory
from clinic_project.clinics.tests.browser import needs_chromium, press, wait_until
from medical_records.factories import MedicalRecordTemplateFactory, every_field_type, make_field
from medical_records.models import MedicalRecordTemplate

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

CHANGE = "medical_records_medicalrecordtemplate_change"
ADD = "medical_records_medicalrecordtemplate_add"


@pytest.fixture
def administrator(staff):
    membership = MembershipFactory(user__staff=True, admin=True)
    staff.come_back(membership.user)
    return membership


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def any_browser(request, staff, administrator):
    """Somebody at a browser, whether it runs scripts or not."""
    with staff.without_scripts(request.param == "without JavaScript"):
        yield staff


def wait_for_focus(staff, name: str, value: str | None = None) -> None:
    """Wait until the person is at the input or button with that name."""

    def is_there() -> bool:
        element = staff.driver.switch_to.active_element
        is_named = element.get_attribute("name") == name
        return is_named and value in (None, element.get_attribute("value"))

    wait_until(staff, is_there)


def edit(staff, value: str) -> None:
    """Press a button of the editor, and wait until the questions are there anew."""
    from selenium.webdriver.support.expected_conditions import staleness_of

    before = staff.find("#questions")
    staff.find(f"button[name=_edit][value={value}]").click()
    wait_until(staff, lambda: staleness_of(before)(staff.driver))


def labels(staff) -> list[str]:
    """Return the labels of the questions, as they are in the inputs."""
    wait_until(staff, lambda: staff.find("#questions"))
    script = "return [...document.querySelectorAll('.input-label input')].map(input => input.value)"
    return staff.driver.execute_script(script)


def test_a_template_is_made_by_keyboard_alone(any_browser):
    from selenium.webdriver.common.keys import Keys

    staff = any_browser
    staff.open(ADD)
    if staff.has_scripts:
        wait_for_focus(staff, "name")
    staff.find("#id_name").send_keys("Vital signs", Keys.TAB)
    press(staff, "Every visit", Keys.TAB)
    wait_for_focus(staff, "_edit", "add")
    press(staff, Keys.ENTER)
    wait_for_focus(staff, "questions-0-label")
    press(staff, "Pulse", Keys.TAB)
    press(staff, "Number", Keys.TAB)
    press(staff, Keys.SPACE, Keys.TAB)
    press(staff, "At rest", Keys.TAB, Keys.TAB)
    press(staff, "bpm", Keys.TAB)
    press(staff, "30", Keys.TAB)
    press(staff, "220", Keys.TAB)
    # The only question can't be moved.
    wait_for_focus(staff, "_edit", "add-0")
    press(staff, Keys.ENTER)
    wait_for_focus(staff, "questions-1-label")
    press(staff, "Side", Keys.TAB)
    press(staff, "One option, from b", Keys.TAB, Keys.TAB, Keys.TAB)
    wait_for_focus(staff, "questions-1-options")
    press(staff, "Left", Keys.ENTER, "Right", Keys.TAB)
    wait_for_focus(staff, "_edit", "up-1")
    press(staff, Keys.ENTER)
    wait_for_focus(staff, "_edit", "down-0")
    staff.shoot("editor-made")
    staff.find("#id_name").send_keys(Keys.ENTER)
    assert "was added successfully" in staff.find(".messagelist").text
    side, pulse = MedicalRecordTemplate.objects.get().fields
    assert (side["label"], side["type"], side["options"]) == ("Side", "radio", ["Left", "Right"])
    assert {name: pulse[name] for name in ("label", "description", "required", "unit", "min", "max")} == {
        "label": "Pulse",
        "description": "At rest",
        "required": True,
        "unit": "bpm",
        "min": 30,
        "max": 220,
    }


def test_questions_are_moved_removed_kept_and_previewed(any_browser, administrator):
    staff = any_browser
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic)
    first, second, _, *rest = [field["label"] for field in template.fields]
    staff.open(CHANGE, template.pk)
    edit(staff, "down-0")
    wait_for_focus(staff, "_edit", "down-1")
    edit(staff, "remove-2")
    wait_for_focus(staff, "_edit", "keep-2")
    edit(staff, "remove-0")
    wait_for_focus(staff, "_edit", "keep-0")
    edit(staff, "keep-0")
    wait_for_focus(staff, "_edit", "remove-0")
    staff.find("#id_questions-1-label").send_keys("?")
    staff.click("button[value=preview]")
    assert staff.texts(".preview dt") == [second, f"{first}? required", *rest]
    assert staff.driver.switch_to.active_element.text == "Preview"
    assert staff.sees_the_whole_width()
    staff.shoot("editor-preview")
    staff.click(".submit-row [name=_save]")
    assert [field["label"] for field in MedicalRecordTemplate.objects.get().fields] == [second, f"{first}?", *rest]


def test_each_type_shows_the_inputs_that_it_needs(any_browser, administrator):
    from selenium.webdriver.support.ui import Select

    staff = any_browser
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=[make_field("Cough")])
    staff.open(CHANGE, template.pk)
    names = ("placeholder", "options", "unit", "min", "max")

    def seen() -> set[str]:
        return {name for name in names if staff.find(f"#id_questions-0-{name}").is_displayed()}

    for field_type, expected in (
        ("text", {"placeholder"}),
        ("textarea", {"placeholder"}),
        ("number", {"placeholder", "unit", "min", "max"}),
        ("date", set()),
        ("dropdown", {"options"}),
        ("radio", {"options"}),
        ("checkbox", {"options"}),
    ):
        Select(staff.find("#id_questions-0-type")).select_by_value(field_type)
        assert seen() == expected, field_type
    # What is in an input is seen until somebody takes it away: the rules refuse it.
    staff.find("#id_questions-0-options").send_keys("Left")
    Select(staff.find("#id_questions-0-type")).select_by_value("date")
    assert seen() == {"options"}
    staff.click(".submit-row [name=_save]")
    wait_for_focus(staff, "questions-0-options")
    assert staff.find("#id_questions-0-options_error").text.startswith("A question of the type “Date” has no options.")


def test_two_versions_stand_side_by_side(staff, administrator):
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic)
    foreign = {"id": "s", "type": "signature", "label": "Sign here", "pen": "blue"}
    fields = [*every_field_type(), {**make_field("Weight", "number", unit="kg"), "colour": "red"}, foreign]
    staff.open(CHANGE, template.pk)
    staff.find("#id_questions-0-label").send_keys(", in one word")
    objects = MedicalRecordTemplate.objects
    objects.change(template.pk, [1], administrator.user, name="Their name", fields=[template.fields[1], *fields[2:]])
    staff.click(".submit-row [name=_save]")
    assert staff.driver.switch_to.active_element.text == "Two versions"
    assert "Their name" in staff.texts(".conflict td")
    assert labels(staff)[0] == "Chief complaint, in one word"
    assert staff.sees_the_whole_width()
    staff.find(".conflict summary").click()
    saved, typed = (staff.find(f"[aria-labelledby={side}-form]") for side in ("saved", "typed"))
    is_beside = saved.rect["y"] == typed.rect["y"] and saved.rect["x"] < typed.rect["x"]
    assert is_beside == ("wide" in staff.name)
    staff.shoot("editor-conflict")
    staff.open(CHANGE, template.pk)
    staff.find("#id_questions-0-label").clear()
    staff.click(".submit-row [name=_save]")
    wait_for_focus(staff, "questions-0-label")
    assert staff.sees_the_whole_width()
    staff.shoot("editor-errors")


def test_what_was_typed_stays_when_the_server_refuses(staff, administrator):
    staff.open(ADD)
    staff.find("#id_name").send_keys("Vital signs")
    edit(staff, "add")
    staff.find("#id_questions-0-label").send_keys("Pulse")
    staff.driver.delete_all_cookies()
    staff.find("button[value=add]").click()
    wait_until(staff, lambda: "What you have typed is still here" in staff.find(".editor-status").text)
    assert labels(staff) == ["Pulse"]
    staff.complaints()


def where_the_handle_is(staff, place: int) -> tuple[int, int]:
    """Return the middle of a question's handle, once it stands still: the page's scripts may put something above it."""
    script = """
        const handle = document.querySelectorAll(".drag-handle")[arguments[0]];
        handle.scrollIntoView({block: "center"});
        const at = handle.getBoundingClientRect();
        const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
        return handle.contains(document.elementFromPoint(x, y)) ? [x, y] : null;"""
    seen: list[list[float] | None] = [None]

    def stands_still() -> bool:
        seen.append(staff.driver.execute_script(script, place))
        return seen[-1] is not None and seen[-1] == seen[-2]

    wait_until(staff, stands_still)
    x, y = map(int, seen[-1] or [])
    return x, y


def drag(staff, place: int, *moves: int, kind: str = "mouse", release: bool = True) -> None:
    """Take the handle of a question by a mouse or a finger, move it so many pixels down each time, and let it go."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    x, y = where_the_handle_is(staff, place)
    chain = ActionChains(staff.driver, duration=50, devices=[PointerInput(kind, f"pointer of {kind}")])
    pointer = chain.w3c_actions.pointer_action
    pointer.move_to_location(x, y).pointer_down()
    for move in moves:
        y += move
        pointer.move_to_location(x, y)
    if release:
        pointer.pointer_up()
    chain.w3c_actions.perform()


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_a_question_is_dragged(kind, staff, administrator):

    names = [f"Question {name}" for name in "ABCDEF"]
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=[make_field(name) for name in names])
    staff.open(CHANGE, template.pk)
    staff.find("#id_questions-1-label").send_keys(", typed")
    # A question that is folded is some 30 pixels high.
    drag(staff, 1, 8, 70, kind=kind)
    staff.find_text(".editor-status", "“Question B, typed” is now question 4 of 6.")
    assert labels(staff) == [names[0], *names[2:4], f"{names[1]}, typed", *names[4:]]
    assert staff.sees_the_whole_width()
    staff.click(".submit-row [name=_save]")
    saved = MedicalRecordTemplate.objects.get().fields
    assert [field["id"] for field in saved] == [template.fields[place]["id"] for place in (0, 2, 3, 1, 4, 5)]


def test_dragging_is_given_up_by_escape(staff, administrator):
    from selenium.webdriver.common.keys import Keys

    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=[make_field(name) for name in "ABC"])
    staff.open(CHANGE, template.pk)
    drag(staff, 0, 8, 200, release=False)
    wait_until(staff, lambda: labels(staff) == ["B", "C", "A"])
    staff.shoot("editor-dragging")
    press(staff, Keys.ESCAPE)
    assert labels(staff) == ["A", "B", "C"]
    assert not staff.texts(".is-sorting")


def test_a_refused_move_is_put_back(staff, administrator):
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=[make_field(name) for name in "ABC"])
    staff.open(CHANGE, template.pk)
    staff.driver.delete_all_cookies()
    drag(staff, 0, 8, 200)
    staff.find_text(".editor-status", "What you have typed is still here")
    assert labels(staff) == ["A", "B", "C"]
    staff.driver.get_log("browser")


def test_two_hundred_questions_can_be_edited(staff, administrator):
    fields = [make_field(f"Question {number}", order=number) for number in range(200)]
    template = MedicalRecordTemplateFactory(clinic=administrator.clinic, fields=fields)
    staff.open(CHANGE, template.pk)
    edit(staff, "up-199")
    wait_for_focus(staff, "_edit", "up-198")
    staff.find("#id_questions-198-label").send_keys(", moved")
    staff.click(".submit-row [name=_save]")
    assert "was changed successfully" in staff.find(".messagelist").text
    moved, last = MedicalRecordTemplate.objects.get().fields[198:]
    assert (moved["label"], moved["id"]) == ("Question 199, moved", fields[199]["id"])
    assert last["id"] == fields[198]["id"]
