"""The shapes of what the endpoints about credentials take and give, and of problems."""

from rest_framework import serializers

from clinic_project.clinics.models import Membership

from .fields import Text


class LoginInput(serializers.Serializer):
    email = Text(max_length=255)
    password = Text(max_length=1024)


class UserOutput(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.CharField()


class ClinicOutput(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MembershipOutput(serializers.ModelSerializer):
    clinic = ClinicOutput()
    roles = serializers.ListField(child=serializers.CharField(), source="role_names")

    class Meta:
        model = Membership
        fields = ["clinic", "full_name", "title", "roles"]


class SelfOutput(serializers.Serializer):
    """Who one is, and in which clinics one may work."""

    user = UserOutput()
    memberships = MembershipOutput(many=True)


class LoginOutput(SelfOutput):
    """The token is sent this once; `Authorization: Bearer <token>` from then on."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class ProblemOutput(serializers.Serializer):
    """RFC 9457 problem details; `instance` is the request's id, as in `X-Request-ID`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # the name is RFC 9457's, not DRF's
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="Messages by field path."
    )
