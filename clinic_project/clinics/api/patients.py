"""The endpoints of patients and their appointments: `/clinic/patients`, `/clinic/appointments`. They are only read."""

import datetime

from django.db.models.functions import Coalesce
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.openapi import CONTENT_ETAG, documented

from ..models import Appointment, Patient
from ..querysets import AppointmentQuerySet, PatientQuerySet
from .filters import AppointmentFilterSet, PatientFilterSet
from .serializers import AppointmentOutputSerializer, PatientDetailOutputSerializer, PatientOutputSerializer
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
