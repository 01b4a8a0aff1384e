"""Endpoints about credentials: `/auth/login`, `/auth/logout`, `/auth/logout-all`, `/auth/me`."""

from typing import Any

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import update_last_login
from rest_framework.request import Request
from rest_framework.response import Response

from clinic_project.api.models import AccessToken
from clinic_project.api.openapi import documented
from clinic_project.api.problems import Problem
from clinic_project.api.throttles import count_attempt
from clinic_project.api.views import PrivateView

from ..access import active_memberships
from ..models import User
from .serializers import CurrentUserOutputSerializer, LoginInputSerializer, LoginOutputSerializer

#: The problems of requests about one's own credentials; 403 is a session's request without its CSRF token.
_OWN = (401, 403, 411, 503)


class LoginView(PrivateView):
    documented_tag = "auth"
    authentication_classes = ()
    permission_classes = ()

    @documented(
        "logIn", LoginOutputSerializer, request=LoginInputSerializer, problems=(400, 401, 411, 413, 415, 429, 503)
    )
    def post(self, request: Request) -> Response:
        """Exchange an email and a password for an access token."""
        given = LoginInputSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        email, password = given.validated_data["email"], given.validated_data["password"]
        attempt = count_attempt(request, email)
        user = authenticate(request, username=email, password=password)
        if user is None:
            raise _invalid_credentials()
        attempt.forget()
        update_last_login(User, user)
        token, expires_at = AccessToken.objects.issue(user)
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


def _invalid_credentials() -> Problem:
    return Problem(
        401,
        "invalid-credentials",
        "Not logged in",
        "The email and the password don't belong together, or the account is closed.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _self(user: Any) -> dict[str, Any]:
    return {"user": user, "memberships": active_memberships(user)}
