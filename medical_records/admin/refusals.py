"""What a person at the admin is told where a change of photos is refused."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from ..exceptions import ChangeRefused, EnteredInError, Signed
from ..photos.storage import STORAGE_FAILS, StorageUnavailable

#: What a person at the admin can do, where the refusal itself speaks of the API's requests.
_REMEDIES: dict[type[ChangeRefused], Any] = {
    Signed: gettext_lazy("The record is signed. Press “Amend” on its page and say why it is changed, then add photos."),
    EnteredInError: gettext_lazy("The record is marked as entered in error. Undo that on its page, then add photos."),
}


def refusal_text(refusal: Exception) -> str:
    """Return what the person is told; of a file that is refused, too."""
    match refusal:
        case StorageUnavailable():
            return str(STORAGE_FAILS)
        case ValidationError():
            return " ".join(refusal.messages)
        case ChangeRefused():
            return str(_REMEDIES.get(type(refusal), refusal))
    return str(refusal)
