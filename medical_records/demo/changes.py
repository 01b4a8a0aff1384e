"""What the demo's people changed after the visits, so that there are histories to look at."""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.models import Clinic, Membership, Patient, User
from medical_records import services
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import RecordQuerySet, next_version
from medical_records.signing import Signer, amend_record, enter_in_error, sign_record, signed_contents

from .people import ADMIN, PRACTITIONER

#: How many records and patients of each clinic are changed, and how many records each doctor signs.
RECORDS, PATIENTS, SIGNED = 6, 4, 200

PULSE = {
    "id": "5b0f6a0e-94b5-4f0c-8f5c-0f3c5a1d7e11",
    "label": "Pulse",
    "type": "number",
    "required": False,
    "unit": "/min",
    "min": 20,
    "max": 300,
}


def change_over_time(clinic: Clinic) -> None:
    """Change some rows of `clinic`, by all who work there; nothing if that has been done.

    What is changed last, a template, tells: it has another version then.
    """
    templates = MedicalRecordTemplate.objects.for_clinic(clinic)
    if templates.filter(version__gt=1).exists():
        return
    members = Membership.objects.filter(clinic=clinic).select_related("user").order_by("pk")
    doctors = list(members.filter(roles__contains=[PRACTITIONER]))
    administrator = members.filter(roles__contains=[ADMIN])[0]
    records = [record.pk for record in _records(clinic)]
    for number, pk in enumerate(records):
        first = number % len(doctors)
        _change_record(pk, doctors[first:] + doctors[:first])
    for pk in records[-1:]:
        _to_the_trash_and_back(pk, doctors)
    for patient in Patient.objects.for_clinic(clinic).order_by("pk")[:PATIENTS]:
        _change_patient(patient, administrator)
    for photo in _photos(clinic)[:1]:
        _change_photo(photo, doctors[-1])
    _change_template(templates.order_by("pk")[0], administrator)


def sign_most_records(clinic: Clinic) -> None:
    """Let the doctors of `clinic` sign what they wrote, apart from some records; nothing if that has been done.

    One is amended and signed again, and one marked as entered in error.
    """
    written = MedicalRecord.objects.for_clinic(clinic).active().order_by("pk")
    if written.signed().exists():
        return
    doctors = Membership.objects.filter(clinic=clinic, roles__contains=[PRACTITIONER]).select_related("user")
    for doctor in doctors.order_by("pk"):
        own = written.filter(created_by_user=doctor.user)[:SIGNED]
        written_at = dict(own.values_list("pk", "updated_at"))
        with _by(doctor):
            for number, (pk, _, content) in enumerate(signed_contents(own)):
                if number % 9:
                    _sign(MedicalRecord.objects.filter(pk=pk), doctor, content.hash(), written_at[pk])
    signed = written.signed()
    _amend(signed[0], doctors[0])
    _mark(signed.reverse()[0], doctors[0])


def _sign(record: RecordQuerySet, doctor: Membership, content_hash: str, written_at: datetime.datetime) -> None:
    """Sign a record as `sign_record` does, but on the day of the visit."""
    # Not by the database: Citus takes no `timestamptz + interval`, which is STABLE, of a column into an UPDATE.
    signed_at = min(written_at + datetime.timedelta(minutes=5), timezone.now())
    signer = {"signed_by_user_id": doctor.user_id, "signed_by_name": doctor.full_name, "signed_at": signed_at}
    record.update(**next_version(signed_at, doctor.user, content_hash=content_hash, **signer))


def _amend(record: MedicalRecord, doctor: Membership) -> None:
    records, signer = MedicalRecord.objects.all(), Signer.of(doctor)
    with _by(doctor):
        amend_record(records, record.pk, [record.version], signer, "The patient called: it was the other side")
        sign_record(records, record.pk, [record.version + 1], signer, incomplete=True)


def _mark(record: MedicalRecord, doctor: Membership) -> None:
    with _by(doctor, "admin"):
        records, reason = MedicalRecord.objects.all(), "Written for another patient"
        enter_in_error(records, record.pk, [record.version], Signer.of(doctor), reason)


@contextmanager
def _by(member: Membership, via: str = "api") -> Iterator[User]:
    with changes_by(via=via, by=member.user_id, name=member.full_name), atomic():
        yield member.user


def _photos(clinic: Clinic) -> Any:
    photos = PatientPhoto.objects.for_clinic(clinic).active().filter(medical_record__is_deleted=False)
    return photos.order_by("pk")


def _records(clinic: Clinic) -> Any:
    """Return the records to change: the one whose address `load_demo` prints, if there is one, and the first others."""
    with_photo = _photos(clinic).values_list("medical_record", flat=True)[:1]
    records = MedicalRecord.objects.for_clinic(clinic).active()
    others = records.order_by("pk").values_list("pk", flat=True)[: RECORDS - 1]
    return records.filter(pk__in=[*with_photo, *others]).order_by("pk")


def _change_record(pk: int, doctors: Sequence[Membership]) -> None:
    """Let each of the doctors revise an answer, the first one twice."""
    record = MedicalRecord.objects.select_related("patient").get(pk=pk)
    values = dict(record.values)
    answered = [field for field in record.template_snapshot["fields"] if values.get(field["id"])]
    revisable = [field for field in answered if field["type"] != "number"]
    for version, (doctor, field) in enumerate(
        zip([*doctors, doctors[0]], reversed(revisable), strict=False), record.version
    ):
        values[field["id"]] = _revised(field, values[field["id"]])
        with _by(doctor) as user:
            services.change_record(record, [version], user, values=values)


def _revised(field: dict[str, Any], answer: Any) -> Any:
    match field["type"]:
        case "textarea":
            return f"{answer} Asked again by telephone: no complaints since."
        case "date":
            return (datetime.date.fromisoformat(answer) + datetime.timedelta(days=7)).isoformat()
        case "dropdown" | "radio":
            return field["options"][field["options"].index(answer) - 1]
        case "checkbox":
            return answer[1:] or field["options"][-1:]
        case _:
            return f"{answer}, confirmed"


def _to_the_trash_and_back(pk: int, doctors: Sequence[Membership]) -> None:
    records = MedicalRecord.objects.all()
    for change, doctor in ((services.move_record_to_trash, doctors[0]), (services.restore_record, doctors[-1])):
        with _by(doctor, "admin") as user:
            change(records, pk, [records.get(pk=pk).version], user)


def _change_patient(patient: Patient, administrator: Membership) -> None:
    number = f"{patient.phone_number[:-4]}{patient.pk % 10_000:04}" if patient.phone_number else None
    for columns in ({"phone_number": number}, {"notes": "Has moved: asks for letters to the new address."}):
        with _by(administrator, "admin"):
            Patient.objects.filter(pk=patient.pk).update(**columns)


def _change_photo(photo: PatientPhoto, doctor: Membership) -> None:
    with _by(doctor, "admin") as user:
        description = f"{photo.description}, seen from the side"
        services.change_photo(PatientPhoto.objects.all(), photo.pk, user, description=description)


def _change_template(template: MedicalRecordTemplate, administrator: Membership) -> None:
    """Add a field, and then describe the template anew."""
    pulse = {**PULSE, "order": len(template.fields)}
    changes: Sequence[dict[str, Any]] = (
        {"fields": [*template.fields, pulse]},
        {"description": "For every visit without a form of its own."},
    )
    for version, columns in enumerate(changes, template.version):
        with _by(administrator) as user:
            services.change_template(MedicalRecordTemplate.objects.all(), template.pk, [version], user, **columns)
