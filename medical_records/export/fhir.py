"""A patient, their records and photos as resources of FHIR R4 (4.0.1): https://hl7.org/fhir/R4/

A record is a QuestionnaireResponse to the Questionnaire that its snapshot describes. Functions return resources as
dictionaries, for `as_json`; times and dates in them are Python's. Rows of other systems may hold anything: what a type of
FHIR's can't have is its text, and what is blank is left out.
"""

import re
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from clinic_project.api.fields import normalized_uuid, parse_date
from clinic_project.clinics.administration.json_text import as_text
from clinic_project.clinics.models import Patient

from ..filled_form import fields_in_order
from ..models import MedicalRecord, PatientPhoto
from ..template_fields import FieldType, answers_by_field, limits_of, snapshot_fields, unit_of
from .pictures import Picture
from .reading import Names, is_exact_number

Resource = dict[str, Any]

_UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
_LIMITS = (
    "http://hl7.org/fhir/StructureDefinition/minValue",
    "http://hl7.org/fhir/StructureDefinition/maxValue",
)
_ITEM_TYPES = {
    FieldType.TEXT: "string",
    FieldType.TEXTAREA: "text",
    FieldType.NUMBER: "decimal",
    FieldType.DATE: "date",
    FieldType.DROPDOWN: "choice",
    FieldType.RADIO: "choice",
    FieldType.CHECKBOX: "choice",
}
_GENDERS = {"m": "male", "男": "male", "f": "female", "女": "female"}
#: The status of what nobody may take for valid.
_IN_ERROR = "entered-in-error"
#: White space and control characters that a string can't have: https://hl7.org/fhir/R4/datatypes.html#string
_NOT_IN_STRINGS = re.compile(r"(?![ \t\r\n])[\s\x00-\x1f\ufeff]")


class Bundle:
    """Makes the entries of one Bundle, whose resources refer to each other by names that no other Bundle has.

    Records come before photos, which have to be known as in error where their record is.
    """

    def __init__(self, patient: Patient, names: Names) -> None:
        self._patient = patient
        self._names = names
        self._namespace = uuid.uuid4()
        self._questionnaires: set[str] = set()
        #: By the ids of the records that are in the Bundle.
        self._statuses: dict[int | None, str] = {}

    def patient(self) -> Resource:
        patient = self._patient
        resource = {
            "resourceType": "Patient",
            "identifier": [self._identifier(patient.pk)],
            "active": not patient.is_deleted,
            "name": _listed(text=_string(patient.full_name)),
            "telecom": _listed(system="phone", value=_string(patient.phone_number)),
            "gender": _gender(patient.gender),
            "birthDate": patient.birthday,
            "managingOrganization": {"display": _string(patient.clinic.name)},
        }
        return self._entry("patient", resource)

    def record(self, record: MedicalRecord) -> Iterator[Resource]:
        """Yield the entry of a record, after that of its Questionnaire where no record before had the same."""
        snapshot = record.template_snapshot if isinstance(record.template_snapshot, dict) else {}
        content = repr(snapshot)
        name = self._urn(f"questionnaire {content}")
        if name not in self._questionnaires:
            self._questionnaires.add(name)
            yield self._entry(f"questionnaire {content}", {**questionnaire(snapshot), "url": name})
        self._statuses[record.pk] = _status(record)
        response = {
            "resourceType": "QuestionnaireResponse",
            "identifier": self._identifier(record.pk),
            "questionnaire": name,
            "status": self._statuses[record.pk],
            "subject": self._reference("patient"),
            "authored": record.updated_at,
            "author": self._person(record.updated_by_user_id or record.created_by_user_id),
            "item": list(answered_items(snapshot, record.values)),
        }
        yield self._entry(f"record {record.pk}", response)

    def photo(self, photo: PatientPhoto, picture: Picture) -> Resource:
        """Return the entry of a photo, whose `content.url` is the picture's name in the zip.

        One that is pending is no part of its record yet.
        """
        record = photo.medical_record_id
        is_part = record in self._statuses and not photo.is_pending
        media = {
            "resourceType": "Media",
            "identifier": [self._identifier(photo.pk)],
            "partOf": [self._reference(f"record {record}")] if is_part else None,
            "status": _IN_ERROR if photo.is_deleted or self._statuses.get(record) == _IN_ERROR else "completed",
            "subject": self._reference("patient"),
            "issued": photo.created_at,
            "operator": self._person(photo.uploaded_by_user_id),
            "content": _attachment(photo, picture),
            "note": _listed(text=_string("\n".join(filter(None, [photo.description, str(picture.problem or "")])))),
        }
        return self._entry(f"photo {photo.pk}", media)

    def _urn(self, name: str) -> str:
        return uuid.uuid5(self._namespace, name).urn

    def _entry(self, name: str, resource: Resource) -> Resource:
        return {"fullUrl": self._urn(name), "resource": _without_blanks(resource)}

    def _reference(self, name: str) -> Resource:
        return {"reference": self._urn(name)}

    def _person(self, user_id: int | None) -> Resource | None:
        name = _string(self._names.get(user_id))
        return {"display": name} if name else None

    def _identifier(self, pk: int) -> Resource:
        return {"value": str(pk), "assigner": {"display": _string(self._patient.clinic.name)}}


