"""Each page of the admin in Traditional Chinese: nothing that we say is left in English."""

import gettext
import re
from datetime import timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.translation import override

from clinic_project.api import throttles
from clinic_project.audit.destruction import destroy
from clinic_project.audit.models import Destruction
from clinic_project.clinics.factories import (
    AppointmentFactory,
    ClinicFactory,
    MembershipFactory,
    PatientFactory,
    UserFactory,
)
from clinic_project.clinics.models import Clinic, Membership, Patient, User
from medical_records.admin.history_values import field_text
from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, make_field
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.signing import hash_to_sign
from medical_records.tests.photos.uploads import add

pytestmark = pytest.mark.django_db

CHINESE = {"Accept-Language": "zh-TW"}

_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|<[^>]*>|\n")


def english() -> set[str]:
    """Return what we say in English, of messages with placeholders the parts between, if they are several words."""
    catalogue = Path(settings.LOCALE_PATHS[0]) / "zh_Hant/LC_MESSAGES/django.mo"
    with catalogue.open("rb") as file:
        keys = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    texts = (key[0] if isinstance(key, tuple) else key for key in keys)
    parts = (part.strip(" .:,;") for text in texts for part in _PLACEHOLDER.split(text.rpartition("\x04")[2]))
    return {part for part in parts if " " in part and len(part) > 6}


#: What no catalogue has, and isn't the data of these tests: several English words in a row.
_SENTENCE = re.compile(r"\b[A-Za-z][a-z']+(?: [a-z']+){2,}")


