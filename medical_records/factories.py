"""Makes templates, records and photos, for tests and for the demo.

Columns with a database default get the same value here, so that an instance can be used without reading it again.
"""

import copy
import uuid
from typing import Any

import factory
from django.utils import timezone

from clinic_project.clinics.factories import ClinicFactory, PatientFactory

from .models import MedicalRecord, MedicalRecordTemplate, PatientPhoto


def make_field(label: str, field_type: str = "text", *, order: int = 0, **extra: Any) -> dict[str, Any]:
    """Return one field of a template, with a new id; `options` in `extra` for dropdown, radio and checkbox."""
    return {"id": str(uuid.uuid4()), "label": label, "type": field_type, "required": False, "order": order, **extra}


def every_field_type() -> list[dict[str, Any]]:
    """Return one field of each type that a template may have."""
    return [
        make_field("Chief complaint", "text", order=0, required=True),
        make_field("History", "textarea", order=1),
        make_field("Temperature (°C)", "number", order=2),
        make_field("Onset", "date", order=3),
        make_field("Severity", "dropdown", order=4, options=["Mild", "Moderate", "Severe"]),
        make_field("Side", "radio", order=5, options=["Left", "Right"]),
        make_field("Allergies", "checkbox", order=6, options=["Penicillin", "Latex", "Pollen"]),
    ]


def sample_value(field: dict[str, Any]) -> Any:
    """Return an answer that fits `field`, the same at every call."""
    options = field.get("options") or [""]
    samples = {
        "number": 37.5,
        "date": "2026-03-14",
        "dropdown": options[0],
        "radio": options[-1],
        "checkbox": options[:2],
    }
    return samples.get(field["type"], f"{field['label']}: nothing unusual")


def snapshot_of(template: MedicalRecordTemplate) -> dict[str, Any]:
    return {
        "name": template.name,
        "description": template.description,
        "fields": copy.deepcopy(template.fields),
    }


class MedicalRecordTemplateFactory(factory.django.DjangoModelFactory[MedicalRecordTemplate]):
    class Meta:
        model = MedicalRecordTemplate

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Template {n}")
    description = None
    fields = factory.LazyFunction(every_field_type)
    version = 1
    is_deleted = False
    deleted_at = None
    created_at = factory.LazyFunction(timezone.now)
    created_by_user = None

    class Params:
        in_trash = factory.Trait(is_deleted=True, deleted_at=factory.LazyFunction(timezone.now))


class MedicalRecordFactory(factory.django.DjangoModelFactory[MedicalRecord]):
    """A record whose clinic, template, snapshot and values fit each other and its patient."""

    class Meta:
        model = MedicalRecord

    patient = factory.SubFactory(PatientFactory)
    clinic = factory.SelfAttribute("patient.clinic")
    template = factory.SubFactory(MedicalRecordTemplateFactory, clinic=factory.SelfAttribute("..patient.clinic"))
    template_name = factory.SelfAttribute("template.name")
    template_snapshot = factory.LazyAttribute(lambda record: snapshot_of(record.template))
    values = factory.LazyAttribute(
        lambda record: {field["id"]: sample_value(field) for field in record.template_snapshot["fields"]}
    )
    appointment = None
    version = 1
    is_deleted = False
    deleted_at = None
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")
    created_by_user = None
    updated_by_user = factory.SelfAttribute("created_by_user")

    class Params:
        in_trash = factory.Trait(is_deleted=True, deleted_at=factory.LazyFunction(timezone.now))


class PatientPhotoFactory(factory.django.DjangoModelFactory[PatientPhoto]):
    """A photo's row; its files are only there if the test puts them into the storage."""

    class Meta:
        model = PatientPhoto

    patient = factory.SubFactory(PatientFactory)
    clinic = factory.SelfAttribute("patient.clinic")
    medical_record = None
    filename = factory.Sequence(lambda n: f"photo-{n}.jpg")
    storage_key = factory.LazyFunction(lambda: f"photos/{uuid.uuid4().hex}.jpg")
    thumbnail_key = factory.LazyAttribute(lambda photo: photo.storage_key.replace(".jpg", "-thumbnail.jpg"))
    content_hash = None
    content_type = "image/jpeg"
    size_bytes = 1000
    description = None
    is_pending = False
    is_deleted = False
    deleted_at = None
    created_at = factory.LazyFunction(timezone.now)
    uploaded_by_user = None

    class Params:
        in_trash = factory.Trait(is_deleted=True, deleted_at=factory.LazyFunction(timezone.now))
        pending = factory.Trait(is_pending=True)
