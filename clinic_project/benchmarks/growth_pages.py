"""Asks for each page of `growth` as a client does, and explains the queries that the project sends for it.

`growth` runs it on the database that it filled.
"""

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max, Min

from .output import write_line

#: The clinics by their keys, which are also the keys of their members minus one. The user with the key 1 sees all clinics.
CLINICS = {"none": 1, "small": 2, "huge": 3}
SUPERUSER = 1


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its name, and its path for a clinic whose first patient is {patient}. `next of` leads to the page after it.

    `reads` says what else it reads: the `pages` before it, the clinic's `patients`, or what was `counted` once more.
    """

    name: str
    path: str
    reads: str = ""


_RECORDS, _PATIENTS = "/api/clinic/medical-records", "/api/clinic/patients"
_ADMIN_RECORDS, _ADMIN_PHOTOS = "/admin/medical_records/medicalrecord/", "/admin/medical_records/patientphoto/"
_ADMIN_PATIENTS = "/admin/clinics/patient/"
_LAST = 200

API_PAGES = (
    Page("records", _RECORDS),
    Page("records, last page by number", f"{_RECORDS}?page={_LAST}", reads="pages"),
    Page("records, the next by cursor", f"next of {_RECORDS}?page={_LAST}"),
    Page("records of a template", f"{_RECORDS}?template_id={{often}}"),
    Page("records of a seldom template", f"{_RECORDS}?template_id={{seldom}}"),
    Page("records of an appointment", f"{_RECORDS}?appointment_id={{patient}}"),
    Page("records in the trash", f"{_RECORDS}?status=deleted"),
    Page("records in the trash or not", f"{_RECORDS}?status=all"),
    Page("records that aren't signed", f"{_RECORDS}?unsigned=true"),
    Page("records that are overdue", f"{_RECORDS}?overdue=true"),
    Page("records entered in error", f"{_RECORDS}?entered_in_error=true"),
    Page("records in error or not", f"{_RECORDS}?entered_in_error=all"),
    Page("records of a month", f"{_RECORDS}?created_after=2015-02-01T00:00Z&created_before=2015-03-01T00:00Z"),
    Page("records changed lately", f"{_RECORDS}?updated_since=2024-12-25T00:00Z"),
    Page("records changed in ten years", f"{_RECORDS}?updated_since=2015-02-01T00:00Z"),
    Page("records of a patient", f"{_PATIENTS}/{{patient}}/medical-records"),
    Page("timeline of a patient", f"{_PATIENTS}/{{patient}}/timeline"),
    Page("photos of a patient", "/api/clinic/patient-photos?patient_id={patient}"),
    Page("templates", "/api/clinic/medical-record-templates"),
    Page("templates by name", "/api/clinic/medical-record-templates?search=sel"),
    Page("appointments", "/api/clinic/appointments"),
    Page("appointments of a day", "/api/clinic/appointments?date=2020-05-05"),
    Page("appointments of a patient", "/api/clinic/appointments?patient_id={patient}"),
    Page("patients", _PATIENTS),
    Page("patients, last page by number", f"{_PATIENTS}?page={_LAST}", reads="pages"),
    Page("patients, the next by cursor", f"next of {_PATIENTS}?page={_LAST}"),
    Page("patients in the trash", f"{_PATIENTS}?status=deleted"),
    Page("patients in the trash or not", f"{_PATIENTS}?status=all"),
    Page("patients by one character", f"{_PATIENTS}?search={{character}}", reads="patients"),
    Page("patients by two characters", f"{_PATIENTS}?search={{characters}}", reads="patients"),
    Page("patients by digits", f"{_PATIENTS}?search=0912345", reads="patients"),
)
_SEARCHED = (("admin records", _ADMIN_RECORDS), ("admin photos", _ADMIN_PHOTOS), ("admin patients", _ADMIN_PATIENTS))
_SEARCHES = (
    ("one character", "{character}"),
    ("two characters", "{characters}"),
    ("what all have", "{common}"),
    ("what none has", "zq"),
    ("digits", "0912345"),
)
ADMIN_PAGES = (
    Page("admin records", _ADMIN_RECORDS),
    Page("admin records, a deep page", f"{_ADMIN_RECORDS}?after={{record}}"),
    Page("admin records in the trash", f"{_ADMIN_RECORDS}?trash=only"),
    Page("admin records in the trash or not", f"{_ADMIN_RECORDS}?trash=with"),
    Page("admin records that are signed", f"{_ADMIN_RECORDS}?signature=signed", reads="counted"),
    Page("admin records that aren't signed", f"{_ADMIN_RECORDS}?signature=unsigned", reads="counted"),
    Page("admin records that are overdue", f"{_ADMIN_RECORDS}?signature=overdue", reads="counted"),
    Page("admin records entered in error", f"{_ADMIN_RECORDS}?error=only", reads="counted"),
    Page("admin records in error or not", f"{_ADMIN_RECORDS}?error=with"),
    Page("admin records of a year", f"{_ADMIN_RECORDS}?created_at__year=2020"),
    Page("admin records of a day", f"{_ADMIN_RECORDS}?created_at__year=2020&created_at__month=5&created_at__day=5"),
    Page("admin records of a clinic", f"{_ADMIN_RECORDS}?clinic={{clinic}}"),
    Page("admin records of a patient", f"{_ADMIN_RECORDS}?patient={{patient}}"),
    Page("admin records of a template", f"{_ADMIN_RECORDS}?template={{often}}"),
    Page("admin records of a seldom template", f"{_ADMIN_RECORDS}?template={{seldom}}"),
    Page("admin records by a template's name", f"{_ADMIN_RECORDS}?q=Visit", reads="patients"),
    Page("admin records by a seldom template's name", f"{_ADMIN_RECORDS}?q=Seldom", reads="patients"),
    Page("admin photos", _ADMIN_PHOTOS),
    Page("admin photos, a deep page", f"{_ADMIN_PHOTOS}?after={{photo}}"),
    Page("admin photos in the trash", f"{_ADMIN_PHOTOS}?trash=only", reads="counted"),
    Page("admin photos on a record", f"{_ADMIN_PHOTOS}?place=record", reads="counted"),
    Page("admin photos in the gallery", f"{_ADMIN_PHOTOS}?place=gallery", reads="counted"),
    Page("admin photos pending", f"{_ADMIN_PHOTOS}?place=pending", reads="counted"),
    Page("admin patients", _ADMIN_PATIENTS),
    Page("admin patients, a deep page", f"{_ADMIN_PATIENTS}?after={{patient_between}}"),
    Page("admin patients in the trash", f"{_ADMIN_PATIENTS}?trash=only", reads="counted"),
    Page("admin page of a patient", f"{_ADMIN_PATIENTS}{{patient}}/change/"),
    Page("admin templates", "/admin/medical_records/medicalrecordtemplate/"),
    Page("admin memberships by a name", "/admin/clinics/membership/?q=member"),
    *(
        Page(f"{name} by {what}", f"{path}?q={text}", reads="patients")
        for name, path in _SEARCHED
        for what, text in _SEARCHES
    ),
)


#: The tables that grow with the records. Rows of others, such as clinics and users, aren't counted.
_GROWING = {"medical_records", "patient_photos", "patients", "calendar_events", "appointments"}
#: Nodes that read rows of a table. A bitmap's rows are read by its heap scan.
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan")


@dataclass
class Cost:
    """What the queries of a page cost: rows read, and of these those read to be counted; blocks of 8 kB; milliseconds
    on the server; indexes used. A row is read where a scan returns it or filters it out; of tables that grow.
    """

    queries: int = 0
    rows: int = 0
    counted: int = 0
    blocks: int = 0
    milliseconds: float = 0.0
    indexes: set[str] = field(default_factory=set)

    def add(self, explained: Mapping[str, Any]) -> None:
        """Add a query as EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) tells of it."""
        self.queries += 1
        self.milliseconds += explained["Planning Time"] + explained["Execution Time"]
        plan = explained["Plan"]
        self.blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        for node, is_counted in _nodes(plan):
            if node["Node Type"] in _SCANS and node["Relation Name"] in _GROWING:
                removed = sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
                rows = round((node["Actual Rows"] + removed) * node["Actual Loops"])
                self.rows += rows
                self.counted += rows if is_counted else 0
            if "Index Name" in node:
                self.indexes.add(node["Index Name"])


def _nodes(node: Mapping[str, Any], is_counted: bool = False) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield a plan's nodes, each with whether its rows are counted, or searched for different dates."""
    yield node, is_counted
    for part in node.get("Plans", ()):
        # Rows after a LIMIT are those of a page, which are made unique to be joined.
        of_page = part["Node Type"] == "Limit" and node.get("Strategy") != "Plain"
        aggregates = node["Node Type"] in ("Aggregate", "Unique") and not of_page
        yield from _nodes(part, is_counted or aggregates)


