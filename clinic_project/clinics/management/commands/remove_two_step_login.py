"""`manage.py remove_two_step_login EMAIL`: for somebody who has lost their phone and their recovery codes."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinic_project.audit.management.database_errors import database_errors

from ...models import User
from ...two_step import remove_authenticator


class Command(BaseCommand):
    help = (
        "Let a user who has lost their phone and their recovery codes log in by the password alone, until they set up the "
        "two-step login again. Ends their sessions and revokes their access tokens."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email", help="what the user logs in with")

    def handle(self, *, email: str, **options: Any) -> None:
        with database_errors():
            try:
                user = User.objects.get_by_natural_key(email)
            except User.DoesNotExist:
                raise CommandError(f"No user has the email {email}. Nothing was removed.") from None
            removed = remove_authenticator(user)
        found = "Removed the two-step login of {}." if removed else "{} has not set up the two-step login."
        self.stdout.write(found.format(user.email))
