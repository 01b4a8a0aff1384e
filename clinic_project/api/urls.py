"""Routes of the API's own description, below `/api/`."""

from django.urls import path

from .views import DocsView, SchemaView

urlpatterns = [
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(url_name="schema"), name="docs"),
]
