"""URLs: the admin and the API."""

from django.contrib import admin
from django.urls import include, path, register_converter

from clinic_project.clinics.api.converters import RowIdConverter

register_converter(RowIdConverter, "row_id")

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("clinic_project.clinics.api.urls")),
    path("api/", include("medical_records.api.urls")),
]
