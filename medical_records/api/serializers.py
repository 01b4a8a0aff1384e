"""The shapes of what the endpoints of templates and records take and give. The rules are the models'."""

import json
from typing import Any

from django.urls import reverse
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic_project.api.documentation import STORABLE
from clinic_project.api.fields import Choice, Flag, RowId, Text, UuidText, WholeNumber
from clinic_project.api.serializers import Row, RowSerializer, text_of
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import PhotoQuerySet
from medical_records.template_fields import (
    CHOICES,
    MAX_ANSWER,
    MAX_FIELDS,
    MAX_HINT,
    MAX_LABEL,
    MAX_NUMBER,
    MAX_OPTIONS,
    FieldType,
    missing_required,
)

#: Characters of a template's description.
MAX_DESCRIPTION = 10_000
#: Photos on one record.
MAX_PHOTOS = 200
#: Characters of a photo's description.
MAX_PHOTO_DESCRIPTION = 2000


class VersionInput(serializers.Serializer):
    """What every change names, unless the `If-Match` header does."""

    version = RowId(help_text="The version that was read. Can be left out where the `If-Match` header names it.")


class QuestionInput(serializers.Serializer):
    """A question of a template. dropdown, radio and checkbox have options to choose from, the others none."""

    id = UuidText(required=False, help_text="Made by the server where it is left out.")
    label = Text(max_length=MAX_LABEL)  # type: ignore[assignment]  # the names are the questions', not DRF's
    type = Choice(FieldType)
    required = Flag(default=False)  # type: ignore[assignment]
    placeholder = Text(max_length=MAX_HINT, required=False, allow_null=True, allow_blank=True)
    description = Text(max_length=MAX_HINT, required=False, allow_null=True, allow_blank=True)
    options = serializers.ListField(
        child=Text(max_length=MAX_LABEL), required=False, allow_null=True, max_length=MAX_OPTIONS
    )
    order = WholeNumber(required=False, help_text="The position in the list where it is left out.")


class QuestionInputSchema(OpenApiSerializerExtension):
    """Says which types have options."""

    target_class = QuestionInput

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        question = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        choice = {**question["properties"]["options"], "type": "array", "minItems": 1, "uniqueItems": True}
        none = {"type": ["array", "null"], "maxItems": 0}
        return {
            "description": question.pop("description"),
            "oneOf": [
                _variant(question, sorted(CHOICES), choice, ["options"]),
                _variant(question, sorted(set(FieldType) - CHOICES), none, []),
            ],
        }


def _variant(question: dict[str, Any], types: list[FieldType], options: Any, required: list[str]) -> dict[str, Any]:
    kind = {"type": "string", "enum": [str(name) for name in types]}
    properties = {**question["properties"], "type": kind, "options": options}
    return {**question, "properties": properties, "required": [*question["required"], *required]}


class TemplateInput(serializers.Serializer):
    name = Text(max_length=255)
    description = Text(max_length=MAX_DESCRIPTION, allow_null=True, allow_blank=True, default=None)
    fields = QuestionInput(many=True, max_length=MAX_FIELDS)  # type: ignore[assignment,call-arg]


class TemplateChange(TemplateInput, VersionInput):
    pass


class TemplatePatch(VersionInput):
    """Replaces what is given."""

    name = Text(max_length=255, required=False)
    description = Text(max_length=MAX_DESCRIPTION, allow_null=True, allow_blank=True, required=False)
    fields = QuestionInput(many=True, max_length=MAX_FIELDS, required=False)  # type: ignore[assignment,call-arg]


@extend_schema_field(
    {
        "type": "object",
        "description": "Answers by field id: a text, a number, a date as YYYY-MM-DD, an option, or a list of options.",
        "propertyNames": {"format": "uuid"},
        "additionalProperties": {
            "anyOf": [
                {**STORABLE, "maxLength": MAX_ANSWER},
                {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
                {"type": "array", "items": STORABLE, "uniqueItems": True},
            ]
        },
    }
)
class Answers(serializers.Field):
    """An object. What is in it is checked against the questions that it answers."""

    default_error_messages = {"not_an_object": "An object of answers by field id."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class RecordInput(serializers.Serializer):
    template_id = RowId()
    values = Answers()
    appointment_id = RowId(required=False, allow_null=True)
    photo_ids = serializers.ListField(
        child=RowId(), required=False, max_length=MAX_PHOTOS, help_text="The photos of the record: these and no others."
    )


class RecordPatch(VersionInput):
    """`values` replaces all answers, `photo_ids` all photos. What is left out stays."""

    template_id = RowId(required=False, help_text="Can't be changed: the one that the record has, or left out.")
    values = Answers(required=False)
    appointment_id = RowId(required=False, allow_null=True)
    photo_ids = serializers.ListField(
        child=RowId(), required=False, max_length=MAX_PHOTOS, help_text="The photos of the record: these and no others."
    )


class RecordChange(RecordPatch):
    """As for PATCH, but that `values` has to be given."""

    values = Answers()


class TemplateOutput(RowSerializer):
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
    fields = serializers.ListField(child=serializers.DictField())  # type: ignore[assignment]

    class Meta:
        model = MedicalRecordTemplate


class RecordOutput(RowSerializer):
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
    values = serializers.DictField()

    class Meta:
        model = MedicalRecord


class PhotoChange(serializers.Serializer):
    description = Text(max_length=MAX_PHOTO_DESCRIPTION, allow_blank=True, allow_null=True, required=False)


class PhotoAttachment(serializers.Serializer):
    record_id = RowId()
    photo_ids = serializers.ListField(child=RowId(), min_length=1, max_length=MAX_PHOTOS)


class PhotoOutput(RowSerializer):
    id = serializers.IntegerField()
    patient_id = serializers.IntegerField()
    medical_record_id = serializers.IntegerField(allow_null=True)
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    description = serializers.CharField(allow_null=True)
    is_pending = serializers.BooleanField()
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

    def to_representation(self, row: Row) -> Row:
        base = f"{reverse('medical_records:photo-list')}/{row['id']}"
        return {**super().to_representation(row), "file": f"{base}/file", "thumbnail": f"{base}/thumbnail"}

    @classmethod
    def shown(cls, photos: PhotoQuerySet) -> list[Row]:
        """Return `photos` as the API shows them, the oldest first."""
        return list(cls(cls.read(photos.order_by("created_at", "id")), many=True).data)


class RecordDetailOutput(RecordOutput):
    template_snapshot = serializers.DictField(help_text="The template as it was: name, description and fields.")
    missing_required = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of the required fields that have no answer."
    )
    photos = PhotoOutput(many=True)

    def to_representation(self, row: Row) -> Row:
        """Show a row of the clinic that the view in the context works in."""
        snapshot, values = (json.loads(row[text_of(name)]) for name in ("template_snapshot", "values"))
        photos = PatientPhoto.objects.for_clinic(self.context["view"].clinic)
        if row["is_deleted"]:
            photos = photos.trashed_with(row["id"], row["deleted_at"])
        else:
            photos = photos.active().filter(medical_record_id=row["id"])
        return {
            **super().to_representation(row),
            "missing_required": missing_required(snapshot, values),
            "photos": PhotoOutput.shown(photos),
        }


class RecordPhotosOutput(serializers.Serializer):
    record_id = serializers.IntegerField()
    photos = PhotoOutput(many=True)
