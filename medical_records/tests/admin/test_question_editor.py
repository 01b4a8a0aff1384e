"""The question editor of templates, without JavaScript: what is saved, what isn't, and what stands at which input."""

import re

import pytest
from django.db import connection
from django.urls import reverse

from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.factories import ClinicFactory, MembershipFactory
from medical_records import services
from medical_records.factories import MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecordTemplate

from .pages import change_url, list_url
from .question_forms import as_typed, errors, sent, shown

pytestmark = pytest.mark.django_db

ADD = "admin:medical_records_medicalrecordtemplate_add"
PULSE = {"label": "Pulse", "type": "number", "unit": "bpm", "min": "30", "max": "220.5", "required": "on"}


def the_template() -> MedicalRecordTemplate:
    return MedicalRecordTemplate.objects.get()


def without_ids(fields):
    return [{name: value for name, value in field.items() if name != "id"} for field in fields]


def of(membership, *fields, **columns):
    return MedicalRecordTemplateFactory(clinic=membership.clinic, fields=list(fields), **columns)


# Making one


def test_an_administrator_makes_a_template_in_the_only_clinic(client, clinic_admin):
    assert "clinic" not in client.get(reverse(ADD)).context["adminform"].form.fields
    side = {"label": "Side", "type": "radio", "options": "Left\r\n\r\n Right "}
    client.post(reverse(ADD), sent([PULSE, side], description="One\r\nTwo"))
    template = the_template()
    assert (template.clinic, template.created_by_user) == (clinic_admin.clinic, clinic_admin.user)
    assert (template.name, template.description) == ("First visit", "One\nTwo")
    assert without_ids(template.fields) == [
        {**PULSE, "min": 30, "max": 220.5, "required": True, "order": 0},
        {"label": "Side", "type": "radio", "options": ["Left", "Right"], "required": False, "order": 1},
    ]
    assert len({field["id"] for field in template.fields}) == 2


def test_an_administrator_of_several_clinics_chooses_one_of_those(client, clinic_admin):
    second = MembershipFactory(user=clinic_admin.user, admin=True)
    only_read = MembershipFactory(user=clinic_admin.user)
    page = client.get(reverse(ADD))
    clinics = page.context["adminform"].form.fields["clinic"].queryset
    assert set(clinics) == {clinic_admin.clinic, second.clinic}
    for clinic in (only_read.clinic, ClinicFactory()):
        assert client.post(reverse(ADD), sent([], clinic=clinic.pk)).status_code == 200
    assert not MedicalRecordTemplate.objects.exists()
    client.post(reverse(ADD), sent([], clinic=second.clinic_id))
    assert the_template().clinic == second.clinic


def test_a_long_list_of_clinics_is_searched(client, superuser, monkeypatch):
    ClinicFactory.create_batch(2)
    assert "admin-autocomplete" not in client.get(reverse(ADD)).content.decode()
    monkeypatch.setattr("medical_records.admin.templates.MAX_CHOICES", 1)
    assert "admin-autocomplete" in client.get(reverse(ADD)).content.decode()


def test_who_only_reads_makes_none(client, staff_member):
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse(ADD), sent([])).status_code == 403


def test_a_template_that_the_database_leaves_out_is_said_not_to_be_there(client, clinic_admin):
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        cursor.execute(
            "CREATE TRIGGER leave_out BEFORE INSERT ON medical_record_templates FOR EACH ROW EXECUTE FUNCTION leave_out()"
        )
    draft = "0b3c2f3e-9d6a-4f0e-8a53-1c2d3e4f5a6b"
    page = client.post(reverse(ADD), sent([], _draft=draft), follow=True)
    assert page.redirect_chain == [(list_url("medicalrecordtemplate"), 302)]
    assert "The database left it as it is." in page.content.decode()
    # The browser still has what was typed.
    assert "saved_draft" not in client.cookies


# The buttons


