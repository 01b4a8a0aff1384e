"""Asks for each page of `growth` as a client does, and explains the queries that the project sends for it.

`growth` runs it on the database that it filled.
"""

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .output import write_line

#: The clinics by their keys, which are also the keys of their members minus one; None stands for a superuser's view of all.
CLINICS = {"none": 1, "small": 2, "huge": 3}


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its name, and its path for a clinic whose first patient is {patient}."""

    name: str
    path: str


API_PAGES = (
    Page("records", "/api/clinic/medical-records"),
    Page("records, page 100", "/api/clinic/medical-records?page=100"),
    Page("records, next by cursor", "next of /api/clinic/medical-records"),
    Page("records of a seldom template", "/api/clinic/medical-records?template_id={seldom}"),
    Page("records in the trash", "/api/clinic/medical-records?status=deleted"),
    Page("records of a month", "/api/clinic/medical-records?created_after=2015-02-01&created_before=2015-03-01"),
    Page("records changed since", "/api/clinic/medical-records?updated_since=2024-06-01"),
    Page("records of a patient", "/api/clinic/patients/{patient}/medical-records"),
    Page("templates", "/api/clinic/medical-record-templates"),
    Page("patients", "/api/clinic/patients"),
    Page("patients by two characters", "/api/clinic/patients?search={characters}"),
    Page("patients by digits", "/api/clinic/patients?search=0912"),
)
ADMIN_PAGES = (
    Page("admin records", "/admin/medical_records/medicalrecord/"),
    Page("admin records, page 100", "/admin/medical_records/medicalrecord/?p=100"),
    Page("admin records in the trash", "/admin/medical_records/medicalrecord/?trash=only"),
    Page("admin records by a name", "/admin/medical_records/medicalrecord/?q={characters}"),
    Page("admin photos", "/admin/medical_records/patientphoto/"),
    Page("admin patients", "/admin/clinics/patient/"),
    Page("admin patients by a name", "/admin/clinics/patient/?q={characters}"),
    Page("admin patients by digits", "/admin/clinics/patient/?q=0912"),
)


#: Nodes that read rows of a table. A bitmap's rows are read by its heap scan.
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan")


@dataclass
class Cost:
    """What the queries of a page cost: rows read, milliseconds on the server, indexes used."""

    queries: int = 0
    rows: int = 0
    milliseconds: float = 0.0
    indexes: set[str] = field(default_factory=set)

    def add(self, plan: dict[str, Any]) -> None:
        self.queries += 1
        self.milliseconds += plan["Planning Time"] + plan["Execution Time"]
        for node in _nodes(plan["Plan"]):
            if node["Node Type"] in _SCANS:
                removed = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
                self.rows += round((node["Actual Rows"] + removed) * node["Actual Loops"])
            if "Index Name" in node:
                self.indexes.add(node["Index Name"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", ()):
        yield from _nodes(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    os.environ["DJANGO_SETTINGS_MODULE"] = "clinic_project.settings"
    import django

    django.setup()
    write_line(f"{'':30}{'clinic':>8}{'status':>7}{'queries':>8}{'rows read':>11}{'ms':>9}  indexes")
    for clinic, pk in CLINICS.items():
        _report_pages(_api_client(pk), API_PAGES, clinic, pk, runs)
    for who, user in (("huge", CLINICS["huge"] + 1), ("all", 1)):
        _report_pages(_admin_client(user), ADMIN_PAGES, who, CLINICS["huge"], runs)


def _report_pages(client: Any, pages: tuple[Page, ...], shown: str, clinic: int, runs: int) -> None:
    names = _names(clinic)
    for page in pages:
        path = page.path.format(**names)
        if path.startswith("next of "):
            answer = client.get(path.removeprefix("next of ")).json()
            path = answer["next"]
        if path is not None:
            _report(page.name, shown, *_measure(client, path, runs))


def _names(clinic: int) -> dict[str, Any]:
    """Return what the paths of pages name of a clinic."""
    from clinic_project.clinics.models import Patient

    patient = Patient.objects.filter(clinic=clinic).order_by("pk").first()
    other: Any = patient or Patient.objects.order_by("pk").first()
    return {"seldom": clinic * 2 + 1, "patient": patient.pk if patient else 0, "characters": other.full_name[:2]}


def _api_client(clinic: int) -> Any:
    from django.test import Client

    from clinic_project.api.models import AccessToken
    from clinic_project.clinics.models import User

    token, _ = AccessToken.objects.issue(User.objects.get(pk=clinic + 1))
    return Client(headers={"Authorization": f"Bearer {token}"})


def _admin_client(user: int) -> Any:
    from django.test import Client

    from clinic_project.clinics.models import User

    client = Client()
    client.force_login(User.objects.get(pk=user))
    return client


def _measure(client: Any, path: str, runs: int) -> tuple[int, Cost, float]:
    """Return the status of the answer, what its queries cost, and the median of their milliseconds in several runs."""
    status, queries = _queries_of(client, path)
    costs = [_explained(queries) for _ in range(runs)]
    return status, costs[-1], statistics.median(cost.milliseconds for cost in costs)


def _queries_of(client: Any, path: str) -> tuple[int, list[tuple[str, Any]]]:
    from django.db import connection

    sent: list[tuple[str, Any]] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH", "(")):
            sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        response = client.get(path)
        getattr(response, "render", lambda: None)()
    return response.status_code, sent


def _explained(queries: list[tuple[str, Any]]) -> Cost:
    from django.db import connection

    cost = Cost()
    with connection.cursor() as cursor:
        for sql, params in queries:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()
            cost.add((json.loads(plan) if isinstance(plan, str) else plan)[0])
    return cost


def _report(page: str, clinic: str, status: int, cost: Cost, milliseconds: float) -> None:
    used = ", ".join(sorted(cost.indexes))
    write_line(f"{page:30}{clinic:>8}{status:7}{cost.queries:8}{cost.rows:11,}{milliseconds:9.1f}  {used}")


if __name__ == "__main__":
    main()
