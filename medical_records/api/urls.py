"""Routes of the medical records, below `/api/`."""

from django.urls import path

from . import templates

app_name = "medical_records"

urlpatterns = [
    path("clinic/medical-record-templates", templates.TemplateList.as_view(), name="templates"),
]
