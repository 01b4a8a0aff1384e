"""Who is logged in: Django's own, and whether they have set up the two-step login, in one statement."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import F

from .models import User


class Backend(ModelBackend):
    def get_user(self, user_id: Any) -> User | None:
        users = User.objects.annotate(enrolled_at=F("authenticator__enrolled_at"))  # type: ignore[no-redef]
        found = users.filter(pk=user_id).first()
        return found if found and self.user_can_authenticate(found) else None
