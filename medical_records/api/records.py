"""Endpoints of the records, across patients and of one patient."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.clinics.api.access import ADMINISTRATIVE
from clinic_project.clinics.api.documentation import CHANGING, CREATING, endpoint, page_of, row_id
from clinic_project.clinics.api.idempotency import idempotent
from clinic_project.clinics.api.models import IdempotencyKey
from clinic_project.clinics.models import Patient
from medical_records import services
from medical_records.models import MedicalRecord, MedicalRecordTemplate
from medical_records.querysets import RecordQuerySet

from . import representations
from .filters import PatientRecordFilters, RecordFilters, filtered
from .serializers import (
    PatientRecordQuery,
    RecordChange,
    RecordDetailOutput,
    RecordInput,
    RecordOutput,
    RecordPatch,
    RecordQuery,
    VersionInput,
)
from .views import VersionedView

_ID = row_id("id")
_PATIENT_ID = row_id("patient_id")
_RecordPage = page_of(RecordOutput)


def _changes(shape: type[VersionInput]) -> Callable[[Any], Any]:
    return endpoint(RecordDetailOutput, takes=shape, problems=CHANGING, parameters=[_ID], versioned=True)


#: The newest first.
ORDER = ("-created_at", "-id")


class RecordView(VersionedView):
    represent = representations.record
    detail_route = "medical_records:record"

    @property
    def records(self) -> RecordQuerySet:
        return MedicalRecord.objects.for_clinic(self.clinic)


class RecordList(RecordView):
    @endpoint(_RecordPage, parameters=[RecordQuery], paged=True)
    def get(self, request: Request) -> Response:
        """List the clinic's records, the newest first, without their snapshots."""
        records = filtered(request, self.records, RecordFilters)
        return Response(representations.record_page(request, records.order_by(*ORDER)))


class PatientRecordList(RecordView):
    @endpoint(_RecordPage, parameters=[_PATIENT_ID, PatientRecordQuery], paged=True)
    def get(self, request: Request, patient_id: int) -> Response:
        """List a patient's records, the newest first, without their snapshots."""
        patient = self._patient(patient_id)
        records = filtered(request, self.records.filter(patient=patient), PatientRecordFilters)
        return Response(representations.record_page(request, records.order_by(*ORDER)))

    @endpoint(
        RecordDetailOutput,
        status=201,
        takes=RecordInput,
        problems=CREATING,
        parameters=[_PATIENT_ID],
        versioned=True,
        once=True,
    )
    @idempotent
    def post(self, request: Request, patient_id: int) -> Response:
        """Fill in a template for a patient."""
        patient = self._patient(patient_id)
        given = self.valid(RecordInput)
        template = MedicalRecordTemplate.objects.for_clinic(self.clinic).get(pk=given.pop("template_id"))
        return self.shown(services.create_record(template, patient, self.access.user, **given).pk, status=201)

    def _patient(self, pk: int) -> Patient:
        return Patient.objects.for_clinic(self.clinic).get(pk=pk)


class RecordDetail(RecordView):
    @endpoint(RecordDetailOutput, parameters=[_ID], versioned=True)
    def get(self, request: Request, pk: int) -> Response:
        """Show a record, in the trash or not, with its snapshot and photos."""
        return self.shown(pk)

    @_changes(RecordChange)
    def put(self, request: Request, pk: int) -> Response:
        """Replace the answers of a record."""
        return self._change(pk, RecordChange)

    @_changes(RecordPatch)
    def patch(self, request: Request, pk: int) -> Response:
        """Change the answers, the appointment or the photos of a record."""
        return self._change(pk, RecordPatch)

    @endpoint(None, status=204, takes=VersionInput, problems=CHANGING, parameters=[_ID])
    def delete(self, request: Request, pk: int) -> Response:
        """Put a record into the trash, and its photos with it."""
        services.move_record_to_trash(self.records, pk, self.seen(), self.access.user)
        return Response(status=204)

    def _change(self, pk: int, shape: type[VersionInput]) -> Response:
        versions = self.seen()
        services.change_record(self.records, pk, versions, self.access.user, **self.valid_change(shape))
        return self.shown(pk)


class RecordRestore(RecordView):
    @endpoint(RecordDetailOutput, takes=VersionInput, problems=CHANGING, parameters=[_ID], versioned=True)
    def post(self, request: Request, pk: int) -> Response:
        """Take a record out of the trash, with the photos that went there with it."""
        services.restore_record(self.records, pk, self.seen(), self.access.user)
        return self.shown(pk)


class RecordPermanently(RecordView):
    writers = ADMINISTRATIVE

    @endpoint(None, status=204, takes=VersionInput, problems=CHANGING, parameters=[_ID])
    def delete(self, request: Request, pk: int) -> Response:
        """Remove a record that is in the trash for good, and its photos with it."""
        with transaction.atomic():
            services.remove_record(self.records, pk, self.seen())
            IdempotencyKey.objects.forget(self.clinic, reverse("medical_records:record", args=[pk]))
        return Response(status=204)
