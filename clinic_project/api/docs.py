"""The OpenAPI document, and the page that makes it readable."""

from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView


@method_decorator(cache_control(max_age=3600, public=True), name="dispatch")
class Schema(SpectacularJSONAPIView):
    """JSON, which is YAML as well."""


class DocsPage(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files; its script is a file of its own, as the Content-Security-Policy wants."""

    template_name = "clinics_api/docs.html"
