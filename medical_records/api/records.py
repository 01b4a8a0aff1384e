"""The endpoints of records: `/clinic/medical-records`, and `/clinic/patients/{patient_id}/medical-records`."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.compiled_queries import Instances
from clinic_project.api.idempotency import idempotent
from clinic_project.api.models import IdempotencyKey
from clinic_project.api.openapi import CHANGING, CONTENT_ETAG, CREATING, VERSION_ETAG, documented
from clinic_project.api.serializers import Row
from clinic_project.audit import transactions
from clinic_project.audit.transactions import describe_changes
from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.models import Patient
from medical_records import services, signing
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import RecordQuerySet
from medical_records.signing import Signer

from .base import VersionedViewSet
from .filters import PatientRecordFilterSet, RecordFilterSet
from .history import HistoryViewSet, as_it_was
from .serializers import (
    EnteredInErrorInputSerializer,
    HistoryEntryOutputSerializer,
    PastRecordOutputSerializer,
    RecordChangeSerializer,
    RecordDetailOutputSerializer,
    RecordInputSerializer,
    RecordOutputSerializer,
    RecordPatchSerializer,
    RecordVersionInputSerializer,
    SignatureInputSerializer,
    StaleRecordSerializer,
    UnremovableRecordSerializer,
    VersionInputSerializer,
)


class BaseRecordViewSet(VersionedViewSet[RecordQuerySet]):
    """Lists are the newest first, and leave out snapshots and photos."""

    queryset = MedicalRecord.objects.all()
    ordering = ("-created_at", "-id")
    detail_route = "medical_records:record-detail"
    documented_tag = "records"

    def get_serializer_class(self) -> type[RecordOutputSerializer]:
        return RecordOutputSerializer if self.action == "list" else RecordDetailOutputSerializer


_WITH_PATIENT = Instances({"": MedicalRecord, "patient__": Patient})


def _with_patient(records: QuerySet[Any]) -> QuerySet[Any]:
    return records.values_list(*_WITH_PATIENT.columns)


class RecordViewSet(HistoryViewSet[RecordQuerySet], BaseRecordViewSet):
    past_serializer = PastRecordOutputSerializer
    filterset_class = RecordFilterSet
    input_serializers = {
        "update": RecordChangeSerializer,
        "partial_update": RecordPatchSerializer,
        "destroy": RecordVersionInputSerializer,
        "restore": VersionInputSerializer,
        "sign": SignatureInputSerializer,
        "entered_in_error": EnteredInErrorInputSerializer,
        "permanently": VersionInputSerializer,
    }

    @documented("listRecords", RecordOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request) -> Response:
        """List the clinic's records, the newest first, without their snapshots."""
        return super().list(request)

    @documented("getRecord", RecordDetailOutputSerializer, etag=VERSION_ETAG, conditional=True)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a record, in the trash or not, with its snapshot and photos."""
        return self.show(pk)

    @classmethod
    def validators(cls) -> dict[str, Any]:
        """Return the version, and whether a photo that is shown may have changed since: the record keeps its version then.

        A pending one has the time at which its upload began, and may be there later than a change of the record.
        """
        since = Q(is_pending=True) | Q(created_at__gt=OuterRef("updated_at")) | Q(updated_at__gt=OuterRef("updated_at"))
        other_photos = PatientPhoto.objects.filter(since, medical_record=OuterRef("pk"))
        return {**super().validators(), "has_other_photos": Exists(other_photos)}

    def current_etag(self, row: Row) -> str | None:
        return None if row["has_other_photos"] else super().current_etag(row)

    @documented("replaceRecord", RecordDetailOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer)
    def update(self, request: Request, pk: int) -> Response:
        """Replace the answers of a record."""
        return self.change(pk)

    @documented("updateRecord", RecordDetailOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change the answers, the appointment or the photos of a record."""
        return self.change(pk)

    def perform_update(self, pk: int, versions: frozenset[int], columns: dict[str, Any]) -> None:
        record, record.patient = _WITH_PATIENT.of(self.one(_with_patient, pk=pk))
        services.change_record(record, versions, self.access.user, **columns)

    @documented("deleteRecord", None, status=204, problems=CHANGING, stale=StaleRecordSerializer)
    def destroy(self, request: Request, pk: int) -> Response:
        """Put a record into the trash, and its photos with it."""
        versions, given = self.validated_change()
        services.move_record_to_trash(self.get_queryset(), pk, versions, self.access.user, **given)
        return Response(status=204)

    @documented("signRecord", RecordDetailOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer)
    @action(detail=True, methods=["post"])
    @transactions.atomic
    def sign(self, request: Request, pk: int) -> Response:
        """Sign a record, with its photos.

        From then on, only an amendment changes it, which makes a new version that isn't signed.
        """
        versions, given = self.validated_change()
        signing.sign_record(self.get_queryset(), pk, versions, self.signer, **given)
        return self.row_response(pk)

    @documented(
        "markRecordEnteredInError", RecordDetailOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer
    )
    @action(detail=True, methods=["post"], url_path="entered-in-error")
    def entered_in_error(self, request: Request, pk: int) -> Response:
        """Mark a record as entered in error, or undo that. It stays readable, and lists leave it out."""
        versions, given = self.validated_change()
        reason, records = given.get("reason"), self.get_queryset()
        describe_changes(reason=reason)
        with transactions.atomic():
            if given.get("undo"):
                signing.undo_entered_in_error(records, pk, versions, self.signer)
            else:
                signing.enter_in_error(records, pk, versions, self.signer, reason)
            return self.row_response(pk)

    @property
    def signer(self) -> Signer:
        return Signer(self.access.user, self.access.membership.full_name)

    @documented("restoreRecord", RecordDetailOutputSerializer, problems=CHANGING, stale=StaleRecordSerializer)
    @action(detail=True, methods=["post"])
    @transactions.atomic
    def restore(self, request: Request, pk: int) -> Response:
        """Take a record out of the trash, with the photos that went there with it."""
        versions, _ = self.validated_change()
        services.restore_record(self.get_queryset(), pk, versions, self.access.user)
        return self.row_response(pk)

    @documented(
        "deleteRecordPermanently",
        None,
        status=204,
        problems=CHANGING,
        stale=StaleRecordSerializer,
        conflict=UnremovableRecordSerializer,
    )
    @action(detail=True, methods=["delete"], write_roles=ADMIN_ROLES)
    def permanently(self, request: Request, pk: int) -> Response:
        """Remove a record that is in the trash for good, with its photos and all of their history.

        It has to be kept until years after its last change: 409 `/problems/retained` says until when.
        """
        versions, _ = self.validated_change()
        with transactions.atomic():
            services.remove_record(self.get_queryset(), pk, versions)
            IdempotencyKey.objects.forget(self.clinic.pk, reverse(self.detail_route, args=[pk]))
        return Response(status=204)

    @documented("listRecordHistory", HistoryEntryOutputSerializer(many=True), etag=CONTENT_ETAG, conditional=True)
    @action(detail=True, filterset_class=None)
    def history(self, request: Request, pk: int) -> Response:
        """List what was done to a record, the newest change first."""
        return self.history_response(pk)

    @documented(
        "getPastRecord", None, responses=as_it_was(PastRecordOutputSerializer), etag=CONTENT_ETAG, conditional=True
    )
    @action(detail=True, url_path="history/<sequence:sequence>")
    def past(self, request: Request, pk: int, sequence: int) -> Response:
        """Show a record as a change left it: the one that has this place in its history."""
        return self.past_response(pk, sequence)


