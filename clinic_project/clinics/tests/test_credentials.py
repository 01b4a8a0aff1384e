"""Logging in and out: tokens that are hashed, expire, and can be revoked one by one or all at once."""

import datetime as dt
import json

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.db.models import JSONField, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from clinic_project.api.models import AccessToken
from clinic_project.clinics.api import credentials
from clinic_project.clinics.factories import PASSWORD, MembershipFactory, UserFactory, hashed_password
from clinic_project.clinics.models import Membership, User

ME = "/api/auth/me"


@pytest.fixture(autouse=True)
def _hash_quickly(settings):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    yield
    # The factories keep their hash for the whole process, and other tests can't check one of this kind.
    hashed_password.cache_clear()


def user_with_quick_hash():
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(email, password=PASSWORD, **options):
    return APIClient(**options).post("/api/auth/login", {"email": email, "password": password})


def bearer(token):
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def test_logging_in_gives_a_token_and_says_who_one_is(member):
    response = log_in(member.user.email.upper())
    assert response.status_code == 200
    given = response.json()
    assert given["user"] == {"id": member.user_id, "email": member.user.email}
    assert given["memberships"] == [
        {
            "clinic": {"id": member.clinic_id, "name": member.clinic.name},
            "full_name": member.full_name,
            "title": "",
            "roles": ["admin"],
        }
    ]
    assert dt.datetime.fromisoformat(given["expires_at"]) > timezone.now()
    me = bearer(given["token"]).get(ME)
    assert me.json() == {"user": given["user"], "memberships": given["memberships"]}
    member.user.refresh_from_db()
    assert member.user.last_login


def test_only_a_hash_of_the_token_is_kept(member):
    token = log_in(member.user.email).json()["token"]
    [row] = AccessToken.objects.values_list()
    assert token not in str(row)


def test_an_expired_token_is_none_and_is_cleared_away_at_the_next_login(member):
    token = log_in(member.user.email).json()["token"]
    AccessToken.objects.update(expires_at=timezone.now())
    assert bearer(token).get(ME).status_code == 401
    log_in(member.user.email)
    assert AccessToken.objects.count() == 1


def test_logging_out_revokes_this_token_and_logging_out_everywhere_all(member):
    first, second, third = (bearer(log_in(member.user.email).json()["token"]) for _ in range(3))
    someone_else = bearer(log_in(MembershipFactory().user.email).json()["token"])
    assert first.post("/api/auth/logout").status_code == 204
    assert [client.get(ME).status_code for client in (first, second, third)] == [401, 200, 200]
    assert second.post("/api/auth/logout-all").status_code == 204
    assert [client.get(ME).status_code for client in (second, third, someone_else)] == [401, 401, 200]


def test_a_session_is_ended_as_well(member):
    client = APIClient()
    client.force_login(member.user)
    assert client.get(ME).status_code == 200
    assert client.post("/api/auth/logout").status_code == 204
    assert client.get(ME).status_code == 401


def test_a_session_needs_its_csrf_token_and_a_bearer_none(member):
    session = APIClient(enforce_csrf_checks=True)
    session.force_login(member.user)
    assert session.get(ME).status_code == 200
    assert session.post("/api/auth/logout").status_code == 403
    token, _ = AccessToken.objects.issue(member.user)
    response = APIClient(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"}).post(
        "/api/auth/logout"
    )
    assert response.status_code == 204


@pytest.mark.django_db
def test_who_may_not_log_in_is_told_the_same_whatever_the_reason():
    closed = UserFactory(is_active=False)
    unusable = UserFactory()
    User.objects.filter(pk=unusable.pk).update(password="")
    responses = [
        log_in(UserFactory().email, "wrong"),
        log_in("nobody@clinic.example"),
        log_in(closed.email),
        log_in(unusable.email, " "),
    ]
    assert [response.status_code for response in responses] == [401, 401, 401, 400]
    assert {response["WWW-Authenticate"] for response in responses[:3]} == {"Bearer"}
    assert len({response.json()["detail"] for response in responses[:3]}) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"email": "a@b.example"},
        {"email": 5, "password": "x"},
        {"email": "a\0@b.example", "password": "x"},
        {"email": "x" * 300, "password": "x"},
        {"email": "a@b.example", "password": "x" * 2000},
    ],
)
def test_an_invalid_login_body_is_400(body):
    assert APIClient().post("/api/auth/login", body).status_code == 400