@dataclass(frozen=True, slots=True)
class Measured:
    """A page as it was asked for: its response's status, how many rows it shows, and what its queries cost."""

    page: Page
    status: int
    shown: int
    cost: Cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    os.environ["DJANGO_SETTINGS_MODULE"] = "clinic_project.settings"
    import django

    django.setup()
    write_line(
        f"{'':38}{'clinic':>7}{'queries':>8}{'shown':>6}{'read':>10}{'counted':>10}{'blocks':>9}{'ms':>9}  indexes"
    )
    for seen, measured in measured_pages(runs):
        _report(seen, measured)


def measured_pages(runs: int) -> Iterator[tuple[str, Measured]]:
    """Measure each page that there is, for a member of each clinic, and in the admin for a superuser: `all` clinics."""
    for name, clinic in CLINICS.items():
        for client, pages in ((_api_client(clinic), API_PAGES), (_admin_client(clinic + 1), ADMIN_PAGES)):
            yield from ((name, measured) for measured in _measured(client, pages, clinic, runs))
    everything = _measured(_admin_client(SUPERUSER), ADMIN_PAGES, CLINICS["huge"], runs)
    yield from (("all", measured) for measured in everything)


def _measured(client: Any, pages: tuple[Page, ...], clinic: int, runs: int) -> Iterator[Measured]:
    names = _names(clinic)
    for page in pages:
        path = _path(client, page.path.format(**names))
        if path is not None:
            measured = _measure(client, page, path, runs)
            if measured.status == 200:
                yield measured


