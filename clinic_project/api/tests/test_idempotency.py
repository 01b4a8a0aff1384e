"""`Idempotency-Key`: the first answer comes again, and nothing is done twice."""

import datetime as dt

import pytest
from django.utils import timezone

from clinic_project.api.models import IdempotencyKey
from clinic_project.clinics.factories import PatientFactory
from medical_records.factories import MedicalRecordTemplateFactory
from medical_records.models import MedicalRecord


@pytest.fixture
def body(clinic):
    return {"template_id": MedicalRecordTemplateFactory(clinic=clinic).pk, "values": {}}


@pytest.fixture
def url(clinic):
    return f"/api/clinic/patients/{PatientFactory(clinic=clinic).pk}/medical-records"


def post(api, url, body, key="one"):
    return api.post(url, body, headers={"Idempotency-Key": key})


def test_the_same_request_again_gets_the_first_answer(api, url, body):
    first = post(api, url, body)
    # Even after the record has been changed.
    api.patch(f"/api/clinic/medical-records/{first.json()['id']}", {"version": 1})
    again = post(api, url, dict(reversed(body.items())))
    assert (again.status_code, again.content, again["ETag"]) == (201, first.content, '"1"')
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert MedicalRecord.objects.count() == 1


def test_no_answer_outlives_the_record_that_it_made(api, url, body, no_retention):
    made = post(api, url, body).json()
    other = post(api, url, body, "two").json()
    record = f"/api/clinic/medical-records/{made['id']}"
    assert api.delete(record, {"version": 1}).status_code == 204
    assert api.delete(f"{record}/permanently", {"version": 2}).status_code == 204
    assert [key.key for key in IdempotencyKey.objects.all()] == ["two"]
    assert post(api, url, body, "two").json()["id"] == other["id"]


def test_another_key_is_another_request(api, url, body):
    assert post(api, url, body, "one").json()["id"] != post(api, url, body, "two").json()["id"]


def test_the_same_key_for_another_request_is_409(api, url, body, clinic):
    post(api, url, body)
    other = MedicalRecordTemplateFactory(clinic=clinic).pk
    assert post(api, url, {**body, "template_id": other}).status_code == 409
    elsewhere = f"/api/clinic/patients/{PatientFactory(clinic=clinic).pk}/medical-records"
    assert post(api, elsewhere, body).json()["type"] == "/problems/idempotency-key-reused"
    assert MedicalRecord.objects.count() == 1


def test_a_request_that_failed_can_be_sent_again(api, url, body):
    template = MedicalRecord.template.field.related_model.objects.get(pk=body["template_id"])
    template.is_deleted = True
    template.save()
    assert post(api, url, body).status_code == 409
    template.is_deleted = False
    template.save()
    assert post(api, url, body).status_code == 201


def test_an_answer_is_forgotten_after_a_day(api, url, body):
    post(api, url, body)
    IdempotencyKey.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    assert "Idempotent-Replayed" not in post(api, url, body)
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe9", "a\tb"])
def test_a_key_is_printable_ascii(api, url, body, key):
    assert post(api, url, body, key).status_code == 400


def test_odd_bodies_have_fingerprints_as_well(api, url):
    odd = '{"a": 1e999, "b": "\\ud800", "c": ' + "9" * 4000 + "}"
    response = api.post(url, odd, content_type="application/json", headers={"Idempotency-Key": "one"})
    assert response.status_code == 400
