"""`manage.py create_clinic`: the first clinic and its administrator, where nobody can log in yet."""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, UserFactory, hashed_password
from clinic_project.clinics.models import Clinic, Membership, User
from medical_records.tests.concurrency import in_parallel

pytestmark = pytest.mark.django_db

NAME, EMAIL, FULL_NAME = "Harbour Street Clinic", "amara@clinic.example", "Amara Okafor"
PASSWORD = "blue-bottle-77"


@pytest.fixture(autouse=True)
def _password(monkeypatch, settings):
    monkeypatch.setenv("CLINIC_PASSWORD", PASSWORD)
    # The usual one is slow by design. The factories keep what it hashed before.
    names = ("MD5PasswordHasher", "PBKDF2PasswordHasher")
    settings.PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{name}" for name in names]
    yield
    hashed_password.cache_clear()


def create_clinic(*options: str, name: str = NAME, email: str = EMAIL) -> list[str]:
    output = io.StringIO()
    call_command("create_clinic", name, "--email", email, "--full-name", FULL_NAME, *options, stdout=output)
    return output.getvalue().splitlines()


def refusal(*options: str, **names: str) -> str:
    before = rows()
    with pytest.raises(CommandError) as refused:
        create_clinic(*options, **names)
    assert rows() == before
    return str(refused.value)


def rows():
    return [list(model.objects.order_by("pk").values()) for model in (User, Clinic, Membership)]


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_the_user_can_log_in_to_the_api_and_administers_the_clinic():
    assert create_clinic("--superuser") == [
        f"Made the user {EMAIL}, a superuser.",
        f"Made the clinic {NAME}.",
        f"Made the membership of {FULL_NAME}, with the role admin.",
    ]
    given = APIClient().post("/api/auth/login", {"email": EMAIL, "password": PASSWORD}).json()
    [membership] = given["memberships"]
    assert (membership["clinic"]["name"], membership["full_name"], membership["roles"]) == (NAME, FULL_NAME, ["admin"])


def test_the_user_makes_users_and_memberships_in_the_admin(client):
    create_clinic("--superuser")
    assert client.login(username=EMAIL, password=PASSWORD)
    for page in ("user", "clinic", "membership"):
        assert client.get(f"/admin/clinics/{page}/add/").status_code == 200


def test_without_a_superuser_it_says_how_to_make_one():
    assert create_clinic()[-1].endswith("Run it again with --superuser.")
    assert create_clinic("--superuser")[0] == f"The user {EMAIL} was there. Set now: is_superuser."
    assert len(create_clinic()) == 3


def test_a_second_run_changes_nothing_and_requires_no_password(monkeypatch):
    create_clinic("--superuser")
    before = rows()
    monkeypatch.delenv("CLINIC_PASSWORD")
    assert create_clinic("--superuser", email=EMAIL.upper()) == [
        f"The user {EMAIL} was there.",
        f"The clinic {NAME} was there.",
        f"The membership of {FULL_NAME} was there.",
    ]
    assert rows() == before


def test_people_of_another_system_get_what_they_lack():
    member = MembershipFactory(user__email=EMAIL, clinic__name=NAME, full_name="A. Okafor", roles=["nurse"])
    User.objects.update(password="")
    assert create_clinic("--superuser") == [
        f"The user {EMAIL} was there. Set now: is_staff, is_superuser, password.",
        f"The clinic {NAME} was there.",
        "The membership of A. Okafor was there. Set now: roles.",
    ]
    member.refresh_from_db()
    assert member.roles == ["nurse", "admin"]
    assert member.user.check_password(PASSWORD)


def test_a_password_that_is_there_is_kept():
    user = UserFactory(email=EMAIL)
    before = user.password
    create_clinic()
    user.refresh_from_db()
    assert (user.password, user.is_staff) == (before, True)


FOREIGN_HASHES = (
    "$2b$12$WApznUPhDubN0oeveSXHp.Rk0rMMHD1SoKfmeZlJBiVLzJLxMlGz6",
    "bcrypt_sha256$$2b$12$WApznUPhDubN0oeveSXHp.Rk0rMMHD1SoKfmeZlJBiVLzJLxMlGz6",
    "pbkdf2_sha256$many",
    "5f4dcc3b5aa765d61d8327deb882cf99",
)


@pytest.mark.parametrize("password", FOREIGN_HASHES)
def test_another_systems_password_is_kept_and_told_with_what_replaces_it(password, monkeypatch):
    UserFactory(email=EMAIL)
    User.objects.update(password=password)
    *_, said = create_clinic("--superuser")
    assert said.startswith(f"The password of {EMAIL} is another system's")
    assert User.objects.get().password == password
    assert APIClient().post("/api/auth/login", {"email": EMAIL, "password": PASSWORD}).status_code == 401
    [command] = re.findall(r"manage\.py (\S+ \S+) replaces it", said)
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    call_command(*command.split(), stdout=io.StringIO())
    assert APIClient().post("/api/auth/login", {"email": EMAIL, "password": PASSWORD}).status_code == 200
    assert len(create_clinic("--superuser")) == 3


@pytest.mark.parametrize("roles", ["nurse", {"nurse": True}, 7])
def test_roles_that_are_no_array_are_left_to_a_person(roles):
    member = MembershipFactory(user__email=EMAIL, clinic__name=NAME, roles=roles)
    assert f"expected a JSON array of names, found {json.dumps(roles)}." in refusal()
    Membership.objects.update(roles=["nurse", {"since": 2020}])
    assert create_clinic()[2].endswith("was there. Set now: roles.")
    member.refresh_from_db()
    assert member.roles == ["nurse", {"since": 2020}, "admin"]