def test_a_button_shows_the_form_again_with_all_that_was_typed_and_saves_nothing(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"), make_field("Fever"))
    rows = [as_typed(field) for field in template.fields]
    typed = [{**rows[0], "label": "Cough?", "min": "x"}, rows[1], {"label": "New", "options": "a\r\nb"}]
    data = sent(typed, version=1, name="Other", description="New")
    page = client.post(change_url(template), {**data, "_edit": "up-1"})
    assert shown(page) == ["Fever", "Cough?", "New"]
    form = page.context["adminform"].form
    assert [form[name].value() for name in ("name", "description", "version")] == ["Other", "New", "1"]
    assert [question["min"].value() for question in form.questions] == ["", "x", ""]
    assert form.questions.forms[2]["options"].value() == "a\nb"
    assert [question.reference for question in form.questions] == [rows[1]["id"], rows[0]["id"], ""]
    assert not form.errors
    assert the_template().name == template.name


def test_a_move_says_where_the_question_is_now(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"), make_field("Fever"), make_field("Pain"))
    data = sent([as_typed(field) for field in template.fields], version=1)
    for button, said in (
        ("down-0", "“Cough” is now question 2 of 3."),
        ("move-2-to-0", "“Pain” is now question 1 of 3."),
        ("add", ""),
        ("move-2-to-9", ""),
    ):
        page = client.post(change_url(template), {**data, "_edit": button}).content.decode()
        assert re.findall('<p class="editor-status"[^>]*>(.*)</p>', page) == [said]
    assert the_template().version == 1


def test_the_page_begins_where_the_person_goes_on(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"), make_field("Fever"))
    data = sent([as_typed(field) for field in template.fields], version=1)
    for button, begins in (
        ("add", 'name="questions-2-label"'),
        ("up-1", 'value="down-0"'),
        ("remove-0", 'value="keep-0"'),
        ("preview", 'id="preview-heading"'),
    ):
        page = client.post(change_url(template), {**data, "_edit": button}).content.decode()
        (focused,) = re.findall("<[^>]* autofocus[^>]*>", page)
        assert begins in focused


def test_a_draft_is_shown_as_it_was_typed_with_the_version_that_it_was_made_from(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"))
    page = client.get(change_url(template)).content.decode()
    assert f'data-draft="{change_url(template)}" data-draft-restore="_edit"' in page
    typed = [{**as_typed(template.fields[0]), "label": "Cough?"}, {"label": "", "min": "x"}]
    services.change_template(MedicalRecordTemplate.objects.all(), template.pk, [1], clinic_admin.user, name="Theirs")
    page = client.post(change_url(template), sent(typed, version=1, name="Mine", _edit="draft"))
    form = page.context["adminform"].form
    assert [form[name].value() for name in ("name", "version")] == ["Mine", "1"]
    assert shown(page) == ["Cough?", ""]
    assert not form.errors
    assert "autofocus" not in page.content.decode()


def test_a_removed_question_stays_until_the_template_is_saved(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"), make_field("Fever"))
    rows = [as_typed(field) for field in template.fields]
    page = client.post(change_url(template), sent(rows, version=1, _edit="remove-0"))
    assert shown(page) == ["(Cough)", "Fever"]
    client.post(change_url(template), sent([{**rows[0], "label": "", "min": "x", "DELETE": "1"}, rows[1]], version=1))
    assert the_template().fields == [{**template.fields[1], "order": 0}]


def test_the_preview_is_the_form_as_it_will_be(client, clinic_admin):
    rows = [PULSE, {"label": "Side", "type": "radio", "options": "Left\nRight"}, {"label": "", "min": "x"}]
    page = client.post(reverse(ADD), sent(rows, _edit="preview"))
    preview = page.context["preview"]
    assert [(answer.label, answer.required, answer.range) for answer in preview.answers] == [
        ("Pulse", True, "from 30 to 220.5 bpm"),
        ("Side", False, ""),
        ("(no label)", False, ""),
    ]
    assert [option.label for option in preview.answers[1].options] == ["Left", "Right"]
    assert "Missing" not in page.content.decode()
    assert set(errors(page)) == {"questions-2-label", "questions-2-min"}
    assert not MedicalRecordTemplate.objects.exists()


# Changing one


def test_ids_stay_with_their_questions(client, clinic_admin):
    cough, fever, side = fields = [
        make_field("Cough", order=0),
        make_field("Fever", "number", order=1, unit="°C", min=30, max=45),
        make_field("Side", "radio", order=2, options=["Left", "Right"]),
    ]
    template = of(clinic_admin, *fields)
    rows = [
        as_typed(side),
        {"label": "Between"},
        {**as_typed(fever), "label": "Temperature", "max": ""},
        as_typed(cough),
    ]
    client.post(change_url(template), sent(rows, version=1))
    same = the_template()
    assert (same.version, same.updated_by_user) == (2, clinic_admin.user)
    first, between, second, third = same.fields
    assert first == {**side, "order": 0}
    assert second == {
        **{name: value for name, value in fever.items() if name != "max"},
        "label": "Temperature",
        "order": 2,
    }
    assert third == {**cough, "order": 3}
    assert between["id"] not in {field["id"] for field in fields}


def test_what_was_not_changed_is_saved_as_it_is(client, clinic_admin):
    odd = [
        make_field(" Spaces ", description="One\r\nTwo", placeholder=None, order=3),
        make_field("Dose", "number", min=5.0, max=None, order=5, required=True),
        make_field("x" * 300, "number", unit="u" * 60, min=-1e-20, max=1e300, order=7),
        make_field("Side", "radio", options=[" Left", "Right", "Left"], order=9),
    ]
    template = of(clinic_admin, *odd, description="One\nTwo")
    stored = the_template().fields
    client.post(change_url(template), sent([as_typed(field) for field in stored], version=1, description="One\r\nTwo"))
    same = the_template()
    assert same.version == 2
    assert same.fields == stored
    assert same.description == "One\nTwo"


def test_only_what_was_changed_is_written(client, clinic_admin):
    spaces = make_field(" Spaces ", description="One\r\nTwo", placeholder=None, order=3)
    dose = make_field("Dose", "number", min=5.0, max=None, order=5, required=True)
    long = make_field("x" * 300, "number", unit="u" * 60, min=-0.5, order=7)
    side = make_field("Side", "radio", options=[" Left", "Right"], order=9)
    template = of(clinic_admin, spaces, dose, long, side)
    rows = [as_typed(field) for field in template.fields]
    client.post(change_url(template), sent([rows[0], {**rows[1], "label": "Daily dose"}, *rows[2:]], version=1))
    assert the_template().fields == [spaces, {**dose, "label": "Daily dose"}, long, side]


@pytest.mark.parametrize(
    ("question", "at", "says"),
    [
        ({"label": " "}, "label", "can't be blank"),
        ({"label": "x" * 256}, "label", "at most 255"),
        ({"label": "Side", "type": "dropdown"}, "options", "of the type “One option, from a list” needs options."),
        ({"label": "Side", "type": "text", "options": "Left"}, "options", "of the type “Short text” has no options."),
        ({"label": "Side", "type": "radio", "options": "Left\nLeft"}, "options", "only once"),
        ({"label": "Side", "type": "radio", "options": "x" * 256}, "options", "more than 255"),
        ({"label": "Side", "type": "radio", "options": "\n".join(map(str, range(201)))}, "options", "At most 200"),
        ({"label": "Side", "type": "radio", "options": "Le\0ft"}, "options", "Null characters"),
        ({**PULSE, "min": "many"}, "min", "A number"),
        ({**PULSE, "min": "9" * 5000}, "min", "A number"),
        ({**PULSE, "min": "9" * 16}, "min", "At most 9007199254740991"),
        ({**PULSE, "min": "230"}, "max", "The largest number can't be below the smallest, which is 230."),
        ({**PULSE, "type": "date"}, "unit", "of the type “Date” has no unit."),
        ({**PULSE, "type": "date", "unit": ""}, "min", "of the type “Date” has no smallest number."),
        ({**PULSE, "type": "date", "unit": ""}, "max", "of the type “Date” has no largest number."),
        ({"label": "Cough", "type": "essay"}, "type", "Select a valid choice"),
        ({"label": "Cough", "id": "0b3c2f3e-9d6a-4f0e-8a53-1c2d3e4f5a6b"}, "id", "has no such question"),
    ],
)
def test_an_error_stands_at_the_input_that_it_is_about(question, at, says, client, clinic_admin):
    page = client.post(reverse(ADD), sent([{"label": "Right"}, question]))
    found = errors(page)
    assert says in found[f"questions-1-{at}"][0]
    assert {name.rsplit("-", 1)[0] for name in found} == {"questions-1"}
    text = page.content.decode()
    assert f'id="id_questions-1-{at}_error"' in text
    assert at == "id" or re.search(f'name="questions-1-{at}"[^>]* aria-describedby="id_questions-1-{at}_error"', text)
    assert not MedicalRecordTemplate.objects.exists()


def test_an_id_can_be_there_only_once(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"))
    row = as_typed(template.fields[0])
    page = client.post(change_url(template), sent([row, {**row, "label": "Fever"}], version=1))
    assert set(errors(page)) == {"questions-0-id", "questions-1-id"}
    assert page.content.decode().count("This question is here twice. Remove one of the two.") == 2


@pytest.mark.slow
def test_there_are_two_hundred_questions_at_most(client, clinic_admin):
    empty = dict.fromkeys(["id", "DELETE", "description", "placeholder", "options", "unit", "min", "max"], "")
    questions = [{"label": f"Question {number}", **empty} for number in range(201)]
    page = client.post(reverse(ADD), sent(questions))
    assert "A template has at most 200 questions." in page.content.decode()
    assert shown(page)[-1] == "Question 200"
    assert client.post(reverse(ADD), sent(questions[:200])).status_code == 302
    assert len(the_template().fields) == 200


# What another program has made

FOREIGN = [
    {"id": "s", "type": "signature", "label": "Sign here", "pen": {"ink": "blue"}, "order": 1},
    {"id": 7, "type": "text", "label": "A number as its id", "order": 2},
    {"id": "o", "type": "radio", "label": "Options that are numbers", "options": [1, 2], "order": 3},
    {"label": None, "order": "x"},
    "text",
    None,
]


def test_what_the_form_has_no_inputs_for_is_shown_and_kept(client, clinic_admin):
    known = make_field("Cough", order=0, help_url="https://help.example", min_words=3)
    template = of(clinic_admin, known, *FOREIGN)
    page = client.get(change_url(template))
    text = page.content.decode()
    assert all(
        word in text for word in ("https://help.example", "Sign here", "signature", "blue", "A number as its id")
    )
    rows = [{"id": form.reference} for form in page.context["questions"]]
    rows[0] = {**as_typed(known), "label": "Coughing"}
    client.post(change_url(template), sent(rows, version=1))
    changed, *kept = the_template().fields
    assert changed == {**known, "label": "Coughing"}
    numbered = [{**entry, "order": place} for place, entry in enumerate(FOREIGN[:4], 1)]
    assert kept == [*numbered, *FOREIGN[4:]]


def test_it_is_moved_and_removed(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough", order=0), *FOREIGN[:3])
    cough, sign, number, options = (form.reference for form in client.get(change_url(template)).context["questions"])
    rows = [{"id": options}, {"id": sign}, {"id": number, "DELETE": "1"}, {**as_typed(template.fields[0]), "id": cough}]
    client.post(change_url(template), sent(rows, version=1))
    moved, signature, cough = the_template().fields
    assert (moved, signature) == ({**FOREIGN[2], "order": 0}, {**FOREIGN[0], "order": 1})
    assert cough == {**template.fields[0], "order": 2}


@pytest.mark.parametrize("broken", [{}, "text", 7, {"a": 1}, [make_field("Too many")] * 201])
def test_fields_that_are_no_list_for_a_form_stay_as_they_are_when_the_name_changes(broken, client, clinic_admin):
    template = MedicalRecordTemplateFactory(clinic=clinic_admin.clinic, fields=broken)
    page = client.get(change_url(template))
    assert page.context["questions"] is None
    client.post(change_url(template), {"name": "Named anew", "description": "", "version": 1, "_edit": "preview"})
    client.post(change_url(template), {"name": "Named anew", "description": "", "version": 1})
    assert (the_template().name, the_template().fields) == ("Named anew", broken)


# Two at once


def change_as(membership, template, **columns):
    with changes_by(via="api", by=membership.user_id, name="Ada Lovelace"), atomic():
        services.change_template(MedicalRecordTemplate.objects.all(), template.pk, [1], membership.user, **columns)


def test_two_versions_are_shown_side_by_side_and_nothing_is_lost(client, clinic_admin):
    cough, fever = fields = [make_field("Cough", order=0), make_field("Fever", order=1, colour="red")]
    template = of(clinic_admin, *fields)
    change_as(clinic_admin, template, name="Theirs", fields=[{**cough, "label": "Their cough"}])
    rows = [{**as_typed(fever), "label": "My fever"}, as_typed(cough), {"label": "Mine"}]
    page = client.post(change_url(template), sent(rows, version=1, name="My name"))
    conflict = page.context["conflict"]
    assert {(found.label, found.saved, found.typed) for found in conflict.differences} == {
        ("Name", "Theirs", "My name"),
        ("Cough: Question", "Their cough", "Cough"),
        ("My fever", "", "Short text"),
        ("Mine", "", "Short text"),
    }
    assert [answer.label for answer in conflict.saved.answers] == ["Their cough"]
    assert [answer.label for answer in conflict.typed.answers] == ["My fever", "Cough", "Mine"]
    assert shown(page) == ["My fever", "Cough", "Mine"]
    assert the_template().name == "Theirs"

    # Saved again, by what the page shows now: the question that the other has removed has its id, and what else it had.
    form = page.context["adminform"].form
    client.post(change_url(template), sent(rows, version=form["version"].value(), name="My name"))
    same = the_template()
    assert (same.version, same.name) == (3, "My name")
    assert same.fields[:2] == [{**fever, "label": "My fever", "order": 0}, {**cough, "order": 1}]


def test_a_name_that_somebody_else_has_changed_is_a_conflict_as_well(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"))
    change_as(clinic_admin, template, name="Theirs")
    rows = [as_typed(field) for field in template.fields]
    page = client.post(change_url(template), sent(rows, version=1, name="Mine"))
    (difference,) = page.context["conflict"].differences
    assert (difference.label, difference.saved, difference.typed) == ("Name", "Theirs", "Mine")


# Who only reads


def test_members_without_the_role_and_templates_in_the_trash_are_read_only(client, staff_member):
    template = of(staff_member, make_field("Cough"))
    assert "Cough" in client.get(change_url(template)).content.decode()
    assert "questions" not in client.get(change_url(template)).context
    staff_member.roles = ["admin"]
    staff_member.save()
    assert shown(client.get(change_url(template))) == ["Cough"]
    MedicalRecordTemplate.objects.move_to_trash(template.pk, [1], staff_member.user)
    page = client.get(change_url(template))
    assert "Cough" in page.content.decode()
    assert "questions" not in page.context
    assert client.post(change_url(template), sent([], version=2)).status_code == 403


def test_the_history_says_what_was_changed_in_the_admin_and_by_whom(client, clinic_admin):
    template = of(clinic_admin, make_field("Cough"))
    client.post(change_url(template), sent([{**as_typed(template.fields[0]), "label": "Fever"}], version=1))
    page = client.get(
        reverse("admin:medical_records_medicalrecordtemplate_history", args=[template.pk])
    ).content.decode()
    assert all(text in page for text in (clinic_admin.full_name, "in the admin", "Cough", "Fever"))
    state = client.get(reverse("admin:medical_records_medicalrecordtemplate_state", args=[template.pk, 2]))
    assert "Fever" in state.content.decode()


@pytest.mark.parametrize("edit", ["add", "up-0", "preview", f"up-{'9' * 5000}"])
@pytest.mark.parametrize("count", ["9" * 5000, "\u0663", "-1", "x", ""])
def test_a_number_of_questions_that_no_browser_sends_is_no_failure(client, clinic_admin, edit, count):
    data = sent([PULSE], _edit=edit) | {"questions-TOTAL_FORMS": count}
    assert client.post(reverse(ADD), data).status_code == 200
    assert not MedicalRecordTemplate.objects.exists()
