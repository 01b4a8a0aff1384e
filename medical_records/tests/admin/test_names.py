"""Who works in a clinic is shown by name: no page of the admin has the email of another user, but that user's own page."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.urls import NoReverseMatch, reverse

from clinic_project.audit.destruction import destroy
from clinic_project.audit.models import Access
from clinic_project.audit.transactions import atomic, changes_by
from clinic_project.clinics.factories import MembershipFactory, UserFactory
from clinic_project.clinics.models import User
from clinic_project.clinics.people import names_of, without_address
from medical_records import signing
from medical_records.factories import MedicalRecordFactory
from medical_records.models import MedicalRecord
from medical_records.signing import Signer
from medical_records.tests.photos.uploads import add

from .pages import html_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_retention")]

ADDRESS = "@staff.example"
#: The pages of an account, for superusers.
ACCOUNT_PAGES = ("/clinics/user/{}/change/", "/clinics/user/{}/password/")


def person(name: str, **membership):
    email = f"{name}{ADDRESS}"
    return MembershipFactory(user__email=email, **membership).user if membership else UserFactory(email=email)


@pytest.fixture
def record(clinic_admin):
    """A record that people have made, changed and signed: a member, one who was a member, and one who never was."""
    clinic = clinic_admin.clinic
    author = person("author", clinic=clinic, full_name="Ada Author")
    editor = person("editor", clinic=clinic, full_name="Ed Editor", is_active=False)
    root = person("root")
    made = MedicalRecordFactory.create(patient__clinic=clinic, created_by_user=author, updated_by_user=editor)
    made.template.created_by_user, made.template.updated_by_user = root, author
    made.template.save()
    photo = add(made.patient, record=made, uploaded_by=author)
    # As they were kept before: under the email.
    signing.sign_record(MedicalRecord.objects.all(), made.pk, [1, 2], Signer(root, root.email), incomplete=True)
    Access.objects.create(
        user_id=root.pk,
        user_name=root.email,
        patient_ids=[made.patient_id],
        record_ids=[made.pk],
        photo_ids=[photo.pk],
        action="view",
        via="admin",
    )
    gone = MedicalRecordFactory.create(patient=made.patient, in_trash=True)
    with changes_by(via="api", by=root.pk, name=root.email), atomic():
        destroy("medical_records", [gone.pk])
    for changed in list[Any]((author, made, photo)):
        LogEntry.objects.log_actions(clinic_admin.user_id, [changed], CHANGE, "Changed.", single_object=True)
    for changed in list[Any]((author, clinic)):
        LogEntry.objects.log_actions(root.pk, [changed], CHANGE, "Changed.", single_object=True)
    LogEntry.objects.update(object_repr=root.email)
    return made


def addresses() -> Iterator[str]:
    """Yield the address of each page of the admin that a GET shows, for a few rows of each table."""
    for model, model_admin in admin.site._registry.items():
        for pattern in model_admin.urls:
            yield from addresses_of(str(pattern.name), list(model._default_manager.values_list("pk", flat=True)[:9]))


def addresses_of(name: str, keys: list[int]) -> Iterator[str]:
    lists: list[list[int]] = [[], *([key] for key in keys), *([key, 1] for key in keys)]
    for args in lists:
        try:
            yield reverse(f"admin:{name}", args=args)
        except NoReverseMatch:
            continue


def content_of(response) -> str:
    is_page = response.status_code == 200 and not response.streaming
    return response.content.decode(errors="replace") if is_page else ""


def test_pages_that_say_who_it_was_have_names_and_no_email(client, clinic_admin, record):
    lists = ("medical_records_medicalrecord", "clinics_user", "clinics_membership", "audit_destruction")
    addresses = [reverse("admin:index"), *(reverse(f"admin:{name}_changelist") for name in lists)]
    own = [reverse(f"admin:medical_records_medicalrecord_{page}", args=[record.pk]) for page in ("change", "history")]
    looked = reverse("admin:clinics_patient_who_looked", args=[record.patient_id])
    shown = [html_of(client.get(address)) for address in (*addresses, *own, looked)]
    assert [content for content in shown if ADDRESS in content] == []
    assert all(name in " ".join(shown) for name in ("Ada Author", "Ed Editor", "root"))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["administrator", "superuser"])
def test_no_page_shows_the_email_of_somebody_else(who, client, clinic_admin, record):
    if who == "superuser":
        User.objects.filter(pk=clinic_admin.user_id).update(is_superuser=True)
    accounts = {
        f"/admin{page.format(pk)}" for page in ACCOUNT_PAGES for pk in User.objects.values_list("pk", flat=True)
    }
    shown = {address: content_of(client.get(address)) for address in [reverse("admin:index"), *addresses()]}
    assert len([content for content in shown.values() if content]) > 30
    found = {address for address, content in shown.items() if ADDRESS in content}
    assert found <= (accounts if who == "superuser" else set())


def test_a_person_has_the_name_of_the_clinic_or_of_their_first_one_or_the_beginning_of_their_email(
    django_assert_num_queries,
):
    member = MembershipFactory(full_name="Ada Lovelace")
    other = MembershipFactory(user=member.user, full_name="A. Lovelace")
    nobody = UserFactory(email="grace@staff.example")
    user_id = member.user_id
    assert names_of([user_id], member.clinic_id) == {user_id: "Ada Lovelace"}
    assert names_of([user_id], other.clinic_id) == {user_id: "A. Lovelace"}
    assert names_of([user_id, nobody.pk, None]) == {user_id: "Ada Lovelace", nobody.pk: "grace"}
    assert str(User.objects.get(pk=user_id)) == "Ada Lovelace"
    assert str(User(email="new@staff.example")) == "new"
    with django_assert_num_queries(0):
        assert repr(User.objects.model(pk=7)) == "<User: 7>"


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("root@staff.example", "root"),
        ("Ada @ Harbour Street", "Ada @ Harbour Street"),
        (None, ""),
    ],
)
def test_of_an_email_that_was_kept_as_a_name_the_beginning_is_shown(kept, shown):
    assert without_address(kept) == shown
