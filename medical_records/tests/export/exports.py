"""An export as its reader has it."""

import hashlib
import io
import json
import lzma
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from clinic_project.clinics.models import Patient
from medical_records.export.patients import export_patient
from medical_records.factories import PatientPhotoFactory
from medical_records.models import PatientPhoto
from medical_records.photos.storage import PhotoFile
from medical_records.tests.photos.image_files import plain

SCHEMA = Path(__file__).parent / "fhir_r4" / "fhir.schema.json.xz"


class Unpacked:
    """The members of a zip; `index` is what people read, `fhir` the resources by their types."""

    def __init__(self, content: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        assert self._zip.testzip() is None
        self.names = self._zip.namelist()

    def bytes(self, name: str) -> bytes:
        return self._zip.read(name)

    def text(self, name: str) -> str:
        return self.bytes(name).decode()

    def json(self, name: str) -> Any:
        return json.loads(self.bytes(name))

    @property
    def index(self) -> str:
        return self.text("index.html")

    def resources(self, kind: str) -> list[dict[str, Any]]:
        entries = self.json("fhir.json")["entry"]
        return [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == kind]


def exported(patient: Patient) -> Unpacked:
    return Unpacked(b"".join(export_patient(patient, "Dr. Chen", timezone.now())))


def photo_with_file(content: bytes | None = None, **columns: Any) -> PatientPhoto:
    """Make a photo as an upload does, and its file in the storage."""
    content = content or plain()
    file = PhotoFile(columns["patient"].clinic_id, hashlib.sha256(content).hexdigest())
    if not default_storage.exists(file.key):
        default_storage.save(file.key, ContentFile(content))
    return PatientPhotoFactory.create(
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
        size_bytes=len(content),
        **columns,
    )


@cache
def fhir_validator() -> Any:
    schema = json.loads(lzma.decompress(SCHEMA.read_bytes()))
    return jsonschema.Draft6Validator(schema)


def assert_valid_fhir(resource: Any) -> None:
    """Assert that a resource is one by HL7's schema, and say where it isn't."""
    validator = fhir_validator()
    if validator.is_valid(resource):
        return
    if resource["resourceType"] == "Bundle":
        for entry in resource["entry"]:
            assert_valid_fhir(entry["resource"])
    definition = {**validator.schema, "oneOf": [{"$ref": f"#/definitions/{resource['resourceType']}"}]}
    jsonschema.Draft6Validator(definition).validate(resource)
