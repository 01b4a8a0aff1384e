"""Pages of the admin to which another site leads."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from clinic_project.api.cross_site import is_asked_by_another_site


class AskedByAnotherSite(PermissionDenied):
    """What patients have isn't shown to whom a page of another site sends here.

    That site wouldn't be told anything, but the access log would name somebody who didn't mean to look.
    """


def refuse_another_site(request: HttpRequest) -> None:
    if is_asked_by_another_site(request):
        raise AskedByAnotherSite
