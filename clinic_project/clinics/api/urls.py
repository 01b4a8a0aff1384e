"""Routes of what isn't about records, below `/api/`."""

from django.urls import path

from . import credentials, docs

urlpatterns = [
    path("auth/login", credentials.Login.as_view(), name="login"),
    path("auth/logout", credentials.Logout.as_view(), name="logout"),
    path("auth/logout-all", credentials.LogoutAll.as_view(), name="logout-all"),
    path("auth/me", credentials.Me.as_view(), name="me"),
    path("schema", docs.Schema.as_view(), name="schema"),
    path("docs", docs.DocsPage.as_view(url_name="schema"), name="docs"),
]
