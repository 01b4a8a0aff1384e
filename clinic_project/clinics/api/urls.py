"""Routes about credentials, patients and appointments, below `/api/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .credentials import LoginView, LogoutAllView, LogoutView, MeView
from .patients import AccessLogViewSet, AppointmentViewSet, PatientViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("clinic/patients", PatientViewSet, "patient")
router.register("clinic/patients/<row_id:patient_id>/access-log", AccessLogViewSet, "patient-access")
router.register("clinic/appointments", AppointmentViewSet, "appointment")

urlpatterns = [
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/logout-all", LogoutAllView.as_view(), name="logout-all"),
    path("auth/me", MeView.as_view(), name="me"),
    *router.urls,
]
