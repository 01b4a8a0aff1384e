"""Routes about credentials, below `/api/`."""

from django.urls import path

from .credentials import LoginView, LogoutAllView, LogoutView, MeView

urlpatterns = [
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/logout-all", LogoutAllView.as_view(), name="logout-all"),
    path("auth/me", MeView.as_view(), name="me"),
]