class PatientRecordViewSet(BaseRecordViewSet):
    """The records of one patient."""

    filterset_class = PatientRecordFilterSet
    input_serializers = {"create": RecordInputSerializer}

    @documented("listPatientRecords", RecordOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request, patient_id: int) -> Response:
        """List a patient's records, the newest first, without their snapshots."""
        self.patient()
        return super().list(request)

    @documented("createRecord", RecordDetailOutputSerializer, status=201, problems=CREATING, etag=VERSION_ETAG)
    @idempotent
    @transactions.atomic
    def create(self, request: Request, patient_id: int) -> Response:
        """Create a record: fill in a template for a patient.

        The template is copied into the record, which stays as it is when the template changes.
        """
        patient = self.patient()
        given = self.valid_input()
        template = self.of_clinic(MedicalRecordTemplate, given.pop("template_id"))
        return self.row_response(services.create_record(template, patient, self.access.user, **given).pk, status=201)

    @classmethod
    def rows_of(cls, *, clinic: Any, **path: Any) -> RecordQuerySet:
        return super().rows_of(clinic=clinic).filter(patient_id=path["patient_id"])

    def patient(self) -> Patient:
        """Return the patient whose records these are; raises DoesNotExist."""
        return self.of_clinic(Patient, self.kwargs["patient_id"])
