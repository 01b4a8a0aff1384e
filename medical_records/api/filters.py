"""The filters of the lists of templates, records and photos."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from clinic_project.api.filters import ChoiceFilter, IdFilter, SearchFilter, TimeFilter
from clinic_project.clinics.api.filters import StatusFilter
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import PhotoQuerySet, RecordQuerySet


class TemplateFilterSet(django_filters.FilterSet):
    search = SearchFilter(field_name="name", help_text="A part of the name, in any case.")
    status = StatusFilter()

    class Meta:
        model = MedicalRecordTemplate
        fields: list[str] = []


class PatientRecordFilterSet(django_filters.FilterSet):
    """`updated_since` is for clients that keep a copy: it shows deletions as well, unless `status` is given."""

    template_id = IdFilter(field_name="template_id")
    appointment_id = IdFilter(field_name="appointment_id")
    template = IdFilter(field_name="template_id", of="template_id")
    appointment = IdFilter(field_name="appointment_id", of="appointment_id")
    status = StatusFilter()
    entered_in_error = ChoiceFilter(
        *("false", "true", "all"),
        method="filter_entered_in_error",
        help_text="Whether to be marked as entered in error: `false`, `true`, or `all`. Unless said otherwise, it is"
        " `false`; where the trash is shown as well, by `status` or `updated_since`, `all`.",
    )
    unsigned = ChoiceFilter("true", method="filter_unsigned", help_text="Only what nobody has signed.")
    overdue = ChoiceFilter(
        "true", method="filter_overdue", help_text="Only what nobody has signed in the 24 hours after its last change."
    )
    created_after = TimeFilter(field_name="created_at", lookup_expr="gte", help_text="At this time or later.")
    created_before = TimeFilter(field_name="created_at", lookup_expr="lt", help_text="Before this time.")
    updated_since = TimeFilter(
        field_name="updated_at",
        lookup_expr="gte",
        help_text="Changed at this time or later; shows deletions, and what was entered in error, as well unless"
        " `status` or `entered_in_error` is given. A change may be"
        " seen some time after the one that it has: to keep a copy, ask from five minutes before the `Date` of the response"
        " that began the round before, read all pages, and take rows of an equal `id` and `version` for known.",
    )

    class Meta:
        model = MedicalRecord
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        given = self.form.cleaned_data
        if given["updated_since"] and not given["status"]:
            given["status"] = "all"
        if not given["entered_in_error"]:
            given["entered_in_error"] = "false" if given["status"] in ("", "active") else "all"
        return super().filter_queryset(queryset)

    def filter_entered_in_error(self, records: RecordQuerySet, name: str, value: str) -> RecordQuerySet:
        choices = {"false": records.without_errors, "true": records.in_error, "all": records.all}
        return choices[value]()

    def filter_unsigned(self, records: RecordQuerySet, name: str, value: str) -> RecordQuerySet:
        return records.unsigned()

    def filter_overdue(self, records: RecordQuerySet, name: str, value: str) -> RecordQuerySet:
        return records.overdue()


class RecordFilterSet(PatientRecordFilterSet):
    patient_id = IdFilter(field_name="patient_id")
    patient = IdFilter(field_name="patient_id", of="patient_id")


class PhotoFilterSet(django_filters.FilterSet):
    """Pending photos are shown only where `medical_record_id` names the one that they were uploaded for."""

    patient_id = IdFilter(field_name="patient_id", help_text="Whose photos: required, by this name or the former one.")
    medical_record_id = IdFilter(field_name="medical_record_id", help_text="Shows what is pending for it, too.")
    patient = IdFilter(field_name="patient_id", of="patient_id")
    record = IdFilter(field_name="medical_record_id", of="medical_record_id")
    unlinked = ChoiceFilter("true", "false", method="filter_unlinked", help_text="Whether to be on no record.")
    status = StatusFilter()

    class Meta:
        model = PatientPhoto
        fields: list[str] = []

    def filter_unlinked(self, photos: PhotoQuerySet, name: str, value: str) -> PhotoQuerySet:
        return photos.filter(medical_record__isnull=value == "true")

    def filter_queryset(self, queryset: PhotoQuerySet) -> QuerySet[Any]:
        given = self.form.cleaned_data
        if not (given["patient_id"] or given["patient"]):
            raise ValidationError({"patient_id": ["Name the patient whose photos to list."]})
        of_record = given["medical_record_id"] or given["record"]
        return super().filter_queryset(queryset if of_record else queryset.without_pending())
