"""The factories make rows that fit each other, and agree with the database's defaults."""

import pytest
from django.db import models

from medical_records.factories import MedicalRecordFactory, MedicalRecordTemplateFactory, PatientPhotoFactory

pytestmark = pytest.mark.django_db


def test_a_record_belongs_to_its_patients_clinic_and_so_does_its_template():
    record = MedicalRecordFactory()
    assert record.clinic == record.patient.clinic == record.template.clinic


def test_a_record_answers_the_fields_of_its_snapshot():
    record = MedicalRecordFactory()
    assert record.template_snapshot["fields"] == record.template.fields
    assert set(record.values) == {field["id"] for field in record.template.fields}


def test_a_later_change_of_the_template_leaves_the_snapshot_alone():
    record = MedicalRecordFactory()
    record.template.fields[0]["label"] = "Changed"
    assert record.template_snapshot["fields"][0]["label"] != "Changed"


@pytest.mark.parametrize("factory", [MedicalRecordTemplateFactory, MedicalRecordFactory, PatientPhotoFactory])
def test_a_made_instance_equals_its_row(factory):
    made = factory()
    read = type(made).objects.get(pk=made.pk)
    for field in type(made)._meta.concrete_fields:
        value = getattr(made, field.attname)
        assert not isinstance(value, models.expressions.DatabaseDefault), field.name
        assert value == getattr(read, field.attname), field.name
