"""Authentication by an access token."""

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from .models import AccessToken


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`. First in the settings, so that every 401 has `WWW-Authenticate: Bearer`."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, AccessToken] | None:
        scheme, _, token = get_authorization_header(request).strip().partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        row = self.find(token.strip().decode("latin-1"))
        if row is None:
            raise AuthenticationFailed("The access token is unknown, expired or revoked. Log in again.")
        return row.user, row

    def find(self, token: str) -> AccessToken | None:
        """Return the row of a valid token, with its user."""
        raise NotImplementedError

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
