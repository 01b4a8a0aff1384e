"""The API's busiest endpoints as one would write them with ModelSerializer and ModelViewSet: the baseline of the benchmark.

They check the same token, find the same clinic, take the same filters, keep the same rules of templates and versions, and
send the same columns of the same rows.
"""

from typing import Any, cast

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import exceptions, negotiation, pagination, parsers, renderers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.clinics.models import Appointment, Clinic, Membership, Patient, User
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.template_fields import checked_values, missing_required


class Conflict(exceptions.APIException):
    status_code = 409


class TemplateSerializer(serializers.ModelSerializer):
    class Meta:
        model = MedicalRecordTemplate
        fields = [
            *("id", "name", "description", "fields", "version", "is_deleted", "deleted_at"),
            *("created_at", "created_by_user", "updated_at", "updated_by_user"),
        ]


class RecordSerializer(serializers.ModelSerializer):
    signed_by = serializers.SerializerMethodField()
    entered_in_error = serializers.SerializerMethodField()

    class Meta:
        model = MedicalRecord
        fields = [
            *("id", "patient", "template", "template_name", "appointment", "values", "version"),
            *("is_deleted", "deleted_at", "created_at", "created_by_user", "updated_at", "updated_by_user"),
            *("signed_at", "signed_by", "content_hash", "amended_at", "amendment_reason", "entered_in_error"),
        ]

    def get_signed_by(self, record: MedicalRecord) -> Any:
        return record.signed_at and {"id": record.signed_by_user_id, "name": record.signed_by_name}

    def get_entered_in_error(self, record: MedicalRecord) -> Any:
        by = {"id": record.entered_in_error_by_user_id, "name": record.entered_in_error_by_name}
        at = record.entered_in_error_at
        return at and {"at": at, "by": by, "reason": record.entered_in_error_reason}


class PhotoSerializer(serializers.ModelSerializer):
    file = serializers.SerializerMethodField()
    thumbnail = serializers.SerializerMethodField()

    class Meta:
        model = PatientPhoto
        fields = [
            *("id", "patient", "medical_record", "filename", "content_type", "size_bytes", "description", "is_pending"),
            *("is_deleted", "deleted_at", "created_at", "uploaded_by_user", "updated_at", "updated_by_user"),
            *("file", "thumbnail"),
        ]

    def get_file(self, photo: PatientPhoto) -> str:
        return f"/plain/patient-photos/{photo.pk}/file"

    def get_thumbnail(self, photo: PatientPhoto) -> str:
        return f"/plain/patient-photos/{photo.pk}/thumbnail"


class OfClinicField(serializers.PrimaryKeyRelatedField):
    """The key of a row in the view's clinic; `lookups` find these among the rows of a queryset."""

    def __init__(self, lookup: str = "clinic", **options: Any) -> None:
        super().__init__(**options)
        self.lookup = lookup

    def get_queryset(self) -> QuerySet[Any]:
        return cast("QuerySet[Any]", super().get_queryset()).filter(**{self.lookup: self.context["view"].clinic})


class RecordDetailSerializer(RecordSerializer):
    template = OfClinicField(queryset=MedicalRecordTemplate.objects.filter(is_deleted=False))
    appointment = OfClinicField(
        "calendar_event__clinic", queryset=Appointment.objects.all(), allow_null=True, required=False
    )
    photos = serializers.SerializerMethodField()
    missing_required = serializers.SerializerMethodField()

    class Meta(RecordSerializer.Meta):
        fields = [*RecordSerializer.Meta.fields, "template_snapshot", "missing_required", "photos"]
        read_only_fields = [
            *("patient", "template_name", "template_snapshot", "version", "is_deleted", "deleted_at"),
            *("created_at", "created_by_user", "updated_at", "updated_by_user"),
            *("signed_at", "content_hash", "amended_at", "amendment_reason"),
        ]

    def get_photos(self, record: MedicalRecord) -> Any:
        photos = record.photos.filter(is_deleted=False).order_by("created_at", "id")
        return PhotoSerializer(photos, many=True).data

    def get_missing_required(self, record: MedicalRecord) -> list[str]:
        return missing_required(record.template_snapshot, record.values)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None:
            template = attrs["template"]
            snapshot = {"name": template.name, "description": template.description, "fields": template.fields}
            attrs |= {"template_snapshot": snapshot, "template_name": template.name}
        else:
            snapshot = cast("MedicalRecord", self.instance).template_snapshot
            attrs.pop("template", None)
        if "values" in attrs:
            attrs["values"] = checked_values(snapshot, attrs["values"])
        return attrs


