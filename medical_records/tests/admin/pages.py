"""Addresses of the admin's pages, their HTML, and whether an object is in the trash."""

import re
from typing import Any

from django.urls import reverse


def list_url(model: str) -> str:
    return reverse(f"admin:medical_records_{model}_changelist")


def change_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_change", args=[obj.pk])


def patient_url(patient, page: str = "change") -> str:
    return reverse(f"admin:clinics_patient_{page}", args=[patient.pk])


def delete_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_delete", args=[obj.pk])


def restore_url(obj) -> str:
    return reverse(f"admin:medical_records_{obj._meta.model_name}_restore", args=[obj.pk])


def sign_url(record) -> str:
    return reverse("admin:medical_records_medicalrecord_sign", args=[record.pk])


def sign(client, record, **body: Any) -> Any:
    """Open the page that asks, and sign what it shows, though answers are missing; return the response to that."""
    form = html_of(client.get(sign_url(record)))
    shown = dict(re.findall(r'name="(version|content)" value="([^"]*)"', form))
    return client.post(sign_url(record), {"incomplete": "on", **shown, **body})


def file_url(photo, kind: str = "file") -> str:
    return reverse(f"admin:medical_records_patientphoto_{kind}", args=[photo.pk])


def html_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def in_trash(obj) -> bool:
    return type(obj)._default_manager.get(pk=obj.pk).is_deleted
