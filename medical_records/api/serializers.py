"""The shapes of what the endpoints of templates and records take and give. The rules are the models'."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic_project.clinics.api.fields import Choice, Flag, RowId, Text, UuidText, WholeNumber
from medical_records.questions import MAX_FIELDS, MAX_HINT, MAX_LABEL, MAX_OPTIONS, FieldType

#: Characters of a template's description.
MAX_DESCRIPTION = 10_000
#: Photos on one record.
MAX_PHOTOS = 200

_VERSION_HELP = "The version that was read. Required, unless the `If-Match` header names it."


class VersionInput(serializers.Serializer):
    """What every change names. The views read it, since `If-Match` may name it instead."""

    version = RowId(required=False, help_text=_VERSION_HELP)


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


class TemplateInput(serializers.Serializer):
    name = Text(max_length=255)
    description = Text(max_length=MAX_DESCRIPTION, allow_null=True, allow_blank=True, default=None)
    fields = QuestionInput(many=True, max_length=MAX_FIELDS)  # type: ignore[assignment,call-arg]


class TemplateChange(TemplateInput, VersionInput):
    """PUT replaces all of it, PATCH what is given."""


@extend_schema_field(
    {
        "type": "object",
        "description": "Answers by field id: a text, a number, a date as YYYY-MM-DD, an option, or a list of options.",
        "additionalProperties": {
            "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "array", "items": {"type": "string"}}]
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


class RecordChange(VersionInput):
    """`values` replaces all answers. The appointment and the photos stay where they are left out."""

    template_id = RowId(required=False, help_text="Can't be changed: the one that the record has, or left out.")
    values = Answers()
    appointment_id = RowId(required=False, allow_null=True)
    photo_ids = serializers.ListField(
        child=RowId(), required=False, max_length=MAX_PHOTOS, help_text="The photos of the record: these and no others."
    )


class TemplateOutput(serializers.Serializer):
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


class RecordOutput(serializers.Serializer):
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


class PhotoOutput(serializers.Serializer):
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


class RecordDetailOutput(RecordOutput):
    template_snapshot = serializers.DictField(help_text="The template as it was: name, description and fields.")
    missing_required = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of the required fields that have no answer."
    )
    photos = PhotoOutput(many=True)
