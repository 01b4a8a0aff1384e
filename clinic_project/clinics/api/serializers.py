"""The request and response bodies of the endpoints of credentials, patients and appointments.

The OpenAPI document names them without the suffixes Serializer and Output, and shows their docstrings and examples.
"""

from rest_framework import serializers

from clinic_project.api.fields import StrictCharField
from clinic_project.api.openapi import request_example
from clinic_project.api.serializers import ClinicOutputSerializer, RowSerializer

from ..models import Appointment, Membership, Patient


@request_example({"email": "ada@clinic.example", "password": "correct horse battery staple"})
class LoginInputSerializer(serializers.Serializer):
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
    expires_at = serializers.DateTimeField()


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


class AppointmentOutputSerializer(RowSerializer):
    """A patient's visit. Its times are the clinic's own, without a time zone."""

    id = serializers.IntegerField(source="calendar_event_id")
    patient_id = serializers.IntegerField()
    user_id = serializers.IntegerField(source="calendar_event__user_id", help_text="Whom the patient visits.")
    date = serializers.DateField(source="calendar_event__date")
    start_time = serializers.TimeField(source="calendar_event__start_time", allow_null=True)
    end_time = serializers.TimeField(source="calendar_event__end_time", allow_null=True)
    status = serializers.CharField()
    notes = serializers.CharField(allow_null=True)

    class Meta:
        model = Appointment
