"""Signing a record, taking a signature back, and marking a record as entered in error.

Each function that changes something is one transaction, and takes what the functions of `services` take. It raises the
model's DoesNotExist, ChangeRefused, or UnusableReference where the patient has been deleted; then it has changed nothing.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from clinic_project.audit import transactions
from clinic_project.clinics.models import Membership, User

from .exceptions import EnteredInError, InTrash, MissingAnswers, NotEnteredInError, StaleVersion, Suppressed
from .models import MedicalRecord, PatientPhoto, check_in_use
from .querysets import PhotoQuerySet, RecordQuerySet, amendment, next_version
from .signatures import SignedContent
from .template_fields import missing_required

#: Characters of why a signed record is changed, or marked as entered in error.
MAX_REASON = 2000


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a user, and what they are called."""

    user: User
    name: str

    @classmethod
    def of(cls, membership: Membership) -> Self:
        """Return a member as their clinic calls them."""
        return cls(membership.user, membership.full_name)


@transactions.atomic
def sign_record(
    records: RecordQuerySet,
    pk: int,
    versions: Collection[int],
    by: Signer,
    *,
    incomplete: bool = False,
    shown: str | None = None,
) -> None:
    """Sign a record, with the photos that are on it. Raises Unsignable, and MissingAnswers unless it may be `incomplete`.

    Where `shown` is given, the `hash_to_sign` of what the person has read, nothing else is signed: another program may have
    changed the record without raising its version.
    """
    record = _locked(records, pk, versions)
    record.check_changeable(amends=False)
    missing = missing_required(record.template_snapshot, record.values)
    if missing and not incomplete:
        raise MissingAnswers(missing)
    # Read once more: whoever changed a photo on it has gone, now that the record is locked.
    content_hash = _hash_of_content(pk)
    if shown not in {None, content_hash}:
        raise StaleVersion(record)
    now = timezone.now()
    signature = {"signed_by_user_id": by.user.pk, "signed_by_name": by.name, "content_hash": content_hash}
    _set(record, by, now, signed_at=now, **signature)


def hash_to_sign(record: MedicalRecord) -> str:
    """Return the hash with which `record` would be signed as the database has it now. Raises why it can't be."""
    if record.is_deleted:
        raise InTrash
    check_in_use(record.patient)
    record.check_changeable(amends=False)
    return _hash_of_content(record.pk)


@transactions.atomic
def amend_record(records: RecordQuerySet, pk: int, versions: Collection[int], by: Signer, reason: str) -> None:
    """Make of a signed record a new version that isn't signed, so that it can be changed."""
    record = _locked(records, pk, versions)
    record.check_changeable(amends=True)
    _set(record, by, timezone.now(), **amendment(reason))


@transactions.atomic
def enter_in_error(records: RecordQuerySet, pk: int, versions: Collection[int], by: Signer, reason: str) -> None:
    """Mark a record as entered in error, signed or not. A signature stays: it is what was signed that is in error."""
    record = _locked(records, pk, versions)
    if record.entered_in_error_at is not None:
        raise EnteredInError
    now = timezone.now()
    mark = {"at": now, "by_user_id": by.user.pk, "by_name": by.name, "reason": reason}
    _set(record, by, now, **{f"entered_in_error_{name}": value for name, value in mark.items()})


@transactions.atomic
def undo_entered_in_error(records: RecordQuerySet, pk: int, versions: Collection[int], by: Signer) -> None:
    record = _locked(records, pk, versions)
    if record.entered_in_error_at is None:
        raise NotEnteredInError
    names = ("at", "by_user_id", "by_name", "reason")
    _set(record, by, timezone.now(), **{f"entered_in_error_{name}": None for name in names})


def signed_contents(records: RecordQuerySet) -> Iterator[tuple[int, str | None, SignedContent]]:
    """Yield of each record its id, the hash with which it was signed, and what its signature has to cover now."""
    hashes = photos_in_content().filter(medical_record=OuterRef("pk")).values("content_hash")
    texts = [Cast(name, TextField()) for name in ("template_snapshot", "values")]
    columns = ("pk", "content_hash", "patient_id", "template_name", "appointment_id")
    for pk, content_hash, *content in records.values_list(*columns, *texts, ArraySubquery(hashes)):
        yield pk, content_hash, SignedContent(*content)


def _hash_of_content(pk: int) -> str:
    [(_, _, content)] = signed_contents(MedicalRecord.objects.filter(pk=pk))
    return content.hash()


def photos_in_content() -> PhotoQuerySet:
    """Return the photos of which the signature of a record that they are on covers the content."""
    # What a damaged table has as NULL counts as what `migrate` fills in.
    return PatientPhoto.objects.alias(in_trash=Coalesce("is_deleted", Value(False))).filter(
        is_pending=False, in_trash=False
    )


def _locked(records: RecordQuerySet, pk: int, versions: Collection[int]) -> MedicalRecord:
    """Lock a record until the transaction ends, and return it if it has one of `versions` and is in use."""
    record = records.filter(pk=pk).select_for_update(of=("self",), no_key=True).select_related("patient").get()
    if record.version not in versions:
        raise StaleVersion(record)
    if record.is_deleted:
        raise InTrash
    check_in_use(record.patient)
    return record


def _set(record: MedicalRecord, by: Signer, now: datetime, **columns: Any) -> None:
    if not MedicalRecord.objects.filter(pk=record.pk).update(**next_version(now, by.user, **columns)):
        raise Suppressed