UNDECLARED = (
    "ALTER TABLE users ADD COLUMN signup_token varchar(64) NOT NULL",
    "ALTER TABLE clinics ADD COLUMN \"Region\" text NOT NULL, ADD COLUMN plan text NOT NULL DEFAULT 'trial'",
)


def test_on_an_adopted_database_it_names_each_column_that_it_cant_fill():
    execute(*UNDECLARED)
    text = refusal()
    assert "Rows can't be inserted into clinics and users. Nothing was changed." in text
    assert "users.signup_token: expected nothing, found character varying(64) NOT NULL without a default" in text
    assert "clinics.Region: expected nothing, found text NOT NULL without a default" in text
    assert "plan" not in text


def test_the_printed_defaults_are_a_remedy():
    execute(*UNDECLARED)
    statements = re.findall(r"^  (ALTER .*;)$", refusal(), re.MULTILINE)
    assert len(statements) == 2
    execute(*(statement.replace("…", "''") for statement in statements))
    assert create_clinic()[1] == f"Made the clinic {NAME}."


def test_rows_made_in_the_other_system_are_a_remedy():
    execute(*UNDECLARED)
    refusal()
    execute(
        f"INSERT INTO users (email, signup_token) VALUES ('{EMAIL}', 't')",
        f"INSERT INTO clinics (name, \"Region\") VALUES ('{NAME}', 'north')",
    )
    assert create_clinic()[:3] == [
        f"The user {EMAIL} was there. Set now: is_staff, password.",
        f"The clinic {NAME} was there.",
        f"Made the membership of {FULL_NAME}, with the role admin.",
    ]


def test_what_another_system_refuses_leaves_nothing_half_made():
    execute("ALTER TABLE clinics ADD CONSTRAINT only_uppercase CHECK (name = upper(name))")
    text = refusal()
    assert 'violates check constraint "only_uppercase" (SQLSTATE 23514)' in text
    assert text.endswith("Nothing was changed.")
    assert create_clinic(name="HARBOUR")[1] == "Made the clinic HARBOUR."


def test_another_systems_unique_rule_is_named_and_its_remedy_works():
    execute("CREATE UNIQUE INDEX one_name ON clinics (lower(name))")
    ClinicFactory(name=NAME.lower())
    text = refusal()
    assert 'unique constraint "one_name" (SQLSTATE 23505)' in text
    assert "If not: Make the row in the system whose rule this is" in text
    assert create_clinic(name=NAME.lower())[1] == f"The clinic {NAME.lower()} was there."


def test_a_database_that_is_read_only_is_no_other_systems_rule():
    execute("SET TRANSACTION READ ONLY")
    assert "read-only transaction (SQLSTATE 25006). Resolve that, then run this again." in refusal()


def test_what_migrate_repairs_is_left_to_it():
    execute("ALTER TABLE clinics ALTER is_active DROP DEFAULT")
    text = refusal()
    assert "clinics.is_active" in text
    assert "Run first: manage.py migrate" in text


def test_an_unmigrated_database_is_told_to_be_migrated():
    execute("ALTER TABLE users RENAME TO hidden")
    with pytest.raises(CommandError, match=r"Run first: manage\.py migrate"):
        create_clinic()


def test_two_clinics_of_the_name_are_left_to_a_person():
    ClinicFactory.create_batch(2, name=NAME)
    assert f"2 clinics have the name {NAME}." in refusal()


def test_emails_that_differ_by_case_alone_have_to_be_spelt_exactly():
    for email in (EMAIL.upper(), EMAIL.title()):
        UserFactory(email=email)
    assert "Spell it as one of them does" in refusal()
    assert create_clinic(email=EMAIL.title())[0] == f"The user {EMAIL.title()} was there. Set now: is_staff."


@pytest.mark.parametrize("model", [User, Clinic, Membership])
def test_who_was_made_inactive_stays_so(model):
    create_clinic()
    model.objects.update(is_active=False)
    assert re.search(r"The (user|clinic|membership) .* is inactive. Make it active in the admin", refusal())


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "set CLINIC_PASSWORD, or run this in a terminal"),
        ("12345678", "entirely numeric"),
        ("amara@clinic", "too similar to the email"),
    ],
)
def test_a_password_is_required_that_the_validators_accept(monkeypatch, password, said):
    monkeypatch.setenv("CLINIC_PASSWORD", password)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert said in refusal()


@pytest.mark.parametrize("names", [{"name": " "}, {"name": "x" * 256}, {"email": "amara"}, {"email": ""}])
def test_names_that_are_none_are_refused(names):
    [argument] = names
    assert refusal(**names).startswith("name" if argument == "name" else "--email")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("user_is_there", [True, False])
def test_of_two_at_once_neither_makes_a_second_clinic(user_is_there):
    if user_is_there:
        UserFactory(email=EMAIL)
    said = in_parallel(lambda number: create_clinic(), 2)
    again = [text for text in said if isinstance(text, CommandError)]
    assert all("If the same was made at the same time, run this again." in str(text) for text in again)
    assert create_clinic()[:3] == [
        f"The user {EMAIL} was there.",
        f"The clinic {NAME} was there.",
        f"The membership of {FULL_NAME} was there.",
    ]
    assert [model.objects.count() for model in (User, Clinic, Membership)] == [1, 1, 1]
