"""Routes of the medical records, below `/api/`."""

from django.urls import path

from . import photos, records, templates

app_name = "medical_records"

_TEMPLATES = "clinic/medical-record-templates"
_RECORDS = "clinic/medical-records"
_PHOTOS = "clinic/patient-photos"

urlpatterns = [
    path(_TEMPLATES, templates.TemplateList.as_view(), name="templates"),
    path(f"{_TEMPLATES}/<row_id:pk>", templates.TemplateDetail.as_view(), name="template"),
    path(f"{_TEMPLATES}/<row_id:pk>/restore", templates.TemplateRestore.as_view(), name="template-restore"),
    path(
        "clinic/patients/<row_id:patient_id>/medical-records",
        records.PatientRecordList.as_view(),
        name="patient-records",
    ),
    path(_RECORDS, records.RecordList.as_view(), name="records"),
    path(f"{_RECORDS}/<row_id:pk>", records.RecordDetail.as_view(), name="record"),
    path(f"{_RECORDS}/<row_id:pk>/restore", records.RecordRestore.as_view(), name="record-restore"),
    path(f"{_RECORDS}/<row_id:pk>/permanently", records.RecordPermanently.as_view(), name="record-permanently"),
    path(_PHOTOS, photos.PhotoList.as_view(), name="photos"),
    path(f"{_PHOTOS}/attach", photos.PhotoAttach.as_view(), name="photos-attach"),
    path(f"{_PHOTOS}/<row_id:pk>", photos.PhotoDetail.as_view(), name="photo"),
    path(f"{_PHOTOS}/<row_id:pk>/restore", photos.PhotoRestore.as_view(), name="photo-restore"),
    path(f"{_PHOTOS}/<row_id:pk>/file", photos.PhotoFileView.as_view(), name="photo-file"),
    path(f"{_PHOTOS}/<row_id:pk>/thumbnail", photos.PhotoThumbnailView.as_view(), name="photo-thumbnail"),
]
