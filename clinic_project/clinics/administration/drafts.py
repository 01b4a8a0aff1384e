"""Drafts of forms, which a script of the admin keeps in the browser until they are saved: the server's part in it.

The script encrypts them with a key that only their author's pages have, so that what is left on a shared computer can't be
read there. It sends the draft's id with the form, and the response to a form that was saved says so in a cookie.
"""

import base64
import functools
import re
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from .unavailable import View

#: The parameter in which a form sends the id of its draft, and the cookie that says which one was saved.
SENT, SAVED = "_draft", "saved_draft"
#: Seconds: as long as a draft is kept.
LIFETIME = 12 * 60 * 60

_ID = re.compile("[0-9a-f-]{36}")


def draft_key(user: Any) -> str:
    """Return the key of that user's drafts: 256 bits, in base 64."""
    digest = salted_hmac("clinic_project.drafts", str(user.pk), algorithm="sha256").digest()
    return base64.b64encode(digest).decode()


def name_of_form(request: HttpRequest) -> str:
    """Return what tells the form of a page from any other: its path, and what it was opened with.

    Django's own parameters, such as the list's filters, begin with an underscore, and make no other form of it.
    """
    query = sorted((name, value) for name, values in request.GET.lists() for value in values if name[:1] != "_")
    return f"{request.path}?{urlencode(query)}" if query else request.path


def sent_draft(request: HttpRequest) -> str:
    """Return the id of the draft of the form that `request` sends; empty if it has none."""
    draft = request.POST.get(SENT, "") if request.method == "POST" else ""
    return draft if _ID.fullmatch(draft) else ""


def telling_which_draft_was_saved(view: View) -> View:
    """Wrap `view`: its response to a form that was saved names the form's draft, which the next page then deletes.

    A form was saved if the response leads elsewhere, and the person isn't warned of anything there.
    """

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        draft = sent_draft(request)
        if draft and 300 <= response.status_code < 400 and not _warns(request):
            secure = settings.SESSION_COOKIE_SECURE
            response.set_cookie(SAVED, draft, max_age=LIFETIME, secure=secure, samesite="Lax")
        return response

    return wrapped


def _warns(request: HttpRequest) -> bool:
    storage: Any = messages.get_messages(request)
    is_there = any(message.level >= messages.WARNING for message in storage)
    # They are still to be shown.
    storage.used = False
    return is_there