class PlainPagination(pagination.PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class PlainClinicViewSet(viewsets.ModelViewSet[Any]):
    pagination_class = PlainPagination
    renderer_classes = [renderers.JSONRenderer]
    parser_classes = [parsers.JSONParser]
    content_negotiation_class = negotiation.DefaultContentNegotiation
    filter_backends = [DjangoFilterBackend]

    @cached_property
    def membership(self) -> Membership:
        active = Membership.objects.filter(user=self.user, is_active=True, clinic__is_active=True)
        membership = active.select_related("clinic").first()
        if membership is None:
            raise exceptions.PermissionDenied
        return membership

    @property
    def user(self) -> User:
        return cast("User", self.request.user)

    @property
    def clinic(self) -> Clinic:
        return self.membership.clinic

    def check_writing(self) -> None:
        if not set(self.membership.role_names) & {"admin", "practitioner"}:
            raise exceptions.PermissionDenied


class PlainTemplateViewSet(PlainClinicViewSet):
    serializer_class = TemplateSerializer
    filter_backends = [DjangoFilterBackend, SearchFilter]
    filterset_fields = ["is_deleted"]
    search_fields = ["name"]

    def get_queryset(self) -> QuerySet[MedicalRecordTemplate]:
        return MedicalRecordTemplate.objects.filter(clinic=self.clinic).order_by("name", "id")


class PlainRecordViewSet(PlainClinicViewSet):
    serializer_class = RecordDetailSerializer

    def get_queryset(self) -> QuerySet[MedicalRecord]:
        return MedicalRecord.objects.filter(clinic=self.clinic)

    @transaction.atomic
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.check_writing()
        record = self.get_queryset().select_related("patient").select_for_update(of=("self",)).get(pk=kwargs["pk"])
        if record.patient.is_deleted or record.is_deleted or request.data.get("version") != record.version:
            raise Conflict
        if record.signed_at or record.entered_in_error_at:
            raise Conflict
        serializer = self.get_serializer(record, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save(version=record.version + 1, updated_at=timezone.now(), updated_by_user=self.user)
        return Response(serializer.data)


class PlainPatientRecordViewSet(PlainClinicViewSet):
    filterset_fields = ["is_deleted", "template"]

    def get_serializer_class(self) -> type[RecordSerializer]:
        return RecordSerializer if self.action == "list" else RecordDetailSerializer

    def get_queryset(self) -> QuerySet[MedicalRecord]:
        records = MedicalRecord.objects.filter(clinic=self.clinic, patient=self.kwargs["patient_id"])
        if self.action == "list":
            records = records.filter(entered_in_error_at=None)
        return records.order_by("-created_at", "-id")

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        self.check_writing()
        patients = Patient.objects.filter(clinic=self.clinic, is_deleted=False)
        patient = get_object_or_404(patients, pk=self.kwargs["patient_id"])
        now, user = timezone.now(), self.user
        made = {"created_at": now, "created_by_user": user, "updated_at": now, "updated_by_user": user}
        serializer.save(clinic=self.clinic, patient=patient, **made)


class PlainPhotoViewSet(PlainClinicViewSet):
    serializer_class = PhotoSerializer
    filterset_fields = ["patient", "is_deleted", "is_pending"]

    def get_queryset(self) -> QuerySet[PatientPhoto]:
        return PatientPhoto.objects.filter(clinic=self.clinic).order_by("-created_at", "-id")

    @action(detail=True)
    def thumbnail(self, request: Request, pk: int) -> FileResponse:
        photo = self.get_object()
        return FileResponse(default_storage.open(photo.thumbnail_key), content_type=photo.content_type)
