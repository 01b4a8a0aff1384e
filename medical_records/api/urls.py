"""Routes of the medical records, below `/api/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .exports import PatientExportViewSet
from .photos import PhotoViewSet
from .records import PatientRecordViewSet, RecordViewSet
from .templates import TemplateViewSet
from .timeline import TimelineViewSet

app_name = "medical_records"

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
# All routes before one's own are tried: those of patients' pages first, of which there are few, then what is asked most.
router.register("clinic/patients/<row_id:patient_id>/medical-records", PatientRecordViewSet, "patient-record")
router.register("clinic/patients/<row_id:patient_id>/timeline", TimelineViewSet, "patient-timeline")
router.register("clinic/patient-photos", PhotoViewSet, "photo")
router.register("clinic/medical-records", RecordViewSet, "record")
router.register("clinic/medical-record-templates", TemplateViewSet, "template")

urlpatterns = [
    *router.urls,
    path("clinic/patients/<row_id:patient_id>/export", PatientExportViewSet.as_view({"get": "export"}), name="export"),
]
