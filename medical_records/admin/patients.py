"""A patient's page in the admin, with the records and photos of that patient."""

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest
from django.utils.translation import gettext

from clinic_project.clinics.models import Patient

from ..models import MedicalRecord, PatientPhoto
from ..photos.additions import Place
from .access_log import AccessLogMixin
from .adding_photos import AddPhotosMixin
from .exports import ExportMixin
from .patient_overview import patient_overview

admin.site.unregister(Patient)


@admin.register(Patient)
class PatientWithRecordsAdmin(AccessLogMixin, AddPhotosMixin, ExportMixin):
    """Replaces the admin of patients by one that shows records and photos, of which the app `clinics` knows nothing."""

    is_list_noted = False
    change_form_template = "admin/medical_records/patient_change_form.html"

    class Media:
        css = {"all": ["medical_records/admin.css"]}

    def place_of(self, obj: Patient) -> Place:
        return Place(obj)

    def goes_along(self, obj: Patient) -> str:
        said = gettext(
            "What the clinic has of this patient stays as it is (records: %(records)d, photos: %(photos)d). "
            "Nobody can add to it or change it until the patient is restored."
        )
        records, photos = MedicalRecord.objects.of_patient(obj), PatientPhoto.objects.of_patient(obj)
        return said % {"records": records.count(), "photos": photos.count()}

    def goes_along_with_all(self, objs: list[Patient]) -> str:
        said = gettext(
            "What the clinic has of these patients stays as it is (records: %(records)d, photos: %(photos)d). "
            "Nobody can add to it or change it until they are restored."
        )
        theirs = {"patient__in": objs, "clinic": F("patient__clinic")}
        records, photos = MedicalRecord.objects.filter(**theirs), PatientPhoto.objects.filter(**theirs)
        return said % {"records": records.count(), "photos": photos.count()}

    def own_page_context(self, request: HttpRequest, patient: Patient) -> dict[str, Any]:
        overview = patient_overview(patient)
        self.note_shown(request, overview.shown)
        may_add = not patient.is_deleted and self.has_role(request, patient)
        return {**super().own_page_context(request, patient), "overview": overview, "may_add_record": may_add}
