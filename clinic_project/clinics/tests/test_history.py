"""The history of patients and memberships as people read it."""

import datetime

from django.db import connection

from clinic_project.audit import history as audit_history
from clinic_project.audit import transactions
from clinic_project.audit.history import parsed_jsonb
from clinic_project.audit.transactions import changes_by

from ..factories import PatientFactory
from ..history import Action, By, ValueChange, Via, columns_of, readable_history
from ..models import Membership, Patient


def test_a_patient_whose_phone_number_changes(clinic):
    patient = PatientFactory(clinic=clinic, phone_number="02 2345")
    with changes_by(via="admin", by=7, name="Ada"), transactions.atomic():
        Patient.objects.update(phone_number="02 9999", birthday=datetime.date(1980, 2, 29))
    changed, created = readable_history(patient)
    assert (created.action, created.changes, created.version) == (Action.CREATED, (), None)
    assert (changed.action, changed.by, changed.via) == (Action.CHANGED, By(7, "Ada"), Via.ADMIN)
    assert ValueChange("phone_number", "Phone number", "02 2345", "02 9999") in changed.changes
    assert columns_of(Patient, changed.after)["birthday"] == datetime.date(1980, 2, 29)


def test_a_patient_who_is_deleted_and_restored(clinic):
    patient = PatientFactory(clinic=clinic)
    for is_deleted in (True, False):
        Patient.objects.update(is_deleted=is_deleted)
    assert [change.action for change in readable_history(patient)] == [Action.RESTORED, Action.DELETED, Action.CREATED]


def test_a_member_who_becomes_an_administrator(member):
    before = member.roles
    Membership.objects.update(roles=[])
    assert readable_history(member)[0].changes == (ValueChange("roles", "Roles", before, []),)


def test_a_column_that_had_another_type_is_as_it_was(clinic):
    patient = PatientFactory(clinic=clinic)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE patients ALTER birthday TYPE text USING 'in spring'")
        cursor.execute("UPDATE patients SET birthday = 'in autumn'")
    assert columns_of(Patient, readable_history(patient)[0].after)["birthday"] == "in autumn"


def test_of_a_long_history_only_what_is_asked_for_is_read(clinic, monkeypatch):
    patient = PatientFactory(clinic=clinic)
    with connection.cursor() as cursor:
        cursor.execute(
            "DO $$ BEGIN FOR number IN 1..40 LOOP UPDATE patients SET notes = number::text; END LOOP; END $$"
        )
    read = []
    monkeypatch.setattr(audit_history, "parsed_jsonb", lambda text: read.append(text) or parsed_jsonb(text))
    changes = readable_history(patient)
    assert len(changes) == 41
    assert [change.sequence for change in changes[:2]] == [41, 40]
    assert changes[39].changes == (ValueChange("notes", "Notes", None, "1"),)
    assert changes.sequence_at(changes[-1].at) == 1
    assert changes.found_changed == []
    assert len(read) <= 10
