"""Endpoints about credentials: `/auth/login`, `/auth/logout`, `/auth/logout-all`, `/auth/me`."""

from datetime import datetime
from typing import Any

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import update_last_login
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.models import AccessToken, Authenticator
from clinic_project.api.openapi import documented
from clinic_project.api.problems import Problem
from clinic_project.api.throttles import LoginAttempt, count_attempt
from clinic_project.api.views import PrivateView

from ..access import active_memberships
from ..models import User
from ..two_step import INVALID_CODE, enrollment_required, must_enroll
from .serializers import CurrentUserOutputSerializer, LoginInputSerializer, LoginOutputSerializer

#: The problems of requests about one's own credentials; 403 is a session's request without its CSRF token.
_OWN = (401, 403, 411, 503)


class LoginView(PrivateView):
    documented_tag = "auth"
    authentication_classes = ()
    permission_classes = ()

    @documented(
        "logIn", LoginOutputSerializer, request=LoginInputSerializer, problems=(400, 401, 403, 411, 413, 415, 429, 503)
    )
    def post(self, request: Request) -> Response:
        """Exchange an email and a password for an access token.

        Those who have set up the two-step login in the admin also send a code, `otp`. Without one, the response to the right
        password is 401 with the type `/problems/otp-required`; with a wrong or used one, `/problems/invalid-otp`. Where all
        staff have to set it up, those who haven't get 403 with the type `/problems/enrollment-required`.
        """
        given = LoginInputSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        email, password = given.validated_data["email"], given.validated_data["password"]
        attempt = count_attempt(request, email)
        user = authenticate(request, username=email, password=password)
        if not isinstance(user, User):
            raise _invalid_credentials()
        token, expires_at = _issue_token(user, attempt, password, given.validated_data.get("otp"))
        return Response(LoginOutputSerializer({"token": token, "expires_at": expires_at, **_self(user)}).data)


class LogoutView(PrivateView):
    documented_tag = "auth"

    @documented("logOut", None, status=204, problems=_OWN)
    def post(self, request: Request) -> Response:
        """Revoke the token, or end the session, that this request is sent with."""
        if isinstance(request.auth, AccessToken):
            request.auth.delete()
        else:
            logout(request._request)
        return Response(status=204)


class LogoutAllView(PrivateView):
    documented_tag = "auth"

    @documented("logOutEverywhere", None, status=204, problems=_OWN)
    def post(self, request: Request) -> Response:
        """Revoke all of one's tokens, and end the session where there is one."""
        if isinstance(request.user, User):
            request.user.access_tokens.all().delete()
        logout(request._request)
        return Response(status=204)


class MeView(PrivateView):
    documented_tag = "auth"

    @documented("getCurrentUser", CurrentUserOutputSerializer, problems=_OWN)
    def get(self, request: Request) -> Response:
        """Tell who one is, and in which clinics one may work."""
        return Response(CurrentUserOutputSerializer(_self(request.user)).data)


def _issue_token(user: User, attempt: LoginAttempt, password: str, otp: str | None) -> tuple[str, datetime]:
    """Return a token and when it expires, if the password is all that is needed or `otp` is the rest."""
    if otp is not None:
        attempt.count(code=user.email)
    with transaction.atomic():
        # Locks the user, for whom nobody sets another password or sets up the two-step login meanwhile.
        update_last_login(User, user)
        refusal = _refusal(user, password, otp)
        if refusal is None:
            issued = AccessToken.objects.issue(user)
        else:
            transaction.set_rollback(True)
    if otp is None or refusal is None:
        attempt.forget()
    if refusal is not None:
        raise refusal
    return issued


def _refusal(user: User, password: str, otp: str | None) -> Problem | None:
    """Return why somebody who knew the password isn't logged in by it and `otp`."""
    if not _is_still_right(password, user):
        return _invalid_credentials()
    if user.enrolled_at is None:
        return enrollment_required() if must_enroll(user) else None
    if otp is None:
        return _not_logged_in("otp-required", "It takes a code as well: send one of the authenticator app in `otp`.")
    if not Authenticator.objects.accept(user, otp):
        return _not_logged_in("invalid-otp", str(INVALID_CODE))
    return None


def _is_still_right(password: str, user: User) -> bool:
    """Whether no other password was set while this one was checked: that revoked the tokens that there were."""
    current = User.objects.get(pk=user.pk)
    # Another login may have made its hash anew.
    return current.password == user.password or current.check_password(password)


def _not_logged_in(kind: str, detail: str) -> Problem:
    return Problem(401, kind, "Not logged in", detail, headers={"WWW-Authenticate": "Bearer"})


def _invalid_credentials() -> Problem:
    return _not_logged_in(
        "invalid-credentials", "The email and the password don't belong together, or the account is closed."
    )


def _self(user: Any) -> dict[str, Any]:
    return {"user": user, "memberships": active_memberships(user)}
