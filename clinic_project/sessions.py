"""Sessions in the database: which keys are looked for, and what is answered where one can't be saved."""

import re
from typing import cast

from django.contrib.sessions import middleware
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import Error
from django.http import HttpRequest, HttpResponse

from .clinics.administration.unavailable import respond_when_database_cannot_serve


class SessionStore(DatabaseSessionStore):
    def _validate_session_key(self, key: str) -> bool:
        """Any other key, with a NUL in it say, would be an error of the driver, and no bad credential."""
        return re.fullmatch("[a-z0-9]{8,40}", key or "") is not None

    def save(self, must_create: bool = False) -> None:
        """Raise the database's error where there is one: Django takes each for a session that was deleted meanwhile."""
        met: BaseException | None
        try:
            return super().save(must_create)
        except UpdateError as error:
            met = error.__context__
            if not isinstance(met, Error) or met.__cause__ is None:
                raise
        raise met


class SessionMiddleware(middleware.SessionMiddleware):
    """Saves a session after the view: where the database doesn't take it, the page says so, as in the view."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        save = super().process_response
        saved = respond_when_database_cannot_serve(lambda request: save(request, response))(request)
        return cast("HttpResponse", saved)