def questionnaire(snapshot: Mapping[str, Any]) -> Resource:
    """Return the Questionnaire of a snapshot. A field is an item, whose `linkId` is the field's id."""
    return _without_blanks(
        {
            "resourceType": "Questionnaire",
            "title": _string(snapshot.get("name")),
            "description": _string(snapshot.get("description")),
            "status": "active",
            "subjectType": ["Patient"],
            "item": [_question(field) for field in _fields(snapshot)],
        }
    )


def answered_items(snapshot: Mapping[str, Any], values: Any) -> Iterator[Resource]:
    """Yield the items that have an answer; those of no field last."""
    answers = answers_by_field(values)
    rest = [{"id": key} for key in answers if _string(key) and key not in snapshot_fields(snapshot)]
    for field in [*_fields(snapshot), *rest]:
        given = list(_answers(field, answers.get(normalized_uuid(field["id"]))))
        if given:
            yield _without_blanks(
                {"linkId": _string(field["id"]), "text": _string(field.get("label")), "answer": given}
            )


def _fields(snapshot: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fields that answers can be of, in the order of the form, each id once."""
    return fields_in_order([field for field in snapshot_fields(snapshot).values() if _string(field["id"])])


def _question(field: Mapping[str, Any]) -> Resource:
    kind, unit = str(field.get("type")), _string(unit_of(field))
    item_type = "quantity" if kind == FieldType.NUMBER and unit else _ITEM_TYPES.get(kind, "string")  # type: ignore[call-overload]
    options = field.get("options")
    return {
        "extension": list(_extensions(field, unit)) if kind == FieldType.NUMBER else None,
        "linkId": _string(field["id"]),
        "text": _string(field.get("label")),
        "type": item_type,
        "required": field.get("required") is True,
        "repeats": True if kind == FieldType.CHECKBOX else None,
        "answerOption": [{"valueString": text} for option in options if (text := _string(option))]
        if item_type == "choice" and isinstance(options, list)
        else None,
    }


def _extensions(field: Mapping[str, Any], unit: str | None) -> Iterator[Resource]:
    if unit:
        yield {"url": _UNIT, "valueCoding": {"display": unit}}
    for limit, url in zip(limits_of(field), _LIMITS, strict=True):
        if limit is not None:
            yield {"url": url, "valueDecimal": limit}


def _answers(field: Mapping[str, Any], value: Any) -> Iterator[Resource]:
    for one in value if isinstance(value, list) and field.get("type") == FieldType.CHECKBOX else [value]:
        answer = _answer(field, one)
        if answer is not None:
            yield answer


def _answer(field: Mapping[str, Any], value: Any) -> Resource | None:
    kind = field.get("type")
    if kind == FieldType.NUMBER and is_exact_number(value):
        unit = _string(unit_of(field))
        return {"valueQuantity": {"value": value, "unit": unit}} if unit else {"valueDecimal": value}
    if kind == FieldType.DATE and isinstance(value, str) and parse_date(value):
        return {"valueDate": value}
    text = _string(as_text(value))
    return None if text is None else {"valueString": text}


def _status(record: MedicalRecord) -> str:
    """Return the status of a record. One in the trash is void to whom it is sent."""
    if record.is_deleted or record.entered_in_error_at:
        return _IN_ERROR
    return "amended" if record.amended_at else "completed"


def _gender(gender: str | None) -> str | None:
    """Return the code of what a clinic writes for it: https://hl7.org/fhir/R4/valueset-administrative-gender.html"""
    if not (gender and gender.strip()):
        return None
    code = gender.strip().lower()
    return code if code in {"male", "female", "other"} else _GENDERS.get(code, "unknown")


def _attachment(photo: PatientPhoto, picture: Picture) -> Resource:
    # SHA-1 is what R4 says: https://hl7.org/fhir/R4/datatypes.html#attachment
    return {
        "contentType": _code(photo.content_type),
        "url": picture.name,
        "size": picture.size,
        "hash": b64encode(picture.sha1).decode() if picture.sha1 else None,
        "title": _string(photo.filename),
        "creation": photo.created_at,
    }


def _code(text: str) -> str | None:
    return text if re.fullmatch(r"\S+", text) else None


def _string(value: Any) -> str | None:
    """Return a text as a string of FHIR's: rare white space is a space; None where there is nothing to read."""
    text = _NOT_IN_STRINGS.sub(" ", value) if isinstance(value, str) else ""
    return text if text.strip() else None


def _listed(**members: Any) -> list[Resource] | None:
    """Return a list of one object; None where one of its members is."""
    return None if None in members.values() else [members]


def _without_blanks(value: Any) -> Any:
    """Leave out what is None or empty, which FHIR's JSON doesn't have."""
    if isinstance(value, dict):
        cleaned = {key: _without_blanks(member) for key, member in value.items()}
        return {key: member for key, member in cleaned.items() if member is not None and member not in ({}, [])}
    return [_without_blanks(item) for item in value] if isinstance(value, list) else value
