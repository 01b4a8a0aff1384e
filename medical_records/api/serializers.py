"""The request and response bodies of templates, records and photos. The rules are in the services and models.

The OpenAPI document names them without the suffixes Serializer and Output, and shows their docstrings and examples.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic_project.api.compiled_queries import fetch
from clinic_project.api.fields import (
    FormRowIdField,
    RowIdField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictNumberField,
    StrictUUIDField,
)
from clinic_project.api.openapi import STORABLE, component, component_name, request_example
from clinic_project.api.serializers import InputSerializer, ProblemOutputSerializer, Row, RowSerializer, text_of
from clinic_project.audit.accesses import show
from medical_records.history import Action, Via
from medical_records.models import (
    MAX_PHOTO_DESCRIPTION,
    MAX_PHOTOS,
    MedicalRecord,
    MedicalRecordTemplate,
    PatientPhoto,
)
from medical_records.querysets import PhotoQuerySet
from medical_records.signing import MAX_REASON
from medical_records.template_fields import (
    CHOICE_TYPES,
    MAX_ANSWER,
    MAX_FIELDS,
    MAX_HINT,
    MAX_LABEL,
    MAX_NUMBER,
    MAX_OPTIONS,
    MAX_UNIT,
    NUMBER_MEMBERS,
    FieldType,
    missing_required,
)

#: Characters of a template's description.
MAX_DESCRIPTION = 10_000


@request_example({"version": 3})
class VersionInputSerializer(InputSerializer):
    """The version that is to be changed: named here, or by the `If-Match` header."""

    version = RowIdField(
        required=False, help_text="The version that was read. Needed unless the `If-Match` header names it."
    )


@request_example({"amendment_reason": None})
class AmendmentInputSerializer(InputSerializer):
    """Why a signed record is changed: that makes a new version of it, which isn't signed."""

    amendment_reason = StrictCharField(
        max_length=MAX_REASON,
        required=False,
        allow_null=True,
        help_text="Needed where the record is signed, and refused where it isn't.",
    )


@request_example({"version": 3})
class RecordVersionInputSerializer(VersionInputSerializer, AmendmentInputSerializer):
    """The version that is to be changed; of a signed record also why."""


@request_example({"version": 3})
class SignatureInputSerializer(VersionInputSerializer):
    """The version that is signed: named here, or by the `If-Match` header."""

    incomplete = StrictBooleanField(
        required=False,
        help_text="Whether to sign although required fields have no answer: those in `missing_required`.",
    )


