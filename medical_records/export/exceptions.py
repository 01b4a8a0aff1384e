"""Why an export can't be made now. It has not begun to be sent then."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext_lazy as _

from ..photos.storage import StorageUnavailable

logger = logging.getLogger(__name__)


class ChangedMeanwhile(Exception):
    """A photo was removed for good while its patient was exported."""


#: What people are told of it.
NO_ROOM = _("The server can't write its temporary files. Tell whoever runs the server.")


class NoRoom(Exception):
    """The temporary folder is full, or can't be written to."""


@contextmanager
def as_no_room() -> Iterator[None]:
    """Raise NoRoom for what writing a temporary file raises in the block."""
    try:
        yield
    except StorageUnavailable:
        raise
    except OSError as error:
        logger.exception("The temporary file of an export can't be written.")
        raise NoRoom from error
