"""A record on paper: the form with its answers, whose it is, who wrote it, its photos and its signature.

`record_html` is an `<article>` that needs `stylesheet` and nothing else: no script, no font, no other file than the photos'
pictures. A page may have any number of them; on paper, each begins a sheet, and each of its sheets says at its foot whose
it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from clinic_project.clinics.people import without_address
from clinic_project.clinics.times import zoned

from .filled_form import filled_form
from .models import MedicalRecord, PatientPhoto

#: The name of the stylesheet among the static files.
STYLESHEET = "medical_records/printed_record.css"


@dataclass(frozen=True, slots=True)
class PrintedPhoto:
    """A photo of the record. `address` is that of its picture; without one, `problem` says why it isn't shown."""

    photo: PatientPhoto
    address: str = ""
    problem: str = ""

    @property
    def uploaded(self) -> str:
        return zoned(self.photo.created_at)


@dataclass(frozen=True, slots=True)
class Print:
    """When the paper was printed, or the file made, and by whom."""

    at: datetime
    by: str

    @property
    def when(self) -> str:
        return zoned(self.at)


@dataclass(frozen=True, slots=True)
class Signature:
    """`content_hash` is the SHA-256 of what was signed."""

    at: datetime
    by: str
    content_hash: str

    @property
    def when(self) -> str:
        return zoned(self.at)


def record_html(
    record: MedicalRecord, photos: Sequence[PrintedPhoto], names: Mapping[int | None, str], printed: Print
) -> SafeString:
    """Return a record, read with its patient and clinic, as an `<article>`; `names` are those of users, by their ids."""
    context = {
        "record": record,
        "form": filled_form(record.template_snapshot, record.values),
        "photos": photos,
        "written": _when_and_who(record.created_at, names.get(record.created_by_user_id)),
        "changed": _when_and_who(record.updated_at, names.get(record.updated_by_user_id))
        if _is_changed(record)
        else "",
        "marks": list(_marks(record)),
        "signature": signature_of(record),
        "printed": printed,
    }
    return render_to_string("medical_records/printed_record.html", context)


@cache
def stylesheet() -> str:
    """Return the text of the stylesheet, for a page that can't link it."""
    return (Path(__file__).parent / "static" / STYLESHEET).read_text()


def signature_of(record: MedicalRecord) -> Signature | None:
    """Return the signature of a record as it is now; None if nobody has signed it."""
    if record.signed_at is None:
        return None
    return Signature(record.signed_at, without_address(record.signed_by_name), record.content_hash or "")


def _marks(record: MedicalRecord) -> Iterator[str]:
    """Yield what a reader has to know before the answers."""
    if record.entered_in_error_at is not None:
        when = _when_and_who(record.entered_in_error_at, without_address(record.entered_in_error_by_name))
        reason = record.entered_in_error_reason or _("no reason given")
        yield _("Entered in error, marked %(when)s: %(reason)s") % {"when": when, "reason": reason}
    if record.is_deleted and record.deleted_at:
        yield _("In the trash since %(when)s") % {"when": zoned(record.deleted_at)}
    elif record.is_deleted:
        yield _("In the trash since an unknown time")
    if record.amended_at is not None:
        reason = record.amendment_reason or _("no reason given")
        said = _("Amended %(when)s, after it had been signed: %(reason)s")
        yield said % {"when": zoned(record.amended_at), "reason": reason}


def _is_changed(record: MedicalRecord) -> bool:
    return record.version > 1 or record.updated_at != record.created_at


def _when_and_who(moment: datetime, name: str | None) -> str:
    return _("%(when)s by %(name)s") % {"when": zoned(moment), "name": name} if name else zoned(moment)
