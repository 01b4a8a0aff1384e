"""Templates, records and photos; everything of one record belongs to one clinic."""

import uuid
from typing import Any

import factory
from factory.django import DjangoModelFactory

from clinic_project.clinics.tests.factories import ClinicFactory, PatientFactory
from medical_records.models import MedicalRecord, MedicalRecordTemplate, PatientPhoto


def question(label: str = "Complaint", kind: str = "text", **more: Any) -> dict[str, Any]:
    """A field of a template."""
    options = {"options": ["left", "right"]} if kind in {"dropdown", "radio", "checkbox"} else {}
    return {"id": str(uuid.uuid4()), "label": label, "type": kind, "required": False, "order": 0, **options, **more}


class TemplateFactory(DjangoModelFactory):
    class Meta:
        model = MedicalRecordTemplate

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"Template {n}")
    fields = factory.LazyFunction(lambda: [question()])


class RecordFactory(DjangoModelFactory):
    class Meta:
        model = MedicalRecord

    clinic = factory.SelfAttribute("patient.clinic")
    patient = factory.SubFactory(PatientFactory)
    template = factory.SubFactory(TemplateFactory, clinic=factory.SelfAttribute("..patient.clinic"))
    template_name = factory.SelfAttribute("template.name")
    template_snapshot = factory.LazyAttribute(
        lambda record: {
            "name": record.template.name,
            "description": record.template.description,
            "fields": record.template.fields,
        }
    )
    values = factory.LazyFunction(dict)


class PhotoFactory(DjangoModelFactory):
    class Meta:
        model = PatientPhoto

    clinic = factory.SelfAttribute("patient.clinic")
    patient = factory.SubFactory(PatientFactory)
    filename = factory.Sequence(lambda n: f"photo{n}.jpg")
    storage_key = factory.LazyFunction(lambda: f"photos/{uuid.uuid4()}.jpg")
    content_type = "image/jpeg"
    size_bytes = 1000
    is_pending = False
