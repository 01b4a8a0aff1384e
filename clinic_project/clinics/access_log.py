"""Who looked at what a patient has: the access log, as it is shown to the clinic's administrators."""

from django.db.models import Q, QuerySet

from clinic_project.audit.models import Access

from .models import Patient

#: The newest first. Not by the key: its index would be followed through everybody's accesses to find a patient's.
ORDERING = ("-at", "-id")


def accesses_to(patient: Patient) -> QuerySet[Access]:
    """Return the accesses to what `patient` has, in the clinic whose patient it is and by those who see all clinics."""
    of_clinic = Q(clinic_id=patient.clinic_id) | Q(clinic_id=None)
    return Access.objects.filter(of_clinic, patient_ids__contains=[patient.pk])
