"""The admin's page "Schema", for superusers: the declared schema, the actual one, and what `migrate` would do."""

import logging
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ..cached_declaration import inspect_database
from ..conf import Budgets
from ..exceptions import ReconciliationError, Refused
from ..migration_history import forecast_migrate
from ..pipeline import Forecast, Inspection, find_serving_problems, unmatched_ignores
from ..sqlstates import LOCK_NOT_AVAILABLE, message, sqlstate
from .schema_status import Status, functions_status, schema_status

#: Seconds for one query of the rows that would make a step fail.
LOOKING_AT_ROWS = 1.0

logger = logging.getLogger(__name__)


class SchemaAdminSite(admin.AdminSite):
    """An admin site with a page that shows the schema of the default database, and changes nothing."""

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # Before Django's own, whose last URL matches everything.
        return [path("schema/", self.admin_view(self.schema_view), name="schema"), *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return Django's list for the index and the sidebar, with the page at its end for users who may see it."""
        listed: list[Any] = super().get_app_list(request, app_label)
        if app_label is None and may_see_schema(request):
            listed.append(self._entry())
        return listed

    def _entry(self) -> dict[str, Any]:
        url = reverse("admin:schema", current_app=self.name)
        page = {"name": _("Schema"), "object_name": "Schema", "admin_url": url, "add_url": None, "view_only": True}
        return {
            "name": _("Database"),
            "app_label": "reconciliation",
            "app_url": url,
            "has_module_perms": True,
            "models": [{**page, "perms": {"view": True}}],
        }

    @method_decorator(require_safe)
    def schema_view(self, request: HttpRequest) -> HttpResponse:
        if not may_see_schema(request):
            raise PermissionDenied
        shown, status = _inspect()
        request.current_app = self.name
        context = {**self.each_context(request), "title": _("Schema"), **shown}
        return TemplateResponse(request, "admin/reconciliation/schema.html", context, status=status)


def may_see_schema(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


def _inspect() -> tuple[dict[str, Any], int]:
    """Return what the page shows, and its HTTP status: 503 where the schema can't be compared."""
    try:
        connection = connections[DEFAULT_DB_ALIAS]
        inspection = inspect_database(DEFAULT_DB_ALIAS)
        expected = forecast_migrate(connection, inspection, Budgets.from_settings(), LOOKING_AT_ROWS)
        return _shown(inspection, expected), 200
    except Refused as refused:
        logger.warning("The schema can't be compared: %s", refused)
        return {"error": "A person has to decide something first.", "refusals": refused.refusals}, 503
    except ReconciliationError as error:
        logger.warning("The schema can't be compared: %s", error)
        return {"error": str(error)}, 503
    except Error as error:
        logger.exception("The schema can't be compared.")
        return {"error": message(error), "is_locked": sqlstate(error) == LOCK_NOT_AVAILABLE}, 503


def _shown(inspection: Inspection, expected: Forecast) -> dict[str, Any]:
    inspection = replace(inspection, plan=replace(inspection.plan, refusals=expected.refusals))
    tables = schema_status(inspection)
    return {
        "inspection": inspection,
        "tables": tables,
        "functions": functions_status(inspection),
        "differing": [table for table in tables if table.status is not Status.AS_DECLARED],
        "problems": find_serving_problems(connections[DEFAULT_DB_ALIAS], inspection),
        "steps": list(inspection.plan.steps),
        "refusals": expected.refusals,
        "forecast_is_complete": expected.complete,
        "notes": list(dict.fromkeys((*inspection.plan.notes, *unmatched_ignores(inspection)))),
    }
