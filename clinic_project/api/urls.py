"""Routes of the API's own description, below `/api/`."""

from django.urls import path

from . import docs

urlpatterns = [
    path("schema", docs.Schema.as_view(), name="schema"),
    path("docs", docs.DocsPage.as_view(url_name="schema"), name="docs"),
]
