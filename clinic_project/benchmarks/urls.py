"""The project's URLs, and below `/plain/` the same lists as Django REST framework makes them of the models."""

from django.urls import include, path

from .plain import Records, Templates

urlpatterns = [
    path("", include("clinic_project.urls")),
    path("plain/medical-record-templates", Templates.as_view({"get": "list"})),
    path("plain/patients/<int:patient_id>/medical-records", Records.as_view({"get": "list"})),
]
