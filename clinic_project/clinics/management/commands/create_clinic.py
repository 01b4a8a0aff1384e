"""`manage.py create_clinic`: see `clinics.first_clinic`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from clinic_project.audit.transactions import changes_by
from clinic_project.clinics.first_clinic import FirstClinic, NotUnambiguous, complete, find, insert_problems
from clinic_project.clinics.models import Clinic, Membership, User
from clinic_project.reconciliation.exceptions import ReconciliationError
from clinic_project.reconciliation.planning.serving import ServingProblem
from clinic_project.reconciliation.schema.model import identifier
from clinic_project.reconciliation.sqlstates import (
    CHECK_VIOLATION,
    NOT_NULL_VIOLATION,
    RAISE_EXCEPTION,
    SCHEMA_IS_BEHIND,
    UNIQUE_VIOLATION,
    connection_lost,
    message_with_sqlstate,
    sqlstate,
)

PASSWORD_VARIABLE = "CLINIC_PASSWORD"  # noqa: S105 - the name of the variable
_UNCHANGED = "Nothing was changed."
_MIGRATE = "Run first: manage.py migrate"
_MAKE_IT_THERE = (
    "Make the row in the system whose rule this is, then run this again: it finds it by email or name, and adds what is"
    " missing."
)
#: How a check or a trigger refuses a row.
_RULES = {CHECK_VIOLATION, NOT_NULL_VIOLATION, RAISE_EXCEPTION}


class Command(BaseCommand):
    help = (
        "Make a clinic and the user who administers it, or what of them is missing. A new user's password is asked for, or "
        f"read from the environment variable {PASSWORD_VARIABLE}."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", type=str.strip, help="the clinic's name")
        parser.add_argument("--email", type=str.strip, required=True, help="by which the user logs in")
        parser.add_argument("--full-name", type=str.strip, required=True, help="the user's name in the clinic")
        parser.add_argument(
            "--superuser",
            action="store_true",
            help="let the user make users, clinics and memberships in the admin, too",
        )

    @changes_by(via="command", command="create_clinic")
    def handle(self, **options: Any) -> None:
        requested = FirstClinic(options["name"], options["email"], options["full_name"], options["superuser"])
        _require_valid(requested)
        with _command_errors():
            found = find(requested)
            _require_no_problems(insert_problems(found.missing()))
            password = _read_password(requested.email) if found.lacks_password() else None
            for sentence in complete(requested, password):
                self.stdout.write(sentence)
            if found.user is not None and found.user.has_unknown_hash():
                email = found.user.email
                self.stdout.write(
                    f"The password of {email} is another system's, and can't be checked here: nobody can log in with it. "
                    f"manage.py changepassword {email} replaces it, in that system as well."
                )
            if not User.objects.filter(is_superuser=True, is_staff=True, is_active=True).exists():
                self.stdout.write(
                    "No superuser can make users and clinics in the admin yet. Run it again with --superuser."
                )


def _require_valid(requested: FirstClinic) -> None:
    fields: list[tuple[str, Any, str]] = [
        ("name", Clinic._meta.get_field("name"), requested.name),
        ("--email", User._meta.get_field("email"), requested.email),
        ("--full-name", Membership._meta.get_field("full_name"), requested.full_name),
    ]
    for argument, field, value in fields:
        try:
            field.clean(value, None)
        except ValidationError as error:
            raise CommandError(f"{argument} {value!r}: {' '.join(error.messages)}") from error


def _require_no_problems(problems: Sequence[ServingProblem]) -> None:
    if not problems:
        return
    tables = sorted({problem.subject.table for problem in problems})
    lines = [f"  {problem.subject.label}: expected {problem.expected}, found {problem.found}" for problem in problems]
    rejected = f"Rows can't be inserted into {' and '.join(tables)}. {_UNCHANGED}"
    raise CommandError("\n".join([rejected, *lines, *_remedy(problems)]))


def _remedy(problems: Sequence[ServingProblem]) -> Iterator[str]:
    if not all(problem.undeclared for problem in problems):
        yield f"{_MIGRATE}. It repairs what is declared, or says what a person must decide."
        return
    yield (
        "To do: make these rows in the system that the columns belong to, then run this again: it finds them by email and"
        " name, and adds what is missing. Or give the columns a default, then run this again:"
    )
    for problem in problems:
        table, column = identifier(problem.subject.table), identifier(problem.subject.name)
        yield f"  ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT …;"


def _read_password(email: str) -> str:
    password = os.environ.get(PASSWORD_VARIABLE) or _ask_password(email)
    try:
        validate_password(password, User(email=email))
    except ValidationError as error:
        raise CommandError(f"{' '.join(error.messages)} {_UNCHANGED}") from error
    return password


def _ask_password(email: str) -> str:
    if not sys.stdin.isatty():
        raise CommandError(
            f"Expected a password for {email}: set {PASSWORD_VARIABLE}, or run this in a terminal, which asks for it."
            f" {_UNCHANGED}"
        )
    password = getpass(f"Password for {email}: ")
    if getpass("The same password again: ") != password:
        raise CommandError(f"The two passwords differ. {_UNCHANGED} Run this again.")
    return password


@contextmanager
def _command_errors() -> Iterator[None]:
    """Raise CommandError, which ends the command without a traceback, for what is foreseen."""
    try:
        yield
    except (NotUnambiguous, ReconciliationError) as error:
        raise CommandError(f"{error} {_UNCHANGED}") from error
    except Error as error:
        raise CommandError(f"{_database_error_text(error)} {_UNCHANGED}") from error


def _database_error_text(error: Error) -> str:
    code = sqlstate(error)
    if code in SCHEMA_IS_BEHIND:
        return f"The database lacks a table or a column. {_MIGRATE}."
    if connection_lost(error):
        return f"The database can't be reached ({message_with_sqlstate(error)}). Check DATABASE_URL."
    remedy = "Resolve that, then run this again."
    if code == UNIQUE_VIOLATION:
        remedy = f"If the same was made at the same time, run this again. If not: {_MAKE_IT_THERE}"
    elif code in _RULES:
        remedy = _MAKE_IT_THERE
    return f"PostgreSQL refused it: {message_with_sqlstate(error)}. {remedy}"
