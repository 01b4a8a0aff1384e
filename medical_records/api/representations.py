"""Rows as the API shows them: dictionaries that are read for it and sent as they are.

jsonb columns come as PostgreSQL's own text, which is JSON already, and go into the answer without being read.
"""

import json
from collections.abc import Iterable
from typing import Any

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from rest_framework.request import Request

from clinic_project.clinics.api.pagination import paginate
from clinic_project.clinics.models import Clinic, Membership
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto
from medical_records.querysets import PhotoQuerySet, RecordQuerySet, TemplateQuerySet
from medical_records.template_fields import missing_required

Row = dict[str, Any]

_JSON_PREFIX = "json_"

TEMPLATE = (
    "id",
    "name",
    "description",
    "version",
    "is_deleted",
    "deleted_at",
    "created_at",
    "created_by_user_id",
    "updated_at",
    "updated_by_user_id",
)
TEMPLATE_JSON = ("fields",)

RECORD = (
    "id",
    "patient_id",
    "template_id",
    "template_name",
    "appointment_id",
    "version",
    "is_deleted",
    "deleted_at",
    "created_at",
    "created_by_user_id",
    "updated_at",
    "updated_by_user_id",
)
RECORD_JSON = ("values",)
RECORD_DETAIL_JSON = ("values", "template_snapshot")

PHOTO = (
    "id",
    "patient_id",
    "medical_record_id",
    "filename",
    "content_type",
    "size_bytes",
    "description",
    "is_pending",
    "is_deleted",
    "deleted_at",
    "created_at",
    "uploaded_by_user_id",
    "updated_at",
    "updated_by_user_id",
)


def template_page(request: Request, templates: TemplateQuerySet) -> Row:
    return _page(request, templates, TEMPLATE, TEMPLATE_JSON)


def template(clinic: Clinic, pk: int) -> Row:
    """Return a template of `clinic` with everything; raises DoesNotExist."""
    return _one(MedicalRecordTemplate.objects.for_clinic(clinic), pk, TEMPLATE, TEMPLATE_JSON)


def record_page(request: Request, records: RecordQuerySet) -> Row:
    """Return a page of records, without their snapshots."""
    return _page(request, records, RECORD, RECORD_JSON)


def record(clinic: Clinic, pk: int) -> Row:
    """Return a record of `clinic` with everything, in two queries; raises DoesNotExist."""
    row = _read(MedicalRecord.objects.for_clinic(clinic), RECORD, RECORD_DETAIL_JSON).get(pk=pk)
    snapshot, values = (json.loads(row[_JSON_PREFIX + name]) for name in ("template_snapshot", "values"))
    _finish(row, RECORD_DETAIL_JSON)
    photos = PatientPhoto.objects.for_clinic(clinic)
    if row["is_deleted"]:
        photos = photos.trashed_with(pk, row["deleted_at"])
    else:
        photos = photos.active().filter(medical_record_id=pk)
    return {**row, "missing_required": missing_required(snapshot, values), "photos": photo_rows(photos)}


def photo_page(request: Request, photos: PhotoQuerySet) -> Row:
    page = paginate(request, photos.values(*PHOTO))
    return {**page, "results": [photo_row(row) for row in page["results"]]}


def photo(clinic: Clinic, pk: int) -> Row:
    """Return a photo of `clinic`; raises DoesNotExist."""
    return photo_row(PatientPhoto.objects.for_clinic(clinic).values(*PHOTO).get(pk=pk))


def photo_rows(photos: PhotoQuerySet) -> list[Row]:
    """Return `photos`, oldest first, as the API shows them."""
    return [photo_row(row) for row in photos.order_by("created_at", "id").values(*PHOTO)]


def photo_row(row: Row) -> Row:
    """Add to a row of the `PHOTO` columns where its files are."""
    base = f"{reverse('medical_records:photos')}/{row['id']}"
    return {**row, "file": f"{base}/file", "thumbnail": f"{base}/thumbnail"}


def person(clinic: Clinic, user_id: int | None) -> Row | None:
    """Return a user as the members of `clinic` know them, None where nobody is named."""
    if user_id is None:
        return None
    names = Membership.objects.filter(clinic=clinic, user_id=user_id).values_list("full_name", flat=True)
    return {"id": user_id, "full_name": names.first()}


def _page(request: Request, rows: QuerySet[Any], columns: Iterable[str], json_columns: Iterable[str]) -> Row:
    page = paginate(request, _read(rows, columns, json_columns))
    for row in page["results"]:
        _finish(row, json_columns)
    return page


def _one(rows: QuerySet[Any], pk: int, columns: Iterable[str], json_columns: Iterable[str]) -> Row:
    return _finish(_read(rows, columns, json_columns).get(pk=pk), json_columns)


def _read(rows: QuerySet[Any], columns: Iterable[str], json_columns: Iterable[str]) -> QuerySet[Any, Row]:
    texts = {_JSON_PREFIX + name: Cast(name, TextField()) for name in json_columns}
    return rows.values(*columns, **texts)


def _finish(row: Row, json_columns: Iterable[str]) -> Row:
    """Put the JSON columns of a row that was read where they belong."""
    for name in json_columns:
        row[name] = orjson.Fragment(row.pop(_JSON_PREFIX + name))
    return row
