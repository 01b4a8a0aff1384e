"""What a signature covers: the SHA-256 of its canonical JSON, as RFC 8785 defines it.

    {"appointment_id": 21, "patient_id": 7, "photos": ["5d1f…", "c4a9…"], "template_name": "First visit",
     "template_snapshot": {…}, "values": {…}}

Whoever has these can make the same hash by any implementation of https://www.rfc-editor.org/rfc/rfc8785. `photos` are the
content hashes of the photos on the record, sorted; null stands for one whose content another system never hashed. The
patient is their id: a name may be corrected. What jsonb has changed before makes no difference: of a key that was sent
twice it has the last, and 1.0 and 1 are one number here.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import rfc8785
from django.utils.translation import gettext as _

from .exceptions import Unsignable


@dataclass(frozen=True, slots=True)
class SignedContent:
    """`template_snapshot` and `values` are the text of jsonb."""

    patient_id: int
    template_name: str
    appointment_id: int | None
    template_snapshot: str
    values: str
    photos: Sequence[str | None]

    def hash(self) -> str:
        """Return the SHA-256 as 64 hexadecimal digits. Raises Unsignable for what RFC 8785 has no form for."""
        content = {
            "patient_id": self.patient_id,
            "template_name": self.template_name,
            "appointment_id": self.appointment_id,
            "template_snapshot": parse(self.template_snapshot),
            "values": parse(self.values),
            "photos": sorted(self.photos, key=lambda sha256: sha256 or ""),
        }
        return hashlib.sha256(canonical(content)).hexdigest()


def canonical(value: Any) -> bytes:
    """Return JSON as RFC 8785 writes it. Raises Unsignable."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise Unsignable(_("It holds text that isn't Unicode, or a number that JSON can't have.")) from error
    except RecursionError as error:
        raise _nested_too_deeply() from error


def parse(text: str) -> Any:
    """Parse JSON whose numbers are those of IEEE 754, as RFC 8785 has them. Raises Unsignable for others."""
    try:
        return json.loads(text, parse_float=_number, parse_int=_number)
    except RecursionError as error:
        raise _nested_too_deeply() from error


def _number(text: str) -> float:
    """Return the double that has the value of `text`: a rounded one would stand for several values."""
    number = float(text)
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(text):
        raise Unsignable(
            _("It holds a number that is too large or too precise for a signature: more than IEEE 754's double has.")
        )
    return number


def _nested_too_deeply() -> Unsignable:
    return Unsignable(_("It holds lists or objects that are nested too deeply for a signature."))