@pytest.mark.django_db
def test_users_whose_emails_differ_in_case_only_spell_them_exactly():
    first, second = UserFactory(email="Ann@clinic.example"), UserFactory(email="ann@clinic.example")
    assert log_in("Ann@clinic.example").json()["user"]["id"] == first.pk
    assert log_in("ann@clinic.example").json()["user"]["id"] == second.pk
    assert log_in("ANN@clinic.example").status_code == 401


@pytest.mark.django_db
def test_failing_too_often_with_one_email_is_429_and_logging_in_never():
    user, other = user_with_quick_hash(), user_with_quick_hash()
    assert {log_in(user.email).status_code for _ in range(12)} == {200}
    assert {log_in(user.email, "wrong").status_code for _ in range(10)} == {401}
    response = log_in(user.email.upper())
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert log_in(other.email).status_code == 200


@pytest.mark.django_db
def test_failing_too_often_from_one_address_is_429_whatever_the_headers_claim():
    for n in range(30):
        assert log_in(f"{n}@clinic.example").status_code == 401
    assert log_in(UserFactory().email, headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 429
    assert log_in(UserFactory().email, REMOTE_ADDR="198.51.100.8").status_code == 200


@pytest.mark.django_db
def test_counting_costs_a_login_three_statements():
    user = user_with_quick_hash()
    with CaptureQueriesContext(connection) as sent:
        assert log_in(user.email).status_code == 200
    assert len([query for query in sent if "api_login_failures" in query["sql"]]) == 3


def test_one_query_finds_a_token_with_its_user_and_memberships(member, django_assert_num_queries):
    client = bearer(log_in(member.user.email).json()["token"])
    with django_assert_num_queries(1):
        assert client.get(ME).status_code == 200


def test_a_membership_of_a_clinic_that_has_gone_is_none(member):
    client = bearer(log_in(member.user.email).json()["token"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # keeps foreign keys from being checked
        cursor.execute("DELETE FROM clinics WHERE id = %s", [member.clinic_id])
    assert client.get(ME).json()["memberships"] == []
    member.delete()  # the end of the test checks what is left


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["\ud800", "a\0b@clinic.example"])
def test_an_email_that_no_database_holds_is_refused_as_input(email):
    # The throttle reads it before it is validated. Written by hand, because the client can't encode it.
    body = json.dumps({"email": email, "password": PASSWORD})
    response = APIClient().post("/api/auth/login", body, content_type="application/json")
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["email"]


@pytest.mark.parametrize("roles", [None, 5, "admin", {"admin": True}, [5, None, {}, ["admin"]]])
def test_roles_that_are_no_list_of_names_are_none(member, roles):
    # Another program may have written any JSON there.
    Membership.objects.filter(pk=member.pk).update(roles=Value(roles, JSONField()))
    response = log_in(member.user.email)
    assert response.status_code == 200
    assert response.json()["memberships"][0]["roles"] == []
    writing = bearer(response.json()["token"]).post("/api/clinic/medical-record-templates", {})
    assert writing.status_code == 403


def test_another_password_revokes_all_tokens(member):
    # Whoever has stolen one is to be shut out by it.
    token, other = (log_in(user.email).json()["token"] for user in (member.user, MembershipFactory().user))
    member.user.refresh_from_db()
    member.user.save()
    assert bearer(token).get(ME).status_code == 200
    member.user.set_password("another-long-passphrase")
    member.user.save()
    assert [bearer(sent).get(ME).status_code for sent in (token, other)] == [401, 200]


@pytest.mark.parametrize(("password", "status"), [("another-long-passphrase", 401), (PASSWORD, 200)])
def test_a_password_that_is_replaced_while_it_is_checked_gets_no_token(member, monkeypatch, password, status):
    def check(request, **given):
        found = authenticate(request, **given)
        same = User.objects.get(pk=member.user_id)
        same.set_password(password)
        same.save()
        return found

    monkeypatch.setattr(credentials, "authenticate", check)
    assert log_in(member.user.email).status_code == status
    assert AccessToken.objects.filter(user=member.user).exists() == (status == 200)


def test_a_hash_that_is_made_anew_at_a_login_revokes_no_token(settings, member):
    token = log_in(member.user.email).json()["token"]
    settings.PASSWORD_HASHERS = list(reversed(settings.PASSWORD_HASHERS))
    log_in(member.user.email)
    assert bearer(token).get(ME).status_code == 200


@pytest.mark.parametrize("key", ["\0" * 8, "x" * 4000, "ÄÖÜäöüß1", "' OR true --"])
def test_a_session_key_that_django_never_makes_is_no_session(client, key):
    client.cookies["sessionid"] = key
    assert client.get(ME).status_code == 401
    assert client.get("/admin/").status_code == 302
