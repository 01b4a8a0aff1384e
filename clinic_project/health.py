"""Health checks: whether this process runs, and whether it can serve."""

import logging
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from clinic_project.audit.waiting_commits import Wait, why_commits_wait
from clinic_project.reconciliation.cached_declaration import inspect_database
from clinic_project.reconciliation.exceptions import CannotServe, ReconciliationError
from clinic_project.reconciliation.pipeline import find_serving_problems
from clinic_project.reconciliation.planning.serving import ServingProblem
from clinic_project.reconciliation.sqlstates import LOCK_NOT_AVAILABLE, connection_lost, sqlstate

logger = logging.getLogger(__name__)

#: The apps into whose tables the API inserts. Into those of the others, the admin and other systems do.
INSERTING_APPS = ("medical_records", "clinics_api")


@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """Respond with 200: the process takes requests. A database that is down is no reason to restart it."""
    return JsonResponse({"status": "alive"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Respond with 503 where requests fail, with what makes them fail; else with 200.

    Where it is `degraded`, `differences` says how many there are from the declared schema, or null if it can't be
    compared with the actual one. Where changes wait for a standby, it is degraded as well, and `problems` says so: that
    isn't 503, which would take from every server what goes on, reading.
    """
    waiting: list[dict[str, str]] = []
    try:
        waiting = _waiting_for_standby(why_commits_wait(DEFAULT_DB_ALIAS))
        inspection = inspect_database(DEFAULT_DB_ALIAS)
        problems = find_serving_problems(connections[DEFAULT_DB_ALIAS], inspection, _inserted_tables())
    except CannotServe as error:
        logger.exception("the database can't serve")
        return _not_ready([{"found": str(error), "remedy": _PERSON}])
    except (Error, ReconciliationError) as error:
        return _not_compared(error, waiting)
    differences = len(inspection.differences)
    if problems:
        return _not_ready([*map(_as_json, problems), *waiting], differences=differences)
    return _ready(differences, waiting)


def _inserted_tables() -> set[str]:
    return {model._meta.db_table for label in INSERTING_APPS for model in apps.get_app_config(label).get_models()}


_MIGRATE = "run manage.py migrate"
_PERSON = "a person must decide"


def _as_json(problem: ServingProblem) -> dict[str, str]:
    remedy = _MIGRATE if problem.repairable else f"{_PERSON}: manage.py reconcile --plan says what"
    return {"object": problem.subject.label, "expected": problem.expected, "found": problem.found, "remedy": remedy}


_ATTACH = (
    "start a standby, or run on the primary: ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf();"
)


def _waiting_for_standby(wait: Wait | None) -> list[dict[str, str]]:
    if wait is None:
        return []
    expected = f"a standby for {wait.standby_names}, for which commits wait"
    found = "one that doesn't confirm them" if wait.attached else "none that is attached"
    if wait.commits:
        found += f"; commits that wait: {wait.commits}"
    logger.warning("changes wait for a standby: expected %s, found %s", expected, found)
    return [{"object": "synchronous_standby_names", "expected": expected, "found": found, "remedy": _ATTACH}]


def _ready(differences: int | None, problems: list[dict[str, str]]) -> JsonResponse:
    degraded = differences != 0 or bool(problems)
    named = {"problems": problems} if problems else {}
    return JsonResponse({"status": "ready", "degraded": degraded, "differences": differences, **named})


def _not_ready(problems: list[dict[str, str]], **others: Any) -> JsonResponse:
    return JsonResponse({"status": "not ready", "problems": problems, **others}, status=503)


def _not_compared(error: Error | ReconciliationError, waiting: list[dict[str, str]]) -> JsonResponse:
    """Respond with 503 if the database can't be reached; requests may be served if only the schema can't be compared."""
    if isinstance(error, Error) and connection_lost(error):
        logger.error("the database can't be reached", exc_info=error)
        return _not_ready([{"found": "the database can't be reached", "remedy": _PERSON}])
    if isinstance(error, Error) and sqlstate(error) == LOCK_NOT_AVAILABLE:
        logger.warning("the schema can't be compared: another session has locked a table")
    else:
        logger.error("the schema can't be compared", exc_info=error)
    return _ready(None, waiting)
