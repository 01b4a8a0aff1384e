"""A day at the clinic, through the client that openapi-python-client generates from the API's document.

    openapi-python-client generate --url http://127.0.0.1:8000/api/schema --config openapi-python-client.yaml \
        --meta none --output-path clinic_client
    python day.py http://127.0.0.1:8000 <email> <password> <picture>

The caller is an administrator of one clinic; Grace Hopper has a record already, and the first template begins with a text.
"""

import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from clinic_client import AuthenticatedClient, Client
from clinic_client.api.auth import get_current_user, log_in, log_out
from clinic_client.api.patients import export_patient, get_patient_timeline, list_patients
from clinic_client.api.photos import attach_photos, get_photo_file, upload_photo
from clinic_client.api.records import (
    create_record,
    delete_record,
    get_past_record,
    get_record,
    list_patient_records,
    list_record_history,
    restore_record,
    sign_record,
    update_record,
)
from clinic_client.api.templates import create_template, list_templates
from clinic_client.models import (
    BadRequest,
    CurrentUser,
    HistoryEntryAction,
    HistoryEntryPage,
    Login,
    LoginInput,
    NumberField,
    NumberFieldInput,
    NumberFieldInputType,
    PastRecord,
    PatientPage,
    Photo,
    PhotoAttachment,
    PhotoUpload,
    RecordDetail,
    RecordInput,
    RecordPage,
    RecordPatch,
    RecordPhotos,
    SignatureInput,
    StaleRecord,
    Template,
    TemplateInput,
    TemplatePage,
    TimelineEntryPage,
    Values,
)
from clinic_client.types import File, Response

Body = TypeVar("Body")


def body(response: Response[Any], expected: type[Body]) -> Body:
    """Return the body of `response`; raise AssertionError with the problem if it isn't the one that was expected."""
    assert isinstance(response.parsed, expected), response.content.decode()
    return response.parsed


def answers(field_id: str, answer: str | float) -> Values:
    values = Values()
    values[field_id] = answer
    return values


def logged_in(server: str, email: str, password: str) -> AuthenticatedClient:
    login = body(log_in.sync_detailed(client=Client(server), body=LoginInput(email, password)), Login)
    return AuthenticatedClient(server, token=login.token)


def fill_in(api: AuthenticatedClient, patient_id: int) -> RecordDetail:
    """Create a record, and send the request again, as after a timeout: the record is there once."""
    template = body(list_templates.sync_detailed(client=api), TemplatePage).results[0]
    given = RecordInput(template_id=template.id, values=answers(template.fields[0].id, "Headache"))
    key = str(uuid.uuid4())
    record, again = (
        body(create_record.sync_detailed(patient_id, client=api, body=given, idempotency_key=key), RecordDetail)
        for _ in range(2)
    )
    assert again.id == record.id
    return record


def weigh(api: AuthenticatedClient, patient_id: int) -> None:
    """Make a form that asks for a weight; what nobody weighs is refused with the limits and their unit."""
    asked = NumberFieldInput(
        label="Weight", type_=NumberFieldInputType.NUMBER, unit="kg", min_=0.5, max_=300, required=True
    )
    form = TemplateInput(name="Weighing", fields=[asked])
    template = body(create_template.sync_detailed(client=api, body=form), Template)
    field = template.fields[0]
    assert isinstance(field, NumberField)
    assert (field.unit, field.min_, field.max_) == ("kg", 0.5, 300)
    given = RecordInput(template_id=template.id, values=answers(field.id, 7000))
    refused = body(create_record.sync_detailed(patient_id, client=api, body=given), BadRequest)
    assert refused.to_dict()["errors"] == {f"values.{field.id}": ["A number from 0.5 to 300 kg."]}


def change(api: AuthenticatedClient, seen: RecordDetail) -> RecordDetail:
    """Change the record; then again from the version that was seen before, which is refused with the record as it is now."""
    field = seen.template_snapshot.fields[0]
    better, worse = (RecordPatch(values=answers(field.id, text)) for text in ("Better", "Worse"))
    seen_tag = f'"{seen.version}"'
    changed = body(update_record.sync_detailed(seen.id, client=api, body=better, if_match=seen_tag), RecordDetail)

    refused = update_record.sync_detailed(seen.id, client=api, body=worse, if_match=seen_tag)
    assert refused.status_code == 412
    assert body(refused, StaleRecord).current.values[field.id] == "Better"

    worse.version = seen.version  # in the body instead of the header
    refused = update_record.sync_detailed(seen.id, client=api, body=worse)
    assert refused.status_code == 409
    assert body(refused, StaleRecord).current.version == changed.version
    return changed