def _names(clinic: int) -> dict[str, Any]:
    """Return what the paths of pages name of a clinic."""
    from clinic_project.clinics.models import Patient
    from medical_records.models import MedicalRecord, PatientPhoto

    patient = Patient.objects.filter(clinic=clinic).order_by("pk").first()
    name = (patient or Patient.objects.order_by("pk")[0]).full_name
    return {
        "clinic": clinic,
        "often": clinic * 2,
        "seldom": clinic * 2 + 1,
        "patient": patient.pk if patient else 0,
        "character": name[0],
        "characters": name[:2],
        "common": "Patient",
        "record": _between(MedicalRecord, clinic),
        "photo": _between(PatientPhoto, clinic),
        "patient_between": _between(Patient, clinic),
    }


def _between(model: Any, clinic: int) -> int:
    """Return the id of one of the clinic's rows, about half of which have a lower one; 0 where it has none."""
    rows = model.objects.filter(clinic=clinic)
    ends = rows.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return 0
    return int(rows.filter(pk__gte=(ends["first"] + ends["last"]) // 2).order_by("pk").values_list("pk", flat=True)[0])


def _path(client: Any, path: str) -> str | None:
    """Return `path`, or that of the page after it; None where there is none."""
    if not path.startswith("next of "):
        return path
    following: str | None = client.get(path.removeprefix("next of ")).json().get("next")
    return following


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


def _measure(client: Any, page: Page, path: str, runs: int) -> Measured:
    """Ask for a page once, and explain its queries in several runs: the median of their milliseconds counts."""
    response, queries = _queries_of(client, path)
    costs = [_explained(queries) for _ in range(runs)]
    costs[-1].milliseconds = statistics.median(cost.milliseconds for cost in costs)
    return Measured(page, response.status_code, _rows_shown(response), costs[-1])


def _rows_shown(response: Any) -> int:
    if response["Content-Type"] == "application/json":
        return len(response.json().get("results", ()))
    change_list = (getattr(response, "context_data", None) or {}).get("cl")
    return len(change_list.result_list) if change_list else 1


def _queries_of(client: Any, path: str) -> tuple[Any, list[tuple[str, Any]]]:
    from django.db import connection

    sent: list[tuple[str, Any]] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # Not the access log's, which sets something by a SELECT before its INSERT.
        if sql.lstrip().startswith(("SELECT", "WITH", "(")) and " INSERT INTO " not in sql:
            sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        response = client.get(path)
    return response, sent


def _explained(queries: list[tuple[str, Any]]) -> Cost:
    from django.db import connection

    cost = Cost()
    with connection.cursor() as cursor:
        for sql, params in queries:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()
            cost.add((json.loads(plan) if isinstance(plan, str) else plan)[0])
    return cost


def _report(seen: str, measured: Measured) -> None:
    cost, used = measured.cost, ", ".join(sorted(measured.cost.indexes))
    write_line(
        f"{measured.page.name:38}{seen:>7}{cost.queries:8}{measured.shown:6}{cost.rows - cost.counted:10,}"
        f"{cost.counted:10,}{cost.blocks:9,}{cost.milliseconds:9.1f}  {used}"
    )


if __name__ == "__main__":
    main()
