"""The endpoints of patients and their appointments: `/clinic/patients`, `/clinic/appointments`. They are only read."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.openapi import CONTENT_ETAG, documented
from clinic_project.api.serializers import Row
from clinic_project.audit.accesses import show, things_of
from clinic_project.audit.models import Access

from ..access import ADMIN_ROLES
from ..access_log import ORDERING, accesses_to
from ..models import Appointment, Patient
from ..querysets import AppointmentQuerySet, PatientQuerySet
from .filters import AccessFilterSet, AppointmentFilterSet, PatientFilterSet
from .serializers import (
    AccessOutputSerializer,
    AppointmentOutputSerializer,
    PatientDetailOutputSerializer,
    PatientOutputSerializer,
)
from .viewsets import ClinicViewSet


class PatientViewSet(ClinicViewSet[PatientQuerySet]):
    queryset = Patient.objects.all()
    filterset_class = PatientFilterSet
    ordering = ("full_name", "id")
    is_ordered_by_name = True
    documented_tag = "patients"

    def get_serializer_class(self) -> type[PatientOutputSerializer]:
        return PatientOutputSerializer if self.action == "list" else PatientDetailOutputSerializer

    @documented("listPatients", PatientOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request) -> Response:
        """List the clinic's patients, by name."""
        return super().list(request)

    @documented("getPatient", PatientDetailOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a patient, deleted or not."""
        return self.show(pk)


class AppointmentViewSet(ClinicViewSet[AppointmentQuerySet]):
    # A start that isn't known is that of the day: a cursor can't be made of NULL.
    queryset = Appointment.objects.alias(starts=Coalesce("calendar_event__start_time", datetime.time.min))
    filterset_class = AppointmentFilterSet
    serializer_class = AppointmentOutputSerializer
    ordering = ("-calendar_event__date", "-starts", "-pk")
    row_versions = ("pk", "calendar_event__date")
    documented_tag = "appointments"

    @documented("listAppointments", AppointmentOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request) -> Response:
        """List the clinic's appointments, the latest first."""
        return super().list(request)


class AccessLogViewSet(ClinicViewSet[Any]):
    """Who looked at what a patient has."""

    queryset = Access.objects.all()
    filterset_class = AccessFilterSet
    ordering = ORDERING
    access_action = Access.Action.ACCESS_LOG
    documented_tag = "patients"

    def get_queryset(self) -> QuerySet[Access]:
        return accesses_to(self.of_clinic(Patient, self.kwargs["patient_id"]))

    @documented("listPatientAccesses", AccessOutputSerializer, etag=CONTENT_ETAG, conditional=True)
    def list(self, request: Request, patient_id: int) -> Response:
        """List who looked at what a patient has, the latest first. Looking here is one of the accesses."""
        self.access.require(ADMIN_ROLES)
        listing = self._listing()
        show(patients=[patient_id])
        return self.page_response(listing, PatientAccesses(patient_id))


@dataclass
class PatientAccesses:
    """Accesses to what a patient has, of each what is theirs."""

    patient_id: int

    def identify(self, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return rows.values("id")

    def note_shown(self, rows: list[Row]) -> None:
        """Whose they are has been noted."""

    def read(self, rows: QuerySet[Any]) -> QuerySet[Any, Row]:
        return rows.values()

    def represent(self, rows: list[Row]) -> list[Row]:
        return [self._represented(row) for row in rows]

    def _represented(self, row: Row) -> Row:
        records, photos = things_of(self.patient_id, row["patient_ids"], row["record_ids"], row["photo_ids"])
        return {
            "at": row["at"],
            "user": row["user_id"] and {"id": row["user_id"], "name": row["user_name"]},
            "action": row["action"],
            "via": row["via"],
            "records": records,
            "photos": photos,
            "request_id": row["request_id"],
        }
