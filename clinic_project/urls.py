"""URLs: the page at `/`, the admin, the API, the choice of a language, and health checks."""

from django.contrib import admin
from django.urls import include, path, register_converter
from django.views.i18n import set_language

from clinic_project import health
from clinic_project.api.converters import RowIdConverter, SequenceConverter
from clinic_project.home import home

register_converter(RowIdConverter, "row_id")
register_converter(SequenceConverter, "sequence")

urlpatterns = [
    # Those that are asked most come first: all before them are tried.
    path("api/", include("medical_records.api.urls")),
    path("api/", include("clinic_project.clinics.api.urls")),
    path("api/", include("clinic_project.api.urls")),
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "clinic_project.refused_requests.bad_request"
handler403 = "clinic_project.refused_requests.permission_denied"
handler404 = "clinic_project.refused_requests.page_not_found"
