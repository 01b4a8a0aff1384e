"""Health checks: whether this process runs, and whether it can serve."""

import logging

from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from clinic_project.reconciliation.cached_declaration import inspect_database
from clinic_project.reconciliation.exceptions import ReconciliationError

logger = logging.getLogger(__name__)


@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """Respond with 200: the process takes requests. A database that is down is no reason to restart it."""
    return JsonResponse({"status": "alive"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Respond with 200 where the database can be reached and has the declared schema, else 503 with what is wrong."""
    try:
        differences = len(inspect_database("default").differences)
    except Error:
        logger.exception("the database can't be reached")
        return JsonResponse({"status": "the database can't be reached"}, status=503)
    except ReconciliationError:
        logger.exception("the schema can't be read")
        return JsonResponse({"status": "the schema can't be read"}, status=503)
    if differences:
        body = {"status": "the schema isn't as declared: run `manage.py migrate`", "differences": differences}
        return JsonResponse(body, status=503)
    return JsonResponse({"status": "ready", "differences": 0})
