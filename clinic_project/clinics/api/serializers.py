"""The request and response bodies of the endpoints of credentials, patients and appointments.

The OpenAPI document names them without the suffixes Serializer and Output, and shows their docstrings and examples.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clinic_project.api.fields import StrictCharField
from clinic_project.api.openapi import request_example
from clinic_project.api.serializers import ClinicOutputSerializer, InputSerializer, Row, RowSerializer
from clinic_project.audit.accesses import show
from clinic_project.audit.models import Access

from ..models import Appointment, Membership, Patient


@request_example({"email": "ada@clinic.example", "password": "correct horse battery staple"})
class LoginInputSerializer(InputSerializer):
    email = StrictCharField(max_length=255)
    password = StrictCharField(max_length=1024)
    otp = StrictCharField(
        max_length=64,
        required=False,
        help_text="Of those who have set up the two-step login: a code of the authenticator app, or a recovery code.",
    )


class UserOutputSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.CharField()


class MembershipOutputSerializer(serializers.ModelSerializer):
    clinic = ClinicOutputSerializer()
    roles = serializers.ListField(child=serializers.CharField(), source="role_names")

    class Meta:
        model = Membership
        fields = ["clinic", "full_name", "title", "roles"]


class CurrentUserOutputSerializer(serializers.Serializer):
    """Who one is, and in which clinics one may work."""

    user = UserOutputSerializer()
    memberships = MembershipOutputSerializer(many=True)


class LoginOutputSerializer(CurrentUserOutputSerializer):
    """The token is sent this once; `Authorization: Bearer <token>` from then on."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField(default_timezone=UTC)


class PatientOutputSerializer(RowSerializer):
    """A patient as lists show them."""

    id = serializers.IntegerField()
    full_name = serializers.CharField()
    phone_number = serializers.CharField(allow_null=True)
    birthday = serializers.DateField(allow_null=True)
    gender = serializers.CharField(allow_null=True)
    is_deleted = serializers.BooleanField()
    deleted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    class Meta:
        model = Patient


class PatientDetailOutputSerializer(PatientOutputSerializer):
    """A patient with the notes about them."""

    notes = serializers.CharField(allow_null=True)

    @classmethod
    def note_shown(cls, rows: Iterable[Mapping[str, Any]]) -> None:
        show(patients=(row["id"] for row in rows))

    @classmethod
    def identify(cls, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return rows.values("id")


@extend_schema_field({"type": "string", "pattern": r"^\d\d:\d\d:\d\d(\.\d+)?$", "examples": ["09:30:00"]})
class LocalTimeField(serializers.TimeField):
    """A time of day without a zone, which is none of JSON Schema's format `time`."""


class AppointmentOutputSerializer(RowSerializer):
    """A patient's visit. Its times are the clinic's own, without a time zone."""

    id = serializers.IntegerField(source="calendar_event_id")
    patient_id = serializers.IntegerField()
    user_id = serializers.IntegerField(source="calendar_event__user_id", help_text="Whom the patient visits.")
    date = serializers.DateField(source="calendar_event__date")
    start_time = LocalTimeField(source="calendar_event__start_time", allow_null=True)
    end_time = LocalTimeField(source="calendar_event__end_time", allow_null=True)
    status = serializers.CharField()
    notes = serializers.CharField(allow_null=True)

    class Meta:
        model = Appointment


class AccessUserOutputSerializer(serializers.Serializer):
    """Who looked, as they were called then."""

    id = serializers.IntegerField()
    name = serializers.CharField(allow_null=True)


class AccessOutputSerializer(serializers.Serializer):
    """One response that showed something of the patient's."""

    at = serializers.DateTimeField()
    user = AccessUserOutputSerializer(allow_null=True)
    action = serializers.CharField(
        help_text=f"What was shown, and how: {', '.join(f'`{action}`' for action in Access.Action)}. There may be others"
        " later. `change` is a change that was answered with what it made, `view` any other single thing."
    )
    via = serializers.CharField(help_text="`api` or `admin`.")
    records = serializers.ListField(
        child=serializers.IntegerField(), help_text="The ids of the patient's records that it showed."
    )
    photos = serializers.ListField(
        child=serializers.IntegerField(), help_text="The ids of the patient's photos that it showed or named."
    )
    request_id = serializers.CharField(allow_null=True, help_text="That of the response, `X-Request-ID`.")