@request_example({"reason": "Written for the wrong patient", "version": 3})
class EnteredInErrorInputSerializer(VersionInputSerializer):
    """Why it is in error; with `undo`, why it isn't after all, which may be left out."""

    reason = StrictCharField(max_length=MAX_REASON, required=False, allow_null=True)
    undo = StrictBooleanField(required=False, help_text="Whether to take the mark away.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("undo") or attrs.get("reason")):
            raise serializers.ValidationError({"reason": ["Say what is wrong with it."]})
        return attrs


class FieldSerializer(serializers.Serializer):
    pass


class LimitField(StrictNumberField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=-MAX_NUMBER, max_value=MAX_NUMBER, required=False, allow_null=True, **options)


class TemplateFieldInputSerializer(InputSerializer, FieldSerializer):
    """A question of a template."""

    id = StrictUUIDField(required=False, help_text="Made by the server where it is left out.")
    label = StrictCharField(max_length=MAX_LABEL)  # type: ignore[assignment]  # the field's, not DRF's
    type = StrictChoiceField(FieldType)
    required = StrictBooleanField(default=False, help_text="false where it is left out.")  # type: ignore[assignment]
    placeholder = StrictCharField(max_length=MAX_HINT, required=False, allow_null=True, allow_blank=True)
    description = StrictCharField(max_length=MAX_HINT, required=False, allow_null=True, allow_blank=True)
    options = serializers.ListField(
        child=StrictCharField(max_length=MAX_LABEL), required=False, allow_null=True, max_length=MAX_OPTIONS
    )
    order = StrictIntegerField(required=False, help_text="The position in the list where it is left out.")
    unit = StrictCharField(max_length=MAX_UNIT, required=False, allow_null=True, help_text="What is counted, as mmHg.")
    min = LimitField(help_text="The smallest number that is an answer.")
    max = LimitField(help_text="The largest number that is an answer, no smaller than `min`.")


class FieldSchema(OpenApiSerializerExtension):
    """Documents which types have what, as three components: what is read can be sent back without a type error."""

    target_class = FieldSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        field = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        field["properties"]["required"].pop("default", None)  # openapi-typescript has what has a default be given
        name = component_name(type(self.target)).removeprefix("Template")
        options = field["properties"]["options"]
        chosen = {"options": {**options, "type": "array", "minItems": 1, "uniqueItems": True}}
        no_options = {"options": {**options, "maxItems": 0}}
        no_number = {name: {"type": "null"} for name in NUMBER_MEMBERS}
        variants = {
            "Choice": _variant(field, CHOICE_TYPES, "A question with `options` to choose from.", chosen | no_number),
            "Number": _variant(
                field, {FieldType.NUMBER}, "A question for a number, perhaps with its unit and limits.", no_options
            ),
            "Open": _variant(
                field,
                set(FieldType) - CHOICE_TYPES - {FieldType.NUMBER},
                "A question for a text or a date.",
                no_options | no_number,
            ),
        }
        variants["Choice"]["required"] = [*variants["Choice"]["required"], "options"]
        return {
            "description": field["description"],
            "oneOf": [component(auto_schema, f"{kind}{name}", variant) for kind, variant in variants.items()],
        }


def _variant(
    field: dict[str, Any], types: Collection[FieldType], description: str, members: dict[str, Any]
) -> dict[str, Any]:
    field_type = {"type": "string", "enum": sorted(types)}
    properties = {**field["properties"], "type": field_type, **members}
    return {**field, "description": description, "properties": properties}


_CELSIUS = {"unit": "°C", "min": 30, "max": 45}
_FIELDS: list[dict[str, Any]] = [
    {"id": "0b3c2f3e-9d6a-4f0e-8a53-1c2d3e4f5a6b", "label": "Complaint", "type": "text", "required": True},
    {"id": "5d1f7c8a-2b64-4e9d-9c30-7a8b9c0d1e2f", "label": "Temperature", "type": "number", **_CELSIUS},
    {
        "id": "c4a9e6b2-71d3-4a58-b0f7-3e4d5c6b7a89",
        "label": "Severity",
        "type": "dropdown",
        "options": ["mild", "moderate", "severe"],
    },
]
_VALUES = {_FIELDS[0]["id"]: "Headache since Monday", _FIELDS[1]["id"]: 37.5, _FIELDS[2]["id"]: "mild"}
_TEMPLATE = {"name": "First visit", "description": "What a new patient is asked.", "fields": _FIELDS}


@request_example(_TEMPLATE)
class TemplateInputSerializer(InputSerializer):
    name = StrictCharField(max_length=255)
    description = StrictCharField(max_length=MAX_DESCRIPTION, allow_null=True, allow_blank=True, default=None)
    fields = TemplateFieldInputSerializer(many=True, max_length=MAX_FIELDS)  # type: ignore[assignment,call-arg]


@request_example({"name": "First visit of a child"})
class TemplateCopySerializer(InputSerializer):
    """What the copy is called."""

    name = StrictCharField(max_length=255)


@request_example({**_TEMPLATE, "version": 3})
class TemplateChangeSerializer(TemplateInputSerializer, VersionInputSerializer):
    """The whole template as it is to be. Fields that keep their `id` stay the same fields."""


@request_example({"name": "First visit of an adult", "version": 3})
class TemplatePatchSerializer(VersionInputSerializer):
    """Replaces what is given: `name`, `description`, all `fields`. What is left out stays."""

    name = StrictCharField(max_length=255, required=False)
    description = StrictCharField(max_length=MAX_DESCRIPTION, allow_null=True, allow_blank=True, required=False)
    fields = TemplateFieldInputSerializer(many=True, max_length=MAX_FIELDS, required=False)  # type: ignore[assignment,call-arg]


class ValuesField(serializers.Field):
    """A record's `values`: an object. The service checks its members against the snapshot's fields."""

    default_error_messages = {"not_an_object": "An object of answers by field id."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class ValuesSchema(OpenApiSerializerFieldExtension):
    target_class = ValuesField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        answers = [
            {**STORABLE, "maxLength": MAX_ANSWER},
            {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
            {"type": "array", "items": STORABLE, "uniqueItems": True},
        ]
        schema = {
            "type": "object",
            "description": (
                "Answers by field id: a text, a number, a date as YYYY-MM-DD, an option, or a list of options. "
                "What other systems wrote into the database is shown as it is there."
            ),
            "propertyNames": {"format": "uuid"},
            "additionalProperties": {"anyOf": answers},
        }
        return component(auto_schema, "Values", schema)


@request_example({"template_id": 5, "values": _VALUES, "appointment_id": 21, "photo_ids": [31]})
class RecordInputSerializer(InputSerializer):
    template_id = RowIdField()
    values = ValuesField()
    appointment_id = RowIdField(required=False, allow_null=True)
    photo_ids = serializers.ListField(
        child=RowIdField(),
        required=False,
        max_length=MAX_PHOTOS,
        help_text="The photos of the record: these and no others.",
    )


@request_example({"values": _VALUES, "photo_ids": [31], "version": 3})
class RecordPatchSerializer(RecordVersionInputSerializer):
    """`values` replaces all answers, `photo_ids` all photos. What is left out stays."""

    template_id = RowIdField(required=False, help_text="Can't be changed: the one that the record has, or left out.")
    values = ValuesField(required=False)
    appointment_id = RowIdField(required=False, allow_null=True)
    photo_ids = serializers.ListField(
        child=RowIdField(),
        required=False,
        max_length=MAX_PHOTOS,
        help_text="The photos of the record: these and no others.",
    )


@request_example({"values": _VALUES, "version": 3})
class RecordChangeSerializer(RecordPatchSerializer):
    """As for PATCH, but that `values` has to be given."""

    values = ValuesField()


class TemplateFieldOutputSerializer(FieldSerializer):
    """A question of a template. What other systems wrote into the database is shown as it is there."""

    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the field's, not DRF's
    type = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    placeholder = serializers.CharField(required=False, allow_null=True)
    description = serializers.CharField(required=False, allow_null=True)
    options = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True)
    order = serializers.IntegerField()
    unit = serializers.CharField(required=False, allow_null=True, help_text="What is counted, as mmHg.")
    min = serializers.FloatField(required=False, allow_null=True, help_text="The smallest number that is an answer.")
    max = serializers.FloatField(required=False, allow_null=True, help_text="The largest number that is an answer.")


class TemplateOutputSerializer(RowSerializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    version = serializers.IntegerField()
    is_deleted = serializers.BooleanField()
    deleted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by_user_id = serializers.IntegerField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    updated_by_user_id = serializers.IntegerField(allow_null=True)
    fields = TemplateFieldOutputSerializer(many=True)  # type: ignore[assignment]

    class Meta:
        model = MedicalRecordTemplate


#: What `show` takes of a row.
_OWNED = itemgetter("id", "patient_id")


class PatientsRowSerializer(RowSerializer):
    @classmethod
    def identify(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return rows.values("id", "patient_id")


class SignerOutputSerializer(serializers.Serializer):
    """A user, as they were called then, whether they are still there or not."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class EnteredInErrorOutputSerializer(serializers.Serializer):
    """By whom it was marked, and why."""

    at = serializers.DateTimeField()
    by = SignerOutputSerializer(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class RecordOutputSerializer(PatientsRowSerializer):
    """A record as lists show it."""

    id = serializers.IntegerField()
    patient_id = serializers.IntegerField()
    template_id = serializers.IntegerField()
    template_name = serializers.CharField()
    appointment_id = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField()
    is_deleted = serializers.BooleanField()
    deleted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by_user_id = serializers.IntegerField(allow_null=True)
    updated_at = serializers.DateTimeField()
    updated_by_user_id = serializers.IntegerField(allow_null=True)
    signed_at = serializers.DateTimeField(allow_null=True)
    signed_by = SignerOutputSerializer(allow_null=True)
    content_hash = serializers.CharField(
        allow_null=True, help_text="What was signed: the SHA-256 of its canonical JSON (RFC 8785)."
    )
    amended_at = serializers.DateTimeField(allow_null=True)
    amendment_reason = serializers.CharField(
        allow_null=True, help_text="Why the version that was signed before was changed; null where there was none."
    )
    entered_in_error = EnteredInErrorOutputSerializer(allow_null=True)
    values = ValuesField()

    also_read = (
        *("signed_by_user_id", "signed_by_name"),
        *("entered_in_error_at", "entered_in_error_by_user_id", "entered_in_error_by_name", "entered_in_error_reason"),
    )

    class Meta:
        model = MedicalRecord

    @classmethod
    def note_shown(cls, rows: Iterable[Mapping[str, Any]]) -> None:
        show(records=map(_OWNED, rows))

    @classmethod
    def represent(cls, rows: list[Row]) -> list[Row]:
        for row in super().represent(rows):
            row["signed_by"] = _person(row, "signed_by")
            marked_by = _person(row, "entered_in_error_by")
            at, reason = row.pop("entered_in_error_at"), row.pop("entered_in_error_reason")
            row["entered_in_error"] = None if at is None else {"at": at, "by": marked_by, "reason": reason}
        return rows


def _person(row: Row, what: str) -> Row | None:
    """Take out of `row` who did something, and return them; None where nobody did."""
    user_id, name = row.pop(f"{what}_user_id"), row.pop(f"{what}_name")
    return None if user_id is None and name is None else {"id": user_id, "name": name}


@extend_schema_field(OpenApiTypes.BINARY)
class UploadedFileField(serializers.FileField):
    """A file of any content, even empty: what it is shows when it is decoded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)


@extend_schema_field({"type": "string", "maxLength": MAX_PHOTO_DESCRIPTION, "pattern": r"^[^\u0000]*$"})
class FormDescriptionField(StrictCharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_PHOTO_DESCRIPTION, allow_blank=True, **options)


@request_example(
    {"patient_id": 7, "file": "(the bytes of the picture)", "description": "Left knee"}, "multipart/form-data"
)
class PhotoUploadSerializer(InputSerializer):
    """A picture: JPEG, PNG or WebP, HEIC where the server can, at most 10 MB and 50 megapixels."""

    patient_id = FormRowIdField()
    file = UploadedFileField()
    description = FormDescriptionField(required=False)
    medical_record_id = FormRowIdField(
        required=False, help_text="The photo is pending until this record is saved with it."
    )


@request_example({"description": "Left knee, two days after the fall"})
class PhotoChangeSerializer(InputSerializer):
    description = StrictCharField(max_length=MAX_PHOTO_DESCRIPTION, allow_blank=True, allow_null=True, required=False)


@request_example({"record_id": 12, "photo_ids": [31], "version": 3})
class PhotoAttachmentSerializer(RecordVersionInputSerializer):
    """Photos to put on a record, whose version this is."""

    record_id = RowIdField()
    photo_ids = serializers.ListField(child=RowIdField(), min_length=1, max_length=MAX_PHOTOS)


#: Whether the record that a photo is on, of its own clinic, is marked as entered in error.
RECORD_IN_ERROR = Exists(
    MedicalRecord.objects.in_error().filter(pk=OuterRef("medical_record"), clinic=OuterRef("clinic"))
)


class PhotoOutputSerializer(PatientsRowSerializer):
    id = serializers.IntegerField()
    patient_id = serializers.IntegerField()
    medical_record_id = serializers.IntegerField(allow_null=True)
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    description = serializers.CharField(allow_null=True)
    is_pending = serializers.BooleanField()
    record_entered_in_error = serializers.BooleanField(
        help_text="Whether the record that it is on is marked as entered in error now."
    )
    is_deleted = serializers.BooleanField()
    deleted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    uploaded_by_user_id = serializers.IntegerField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    updated_by_user_id = serializers.IntegerField(allow_null=True)
    file = serializers.CharField(help_text="Where the picture is.")
    thumbnail = serializers.CharField(help_text="Where a small picture is.")

    class Meta:
        model = PatientPhoto

    @classmethod
    def read(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return super().read(rows).annotate(record_entered_in_error=RECORD_IN_ERROR)

    @classmethod
    def identify(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return super().identify(rows).annotate(record_entered_in_error=RECORD_IN_ERROR)

    @classmethod
    def row_of(cls, columns: Mapping[str, Any]) -> Row:
        return {**super().row_of(columns), "record_entered_in_error": columns["record_entered_in_error"]}

    @classmethod
    def note_shown(cls, rows: Iterable[Mapping[str, Any]]) -> None:
        show(photos=map(_OWNED, rows))

    @classmethod
    def represent(cls, rows: list[Row]) -> list[Row]:
        photos = reverse("medical_records:photo-list")
        for row in super().represent(rows):
            base = f"{photos}/{row['id']}"
            row["file"], row["thumbnail"] = f"{base}/file", f"{base}/thumbnail"
        return rows

    @classmethod
    def represent_on(cls, clinic: int, record: Row) -> list[Row]:
        """Return the photos on a record of a clinic, the oldest first: those in use, or those in the trash with it."""
        if record["is_deleted"]:
            photos = PatientPhoto.objects.for_clinic(clinic).trashed_with(record["id"], record["deleted_at"])
            return cls.represent(list(cls._read_by_age(photos)))
        return cls.represent(fetch(cls._read_in_use, clinic=clinic, record=record["id"]))

    @classmethod
    def _read_in_use(cls, *, clinic: Any, record: Any) -> QuerySet[Any, Row]:
        return cls._read_by_age(PatientPhoto.objects.for_clinic(clinic).in_use_on(record))

    @classmethod
    def _read_by_age(cls, photos: PhotoQuerySet) -> QuerySet[Any, Row]:
        return cls.read(photos.order_by("created_at", "id"))


class TemplateSnapshotOutputSerializer(serializers.Serializer):
    """The template as it was when the record was created."""

    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    fields = TemplateFieldOutputSerializer(many=True)  # type: ignore[assignment]


class RecordDetailOutputSerializer(RecordOutputSerializer):
    """A record with everything that belongs to it."""

    template_snapshot = TemplateSnapshotOutputSerializer()
    missing_required = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of the required fields that have no answer."
    )
    photos = PhotoOutputSerializer(many=True)

    @classmethod
    def identify(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        photos = PatientPhoto.objects.shown_with_record(OuterRef)
        return super().identify(rows).annotate(photo_ids=ArraySubquery(photos.values("pk")))

    @classmethod
    def note_shown(cls, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note the photos as well that `identify` has found, or that are in a response that is shown again."""
        rows = list(rows)
        super().note_shown(rows)
        for row in rows:
            show(photos=((pk, row["patient_id"]) for pk in row.get("photo_ids", ())))
            PhotoOutputSerializer.note_shown(row.get("photos", ()))

    @classmethod
    def read(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        has_photos = Exists(PatientPhoto.objects.filter(medical_record=OuterRef("pk")))
        return super().read(rows).annotate(clinic_of=F("clinic"), has_photos=has_photos)

    @classmethod
    def represent(cls, rows: list[Row]) -> list[Row]:
        """Add what isn't a column: which required fields have no value, and the photos."""
        for row in rows:
            snapshot, values = (json.loads(row[text_of(name)]) for name in ("template_snapshot", "values"))
            row["missing_required"] = missing_required(snapshot, values)
            row["photos"] = cls.take_photos(row)
        return super().represent(rows)

    @classmethod
    def take_photos(cls, row: Row) -> list[Row]:
        """Take out of `row` what tells of its photos, and return these, represented."""
        clinic, has_photos = row.pop("clinic_of"), row.pop("has_photos")
        return PhotoOutputSerializer.represent_on(clinic, row) if has_photos else []


class RecordPhotosOutputSerializer(serializers.Serializer):
    record_id = serializers.IntegerField()
    version = serializers.IntegerField(help_text="That of the record.")
    photos = PhotoOutputSerializer(many=True)


class TimelineEntryOutputSerializer(serializers.Serializer):
    """A record or a photo: the one that `type` names, as its own list shows it; the other is null."""

    type = serializers.ChoiceField(["record", "photo"])
    at = serializers.DateTimeField(help_text="When it was created.")
    record = RecordOutputSerializer(allow_null=True)
    photo = PhotoOutputSerializer(allow_null=True)


class ChangedByOutputSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    full_name = serializers.CharField(allow_null=True, help_text="Null for who is no member of the clinic any more.")


class StaleVersionSerializer(ProblemOutputSerializer):
    changed_at = serializers.DateTimeField()
    changed_by = ChangedByOutputSerializer(allow_null=True)


class StaleTemplateSerializer(StaleVersionSerializer):
    """The template has changed since it was read; `current` is what it is now."""

    current = TemplateOutputSerializer()


class StaleRecordSerializer(StaleVersionSerializer):
    """The record has changed since it was read; `current` is what it is now."""

    current = RecordDetailOutputSerializer()


class UnremovableRecordSerializer(ProblemOutputSerializer):
    """The record has changed since it was read, or has to be kept (`/problems/retained`), or isn't in the trash."""

    retained_until = serializers.DateTimeField(required=False, help_text="When it may be removed for good: `retained`.")
    changed_at = serializers.DateTimeField(required=False)
    changed_by = ChangedByOutputSerializer(required=False, allow_null=True)
    current = RecordDetailOutputSerializer(required=False)


@extend_schema_field({"description": "Any JSON; null where there is, or was, nothing."})
class AnyJSONField(serializers.JSONField):
    pass


class ValueChangeOutputSerializer(serializers.Serializer):
    """What was `before`, and what is `after`."""

    path = serializers.CharField(
        help_text="A column; `values.<field id>`, an answer; `fields.<field id>`, a question that was added or removed, and"
        " `fields.<field id>.<member>`, what changed of one; `fields`, their ids where these changed places; `photos`, the"
        " ids of a record's photos. Of columns that hold something else than this API writes, the whole."
    )
    label = serializers.CharField(help_text="The same for people: the field's label as it was.")  # type: ignore[assignment]
    before = AnyJSONField()
    after = AnyJSONField()


class ChangeAuthorOutputSerializer(serializers.Serializer):
    """A user, as they were called then; or a command, which has no id."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_null=True)


class HistoryEntryOutputSerializer(serializers.Serializer):
    """One change, as the database recorded it."""

    sequence = serializers.IntegerField(help_text="The position, 1 for the oldest. Newer entries don't change it.")
    version = serializers.IntegerField(allow_null=True, help_text="That of the object since then. Photos have none.")
    at = serializers.DateTimeField()
    until = serializers.DateTimeField(
        allow_null=True, help_text="Of `found-changed` alone: it happened after `at`, and before this."
    )
    action = serializers.ChoiceField(
        Action.values,
        help_text="`deleted` is to the trash, `removed` for good. `found-changed`: the object isn't as the change before"
        " left it. Something changed it unrecorded; who did, and what changed, isn't known.",
    )
    by = ChangeAuthorOutputSerializer(allow_null=True)
    via = serializers.ChoiceField(
        Via.values, allow_null=True, help_text="`sql`: by a program that didn't say what it is, such as psql."
    )
    request_id = serializers.CharField(
        allow_null=True, help_text="That of the response to the request, `X-Request-ID`."
    )
    reason = serializers.CharField(allow_null=True)
    is_proven = serializers.BooleanField(
        help_text="Whether the object was, after this change, what the history says. Where it is false, the object was"
        " changed unrecorded later, and `after` and the object then may have parts of that."
    )
    changes = ValueChangeOutputSerializer(
        many=True,
        help_text="None for `created` and `removed`, nor for `found-changed`, where they aren't known. Who changed it last,"
        " when, and its version aren't told as changes.",
    )


class PastSerializer(RowSerializer):
    """The object as it was after one change, as far as it is known; what it didn't have then is null."""

    history = HistoryEntryOutputSerializer(
        allow_null=True, help_text="The change that left it so; null for 0, what it was before the first recorded one."
    )


class PastTemplateOutputSerializer(PastSerializer, TemplateOutputSerializer):
    """A template as it was."""


class PastPhotoOutputSerializer(PastSerializer, PhotoOutputSerializer):
    """What was known of a photo. `file` and `thumbnail` are where the picture is now.

    `record_entered_in_error` is of now, too, and of the record that it was on then.
    """


class PastRecordOutputSerializer(PastSerializer, RecordDetailOutputSerializer):
    """A record as it was. `photos` are those that it had then, as they were, without those that are removed for good."""

    @classmethod
    def take_photos(cls, row: Row) -> list[Row]:
        return row.pop("photos")
