"""The project's URLs, and below `/plain/` the same lists as Django REST framework makes them of the models."""

from django.urls import include, path

from .plain_viewsets import PlainRecordViewSet, PlainTemplateViewSet

urlpatterns = [
    path("", include("clinic_project.urls")),
    path("plain/medical-record-templates", PlainTemplateViewSet.as_view({"get": "list"})),
    path("plain/patients/<int:patient_id>/medical-records", PlainRecordViewSet.as_view({"get": "list"})),
]
