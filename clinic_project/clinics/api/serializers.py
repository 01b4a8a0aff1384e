"""The request and response bodies of the endpoints of credentials.

The OpenAPI document names them without the suffix Serializer, and shows their docstrings.
"""

from rest_framework import serializers

from clinic_project.api.fields import StrictCharField

from ..models import Membership


class LoginInputSerializer(serializers.Serializer):
    email = StrictCharField(max_length=255)
    password = StrictCharField(max_length=1024)


class UserOutputSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.CharField()


class ClinicOutputSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class MembershipOutputSerializer(serializers.ModelSerializer):
    clinic = ClinicOutputSerializer()
    roles = serializers.ListField(child=serializers.CharField(), source="role_names")

    class Meta:
        model = Membership
        fields = ["clinic", "full_name", "title", "roles"]


class SelfOutputSerializer(serializers.Serializer):
    """Who one is, and in which clinics one may work."""

    user = UserOutputSerializer()
    memberships = MembershipOutputSerializer(many=True)


class LoginOutputSerializer(SelfOutputSerializer):
    """The token is sent this once; `Authorization: Bearer <token>` from then on."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
