"""The shapes of what the endpoints about credentials take and give."""

from rest_framework import serializers

from clinic_project.api.fields import Text

from ..models import Membership


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
