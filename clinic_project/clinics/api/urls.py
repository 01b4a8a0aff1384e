"""Routes about credentials, below `/api/`."""

from django.urls import path

from . import credentials

urlpatterns = [
    path("auth/login", credentials.Login.as_view(), name="login"),
    path("auth/logout", credentials.Logout.as_view(), name="logout"),
    path("auth/logout-all", credentials.LogoutAll.as_view(), name="logout-all"),
    path("auth/me", credentials.Me.as_view(), name="me"),
]