def add_photo(api: AuthenticatedClient, record: RecordDetail, picture: Path) -> RecordPhotos:
    with picture.open("rb") as payload:
        upload = PhotoUpload(record.patient_id, File(payload, picture.name), description="Left knee")
        photo = body(upload_photo.sync_detailed(client=api, body=upload), Photo)
    attachment = PhotoAttachment(record_id=record.id, photo_ids=[photo.id], version=record.version)
    attached = body(attach_photos.sync_detailed(client=api, body=attachment), RecordPhotos)
    file = body(get_photo_file.sync_detailed(photo.id, client=api), File)
    assert file.payload.read(2) == b"\xff\xd8"  # a JPEG
    return attached


def read_again(api: AuthenticatedClient, record_id: int) -> RecordDetail:
    """Read the record twice; the second time, the server says that nothing has changed."""
    first = get_record.sync_detailed(record_id, client=api)
    second = get_record.sync_detailed(record_id, client=api, if_none_match=first.headers["ETag"])
    assert second.status_code == 304
    return body(first, RecordDetail)


def read_all(api: AuthenticatedClient, patient_id: int) -> list[int]:
    """Return the ids of all of a patient's records, read in pages of one."""
    page = body(list_patient_records.sync_detailed(patient_id, client=api, page_size=1), RecordPage)
    ids = [record.id for record in page.results]
    while page.next_:
        cursor = parse_qs(urlsplit(page.next_).query)["cursor"][0]
        page = body(list_patient_records.sync_detailed(patient_id, client=api, page_size=1, cursor=cursor), RecordPage)
        ids += [record.id for record in page.results]
    return ids


def delete_and_restore(api: AuthenticatedClient, record: RecordDetail) -> RecordDetail:
    """Put the record into the trash and take it out again: two changes, each of which raises the version."""
    deleted = delete_record.sync_detailed(record.id, client=api, if_match=f'"{record.version}"')
    assert deleted.status_code == 204
    restored = restore_record.sync_detailed(record.id, client=api, if_match=f'"{record.version + 1}"')
    return body(restored, RecordDetail)


def sign_and_amend(api: AuthenticatedClient, record: RecordDetail, name: str) -> None:
    """Sign the record; then change it, which is refused without a reason, and makes a new version with one."""
    seen = SignatureInput(version=record.version)
    signed = body(sign_record.sync_detailed(record.id, client=api, body=seen), RecordDetail)
    assert signed.signed_by is not None
    assert signed.signed_by.name == name
    correction = RecordPatch(values=record.values, version=signed.version)
    refused = update_record.sync_detailed(record.id, client=api, body=correction)
    assert refused.status_code == 409
    correction.amendment_reason = "The left knee, not the right one"
    amended = body(update_record.sync_detailed(record.id, client=api, body=correction), RecordDetail)
    assert amended.signed_at is None
    assert amended.amendment_reason == correction.amendment_reason


def read_history(api: AuthenticatedClient, record_id: int, name: str) -> None:
    """Read who changed the record and what, and the record as it was before that."""
    entries = body(list_record_history.sync_detailed(record_id, client=api), HistoryEntryPage).results
    assert [entry.version for entry in entries] == [5, 4, 3, 2, 1]
    changed = next(entry for entry in reversed(entries) if entry.action == HistoryEntryAction.CHANGED)
    assert changed.by is not None
    assert changed.by.name == name
    (answer,) = changed.changes
    assert (answer.before, answer.after) == ("Headache", "Better")
    past = body(get_past_record.sync_detailed(record_id, changed.sequence - 1, client=api), PastRecord)
    assert past.values[past.template_snapshot.fields[0].id] == "Headache"


def export(api: AuthenticatedClient, patient_id: int) -> None:
    """Fetch what the patient is owed: a copy of everything."""
    copy = body(export_patient.sync_detailed(patient_id, client=api), File)
    assert zipfile.is_zipfile(copy.payload)


def work(server: str, email: str, password: str, picture: Path) -> None:
    api = logged_in(server, email, password)
    patient = body(list_patients.sync_detailed(client=api, search="hopper"), PatientPage).results[0]
    record = change(api, fill_in(api, patient.id))
    attached = add_photo(api, record, picture)
    record = read_again(api, record.id)
    assert record.version == attached.version
    assert read_all(api, patient.id)[0] == record.id
    timeline = body(get_patient_timeline.sync_detailed(patient.id, client=api), TimelineEntryPage)
    assert [entry.type_ for entry in timeline.results[:2]] == ["photo", "record"]
    restored = delete_and_restore(api, record)
    assert [photo.description for photo in restored.photos] == ["Left knee"]
    me = body(get_current_user.sync_detailed(client=api), CurrentUser)
    name = me.memberships[0].full_name
    read_history(api, record.id, name)
    sign_and_amend(api, restored, name)
    weigh(api, patient.id)
    export(api, patient.id)
    log_out.sync_detailed(client=api)
    assert get_current_user.sync_detailed(client=api).status_code == 401


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