def said_in(html: str) -> str:
    """Return what a page says, its attributes that are read out or shown as well."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    shown = re.sub(r'<(?:option|input type="hidden")[^>]*>', "", body)
    attributes = re.findall(r'\b(?:alt|title|placeholder|aria-label|value|data-[a-z-]+)="([^"]*)"', shown)
    return unescape("\n".join([strip_tags(re.sub(r"<", " <", body)), *attributes]))


def assert_chinese(html: str) -> None:
    said = said_in(html)
    left = {text for text in english() if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", said)}
    assert left == set()
    assert _SENTENCE.findall(said) == []
    assert re.search(r"[\u4e00-\u9fff]", said)


@pytest.fixture
def objects(client):
    """One of each that the admin shows, named in Chinese, with somebody who sees all of them."""
    clinic = ClinicFactory(name="安康診所")
    membership = MembershipFactory(
        clinic=clinic, user__superuser=True, admin=True, full_name="林怡君", title="醫師", user__email="lin@example.tw"
    )
    client.force_login(membership.user)
    patient = PatientFactory(clinic=clinic, full_name="王小明", gender="男", notes="無")
    template = MedicalRecordTemplateFactory(clinic=clinic, name="初診", description="說明")
    record = MedicalRecordFactory(patient=patient, template=template, created_by_user=membership.user)
    photo = add(patient, record=record)
    gone = MedicalRecordTemplateFactory(clinic=clinic, in_trash=True)
    destroy(MedicalRecordTemplate._meta.db_table, [gone.pk])
    return {type(obj): obj for obj in (clinic, membership, membership.user, patient, template, record, photo)}


def pages_of(model) -> list[str]:
    """Return the names of the pages that a GET shows."""
    own = f"{model._meta.app_label}_{model._meta.model_name}_"
    names = {str(pattern.name) for pattern in admin.site._registry[model].urls}
    files = {"file", "thumbnail", "download", "csv"}
    changes = {"restore", "amend", "enter_in_error", "undo_error"}
    return sorted({name.removeprefix(own) for name in names if name.startswith(own)} - files - changes)


MODELS = (User, Clinic, Membership, Patient, MedicalRecordTemplate, MedicalRecord, PatientPhoto)


@pytest.mark.slow  # all of them are
@pytest.mark.parametrize(("model", "page"), [(model, page) for model in MODELS for page in pages_of(model)])
def test_a_page_says_nothing_in_english(client, objects, model, page):
    obj = objects[model]
    args = {"changelist": [], "add": [], "state": [obj.pk, 1]}.get(page, [obj.pk])
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)
    response = client.get(url, headers=CHINESE)
    if response.status_code == 403:
        assert page in {"add", "delete"}
        return
    assert response.status_code == 200
    assert_chinese(response.content.decode())


@pytest.mark.parametrize("name", ["index", "two_step_login", "password_change", "audit_destruction_changelist"])
def test_a_page_of_no_object_says_nothing_in_english(client, objects, name):
    assert_chinese(client.get(reverse(f"admin:{name}"), headers=CHINESE).content.decode())


def test_what_was_removed_for_good_says_nothing_in_english(client, objects):
    url = reverse("admin:audit_destruction_change", args=[Destruction.objects.latest("pk").pk])
    assert_chinese(client.get(url, headers=CHINESE).content.decode())


def state_of(record: MedicalRecord, name: str) -> None:
    now = timezone.now()
    changes: dict[str, dict[str, Any]] = {
        "signed": {"signed_at": now, "signed_by_name": "林怡君", "content_hash": "0" * 64},
        "in error": {
            "entered_in_error_at": now,
            "entered_in_error_by_name": "林怡君",
            "entered_in_error_reason": "重複",
        },
        "amended": {"amended_at": now, "amendment_reason": "補充", "version": 2},
        "in the trash": {"is_deleted": True, "deleted_at": now},
        "unanswered": {"values": {}},
    }
    MedicalRecord.objects.filter(pk=record.pk).update(**changes[name])


@pytest.mark.slow  # all of them are
@pytest.mark.parametrize("state", ["signed", "in error", "amended", "in the trash", "unanswered"])
@pytest.mark.parametrize("page", ["change", "print"])
def test_a_record_says_what_became_of_it_in_chinese(client, objects, state, page):
    record = objects[MedicalRecord]
    state_of(record, state)
    url = reverse(f"admin:medical_records_medicalrecord_{page}", args=[record.pk])
    assert_chinese(client.get(url, headers=CHINESE).content.decode())


@pytest.mark.parametrize("name", ["sign", "amend", "enter_in_error"])
def test_what_is_said_of_a_change_is_chinese_and_what_is_kept_english(client, objects, name):
    record = objects[MedicalRecord]
    if name == "amend":
        state_of(record, "signed")
    url = reverse(f"admin:medical_records_medicalrecord_{name}", args=[record.pk])
    asked = hash_to_sign(record) if name == "sign" else ""
    sent = {"version": record.version, "reason": "補充", "incomplete": "on", "content": asked}
    html = client.post(url, sent, headers=CHINESE, follow=True).content.decode()
    assert '<li class="success">' in html
    assert_chinese(html)
    assert LogEntry.objects.latest("pk").change_message.isascii()


def test_errors_of_a_form_are_chinese(client, objects):
    template = objects[MedicalRecordTemplate]
    url = reverse("admin:medical_records_medicalrecordtemplate_change", args=[template.pk])
    questions = [{"label": "", "type": "radio"}, {"label": "體溫", "type": "number", "min": "9", "max": "x"}]
    sent = {"name": "", "version": template.version, "questions-TOTAL_FORMS": 2, "questions-INITIAL_FORMS": 0}
    for place, question in enumerate(questions):
        sent |= {f"questions-{place}-{name}": value for name, value in question.items()}
    html = client.post(url, sent, headers=CHINESE).content.decode()
    assert html.count('class="errorlist"') >= 3
    assert_chinese(html)


def test_a_failed_login_is_refused_in_chinese(client, monkeypatch):
    monkeypatch.setattr(throttles, "LIMITS", {**throttles.LIMITS, "email": (1, timedelta(minutes=1))})
    sent = {"username": "nobody@example.tw", "password": "wrong"}
    assert_chinese(client.post(reverse("admin:login"), sent, headers=CHINESE).content.decode())
    response = client.post(reverse("admin:login"), sent, headers=CHINESE)
    assert response.status_code == 429
    assert "請等待 1 分鐘。" in response.content.decode()


def test_while_the_database_lacks_a_table_the_page_says_so_in_chinese(client, objects):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE patient_photos RENAME COLUMN filename TO file_name")
    response = client.get(reverse("admin:medical_records_patientphoto_changelist"), headers=CHINESE)
    assert response.status_code == 503
    assert "資料庫尚未更新" in response.content.decode()
    assert_chinese(response.content.decode())


def test_an_export_is_read_in_the_language_of_who_made_it_and_its_data_are_english(client, objects):
    state_of(objects[MedicalRecord], "in error")
    url = reverse("admin:clinics_patient_download", args=[objects[Patient].pk])
    exports = []
    for headers in (CHINESE, {}):
        response = client.get(url, headers=headers)
        archive = ZipFile(BytesIO(b"".join(response.streaming_content)))
        exports.append({name: archive.read(name).decode() for name in archive.namelist() if not name.endswith(".jpg")})
    chinese, in_english = exports
    assert '<html lang="zh-hant">' in chinese["index.html"]
    assert_chinese(chinese["index.html"])
    assert_chinese(chinese["README.txt"])
    assert '<html lang="en">' in in_english["index.html"]
    of_programs = [
        name for name in chinese if name.startswith(("records/", "photos/", "history/")) and "access" not in name
    ]
    assert of_programs
    assert [name for name in of_programs if chinese[name] != in_english[name]] == []


def test_what_django_says_is_put_as_our_pages_put_it(client, objects):
    page = client.get(reverse("admin:clinics_patient_changelist"), headers=CHINESE).content.decode()
    said = " ".join(said_in(page).split())
    assert "選擇要修改的病人" in said
    assert "新增病人" in said
    assert "篩選" in said
    assert "過濾" not in said
    user = objects[User]
    for name, title in (("clinics_user_history", "異動紀錄"), ("auth_user_password_change", "修改密碼")):
        html = client.get(reverse(f"admin:{name}", args=[user.pk]), headers=CHINESE).content.decode()
        assert re.search(rf"<h1>{title}\uff1a", html)
    form = {"full_name": "陳大文", "clinic": next(iter(objects.values())).pk, "_continue": "1"}
    saved = client.post(reverse("admin:clinics_patient_add"), form, headers=CHINESE, follow=True).content.decode()
    assert re.search("已新增病人「.*陳大文.*」。 可在下方繼續修改。", saved)
    lost = client.get(reverse("admin:clinics_patient_change", args=[0]), headers=CHINESE, follow=True)
    assert "找不到編號「0」的病人" in lost.content.decode()


def test_recent_actions_name_the_fields_in_chinese(client, objects):
    member = objects[Membership]
    client.force_login(UserFactory(superuser=True))
    form = client.get(reverse("admin:clinics_membership_change", args=[member.pk])).context["adminform"].form
    typed = {name: form[name].value() for name in form.fields} | {"title": "主任", "full_name": "林怡君醫師"}
    client.post(reverse("admin:clinics_membership_change", args=[member.pk]), typed)
    assert LogEntry.objects.latest("pk").get_change_message() == "Changed Full name and Title."
    page = client.get(reverse("admin:index"), headers=CHINESE).content.decode()
    assert re.search("姓名.*職稱", page)
    assert "Title" not in page


def test_who_logs_out_is_told_so(client, objects):
    assert "您已登出。" in client.post(reverse("admin:logout"), headers=CHINESE).content.decode()


def test_an_appointment_is_read_in_chinese(client, objects):
    patient = objects[Patient]
    AppointmentFactory(patient=patient, calendar_event__date="2026-11-26", calendar_event__start_time="09:30")
    AppointmentFactory(patient=patient, calendar_event__date="2026-11-27", calendar_event__start_time=None)
    query = {"patient": patient.pk, "template": objects[MedicalRecordTemplate].pk}
    page = client.get(reverse("admin:medical_records_medicalrecord_add"), query, headers=CHINESE).content.decode()
    assert re.search(r"2026年11月26日 09:30\W已確認\W<", page)
    assert re.search(r"2026年11月27日\W已確認\W<", page)


def test_what_stands_in_a_row_has_the_marks_of_chinese_between(client, objects):
    for _number in range(2):
        MedicalRecordFactory(patient=objects[Patient], template=objects[MedicalRecordTemplate])
    client.get(reverse("admin:medical_records_medicalrecord_changelist"))
    looked = client.get(reverse("admin:clinics_patient_who_looked", args=[objects[Patient].pk]), headers=CHINESE)
    assert "</a>、<a" in looked.content.decode()
    fields = [make_field(label, order=place, required=True) for place, label in enumerate(("身高", "體重"))]
    template = MedicalRecordTemplateFactory(clinic=objects[Clinic], fields=fields)
    record = MedicalRecordFactory(patient=objects[Patient], template=template, values={})
    url = reverse("admin:medical_records_medicalrecord_sign", args=[record.pk])
    assert "身高、體重" in client.get(url, headers=CHINESE).content.decode()
    with override("zh-hant"):
        told = field_text("fields.1", {"type": "radio", "required": True, "options": ["是", "否"]}, [])
    assert re.fullmatch(r"單選\W按鈕\W、必填\n選項\W是、否", told or "")


def test_who_selects_signed_records_for_the_trash_is_told_of_each(client, objects):
    state_of(objects[MedicalRecord], "signed")
    sent = {"action": "move_to_trash", "_selected_action": objects[MedicalRecord].pk}
    url = reverse("admin:medical_records_medicalrecord_changelist")
    html = client.post(url, sent, headers=CHINESE, follow=True).content.decode()
    assert re.search(r"\)\uff1a病歷已簽章\uff0c", html)
