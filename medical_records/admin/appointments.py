"""A patient's appointments in the admin: one as text, and the choice of one for a record."""

from typing import Any

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.clinics.models import Appointment, Patient

#: The latest ones are offered, and the one that a record has.
MAX_OFFERED = 50

#: The status that the database gives; others are another program's words.
CONFIRMED = "confirmed"


def appointment_text(appointment: Appointment) -> str:
    event = appointment.calendar_event
    status = gettext("confirmed") if appointment.status == CONFIRMED else appointment.status
    texts = {"day": date_format(event.date), "status": status}
    if event.start_time is None:
        return gettext("%(day)s (%(status)s)") % texts
    return gettext("%(day)s, %(time)s (%(status)s)") % {**texts, "time": f"{event.start_time:%H:%M}"}


class AppointmentField(forms.ChoiceField):
    """One of a patient's appointments, or None. `is_offered`: there is something to choose."""

    def __init__(self, patient: Patient, current: Appointment | None = None) -> None:
        all_of_them = Appointment.objects.for_clinic(patient.clinic_id).filter(patient=patient)
        order = ("-calendar_event__date", "-calendar_event__start_time", "-pk")
        latest = list(all_of_them.select_related("calendar_event").order_by(*order)[:MAX_OFFERED])
        if current is not None and current not in latest:
            latest.append(current)
        self.is_offered = bool(latest)
        offered = [(str(appointment.pk), appointment_text(appointment)) for appointment in latest]
        super().__init__(choices=[("", _("None")), *offered], required=False, label=_("Appointment"))

    def clean(self, value: Any) -> int | None:
        return int(super().clean(value) or 0) or None

    def text_of(self, value: Any) -> str:
        return str(dict(self.choices).get(str(value), ""))  # type: ignore[arg-type]
