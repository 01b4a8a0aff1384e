"""The two lists as one would write them with ModelSerializer and ModelViewSet: the baseline of the benchmark.

They check the same token, find the same clinic, take the same filters, and send the same columns of the same rows.
"""

from typing import Any, cast

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import negotiation, pagination, parsers, renderers, serializers, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.filters import SearchFilter

from clinic_project.clinics.models import Clinic, Membership, User
from medical_records.models import MedicalRecord, MedicalRecordTemplate


class TemplateSerializer(serializers.ModelSerializer):
    class Meta:
        model = MedicalRecordTemplate
        fields = [
            *("id", "name", "description", "fields", "version", "is_deleted", "deleted_at"),
            *("created_at", "created_by_user", "updated_at", "updated_by_user"),
        ]


class RecordSerializer(serializers.ModelSerializer):
    class Meta:
        model = MedicalRecord
        fields = [
            *("id", "patient", "template", "template_name", "appointment", "values", "version"),
            *("is_deleted", "deleted_at", "created_at", "created_by_user", "updated_at", "updated_by_user"),
        ]


class PlainPagination(pagination.PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class PlainClinicViewSet(viewsets.ModelViewSet[Any]):
    pagination_class = PlainPagination
    renderer_classes = [renderers.JSONRenderer]
    parser_classes = [parsers.JSONParser]
    content_negotiation_class = negotiation.DefaultContentNegotiation

    def clinic(self) -> Clinic:
        active = Membership.objects.filter(user=cast("User", self.request.user), is_active=True, clinic__is_active=True)
        membership = active.select_related("clinic").first()
        if membership is None:
            raise PermissionDenied
        return membership.clinic


class PlainTemplateViewSet(PlainClinicViewSet):
    serializer_class = TemplateSerializer
    filter_backends = [DjangoFilterBackend, SearchFilter]
    filterset_fields = ["is_deleted"]
    search_fields = ["name"]

    def get_queryset(self) -> QuerySet[MedicalRecordTemplate]:
        return MedicalRecordTemplate.objects.filter(clinic=self.clinic()).order_by("name", "id")


class PlainRecordViewSet(PlainClinicViewSet):
    serializer_class = RecordSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_fields = ["is_deleted", "template"]

    def get_queryset(self) -> QuerySet[MedicalRecord]:
        records = MedicalRecord.objects.filter(clinic=self.clinic(), patient=self.kwargs["patient_id"])
        return records.order_by("-created_at", "-id")
