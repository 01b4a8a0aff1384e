"""The two-step login: a code beside the password, in the API and in the admin."""

import re
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from clinic_project.api import one_time_codes
from clinic_project.api.models import AccessToken, Authenticator
from clinic_project.api.one_time_codes import code_at, current_step, new_secret
from clinic_project.api.throttles import LIMITS
from clinic_project.clinics.factories import PASSWORD, MembershipFactory, UserFactory, hashed_password
from clinic_project.clinics.models import User
from clinic_project.clinics.two_step import enroll
from medical_records.tests.concurrency import in_parallel

from .clients import kind

pytestmark = pytest.mark.django_db

ME = "/api/auth/me"
LATER = time.time() + 3600
OWN_PAGE = "/admin/two-step-login/"


@pytest.fixture(autouse=True)
def _hash_quickly(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    hashed_password.cache_clear()
    yield
    hashed_password.cache_clear()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The time, of which each code is used once: tests let it pass."""

    class Clock:
        step = current_step()

        def tick(self):
            self.step += 1

    clock = Clock()
    monkeypatch.setattr(one_time_codes, "current_step", lambda: clock.step)
    return clock


class Phone:
    """Somebody's authenticator app."""

    def __init__(self, user, clock):
        self.user, self.clock, self.secret = user, clock, new_secret()
        self.recovery_codes = enroll(user, self.secret, self.code())
        clock.tick()

    def code(self, off=0):
        return code_at(self.secret, self.clock.step + off)


@pytest.fixture
def phone(clock):
    return Phone(MembershipFactory(user__staff=True, admin=True).user, clock)


def log_in(user, **body):
    return APIClient().post("/api/auth/login", {"email": user.email, "password": PASSWORD, **body})


# The API


def test_the_password_alone_gets_no_token(phone):
    response = log_in(phone.user)
    assert kind(response) == (401, "otp-required")
    assert response["WWW-Authenticate"] == "Bearer"
    assert not AccessToken.objects.exists()
    assert User.objects.get(pk=phone.user.pk).last_login is None


def test_password_and_code_do(phone):
    token = log_in(phone.user, otp=phone.code()).json()["token"]
    assert APIClient(headers={"Authorization": f"Bearer {token}"}).get(ME).status_code == 200


def test_a_wrong_password_is_told_before_any_code(phone):
    assert kind(log_in(phone.user, password="wrong", otp=phone.code())) == (401, "invalid-credentials")
    assert kind(log_in(phone.user, password="wrong")) == (401, "invalid-credentials")


def test_a_code_is_good_once(phone):
    code = phone.code()
    assert log_in(phone.user, otp=code).status_code == 200
    assert kind(log_in(phone.user, otp=code)) == (401, "invalid-otp")


def test_no_code_before_the_last_one_is_good_any_more(phone):
    phone.clock.tick()
    assert log_in(phone.user, otp=phone.code()).status_code == 200
    assert kind(log_in(phone.user, otp=phone.code(-1))) == (401, "invalid-otp")


@pytest.mark.parametrize(("off", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_a_phones_clock_may_be_half_a_minute_off(phone, clock, off, status):
    for _ in range(2):
        clock.tick()
    assert log_in(phone.user, otp=phone.code(off)).status_code == status


@pytest.mark.parametrize("typed", ["{0:.3} {0:3.3}", " {} ", "{}\n"])
def test_spaces_in_a_code_are_none(phone, typed):
    code = phone.code()
    typed = typed.replace("{0:.3} {0:3.3}", f"{code[:3]} {code[3:]}").replace("{}", code)
    assert log_in(phone.user, otp=typed).status_code == 200


@pytest.mark.parametrize("otp", ["000 000 0", "١٢٣٤٥٦", "²²²²²²", "abcdef", "\ud7ff", "-"])
def test_any_other_text_is_a_wrong_code(phone, otp):
    assert kind(log_in(phone.user, otp=otp)) == (401, "invalid-otp")


def test_each_recovery_code_is_good_once_however_it_is_typed(phone):
    first, second, *_ = phone.recovery_codes
    assert log_in(phone.user, otp=first).status_code == 200
    assert kind(log_in(phone.user, otp=first)) == (401, "invalid-otp")
    assert log_in(phone.user, otp=second.lower().replace("-", " ")).status_code == 200
    assert len(Authenticator.objects.get().recovery_digests) == 8


def test_recovery_codes_arent_stored(phone):
    stored = str(Authenticator.objects.values_list().get())
    assert not any(code in stored or code.replace("-", "") in stored for code in phone.recovery_codes)


def test_after_too_many_wrong_codes_the_right_one_is_refused_as_well(phone):
    for _ in range(LIMITS["code"][0]):
        assert kind(log_in(phone.user, otp="x")) == (401, "invalid-otp")
    response = log_in(phone.user, otp=phone.code())
    assert response.status_code == 429
    assert 60 * 14 < int(response["Retry-After"]) <= 60 * 15


def test_right_codes_and_the_question_for_one_count_for_nothing(phone):
    for _ in range(LIMITS["code"][0] + 1):
        assert kind(log_in(phone.user)) == (401, "otp-required")
        assert log_in(phone.user, otp=phone.code()).status_code == 200
        phone.clock.tick()


def test_who_has_no_two_step_login_sends_no_code_or_any(member):
    member.user.set_password(PASSWORD)
    member.user.save()
    assert log_in(member.user).status_code == 200
    assert log_in(member.user, otp="123456").status_code == 200


def test_it_costs_the_others_one_statement():
    user = UserFactory()
    with CaptureQueriesContext(connection) as sent:
        log_in(user)
    assert len([query for query in sent if "api_authenticators" in query["sql"]]) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "a_code", [lambda phone: phone.code(), lambda phone: phone.recovery_codes[0]], ids=["app", "recovery"]
)
def test_of_logins_at_once_with_one_code_one_gets_in(phone, a_code):
    code = a_code(phone)
    answers = in_parallel(lambda _: log_in(phone.user, otp=code).status_code, LIMITS["code"][0])
    assert sorted(answers) == [200, 401, 401, 401, 401]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_token_is_issued_by_the_password_alone_while_it_is_set_up(clock):
    user = UserFactory()
    secret = new_secret()

    def work(number):
        return enroll(user, secret, code_at(secret, clock.step)) if number == 0 else log_in(user).status_code

    codes, *statuses = in_parallel(work, 6)
    assert len(codes) == 10
    assert set(statuses) <= {200, 401}
    assert not AccessToken.objects.exists()


# What was begun before


def test_setting_it_up_and_removing_it_ends_sessions_and_tokens(clock):
    user = UserFactory(staff=True)
    sessions = [Client(), Client()]
    for session in sessions:
        session.force_login(user)
    token, _ = AccessToken.objects.issue(user)
    phone = Phone(user, clock)
    assert [session.get("/admin/").status_code for session in sessions] == [302, 302]
    assert APIClient(headers={"Authorization": f"Bearer {token}"}).get(ME).status_code == 401
    session = sessions[0]
    session.force_login(User.objects.get(pk=user.pk))
    token = log_in(user, otp=phone.code()).json()["token"]
    call_command("remove_two_step_login", user.email.upper())
    assert session.get("/admin/").status_code == 302
    assert APIClient(headers={"Authorization": f"Bearer {token}"}).get(ME).status_code == 401
    assert log_in(user).status_code == 200


def test_a_session_still_costs_one_statement(django_assert_num_queries, phone):
    client = APIClient()
    client.force_login(User.objects.get(pk=phone.user.pk))
    with django_assert_num_queries(3):  # the session, the user, the memberships
        assert client.get(ME).status_code == 200


# The admin


def first_step(client, user, to="/admin/"):
    return client.post("/admin/login/", {"username": user.email, "password": PASSWORD, "next": to})


def test_the_admin_asks_for_the_code_after_the_password(client, phone):
    to = reverse("admin:clinics_patient_changelist")
    response = first_step(client, phone.user, to)
    assert "_auth_user_id" not in client.session
    page = client.get(response["Location"])
    assert "Code from your phone" in page.content.decode()
    response = client.post(response["Location"], {"code": phone.code(), "next": to})
    assert (response.status_code, response["Location"]) == (302, to)
    assert client.session["_auth_user_id"] == str(phone.user.pk)
    assert client.get(to).status_code == 200


def test_a_recovery_code_is_as_good(client, phone):
    first_step(client, phone.user)
    response = client.post("/admin/login/code/", {"code": phone.recovery_codes[0]})
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_it_leads_to_no_other_site(client, phone):
    response = first_step(client, phone.user, "https://elsewhere.example/")
    response = client.post(response["Location"], {"code": phone.code(), "next": "https://elsewhere.example/"})
    assert response["Location"] == "/admin/"


def test_a_wrong_code_is_told_and_counted(client, phone):
    first_step(client, phone.user)
    for _ in range(LIMITS["code"][0]):
        page = client.post("/admin/login/code/", {"code": "000000"})
        assert "This code is wrong or too old" in page.content.decode()
    page = client.post("/admin/login/code/", {"code": phone.code()})
    assert page.status_code == 429
    assert "Too many attempts have failed. Wait 15 minutes." in page.content.decode()
    assert "_auth_user_id" not in client.session


def test_nobody_is_asked_for_a_code_before_the_password(client, phone):
    response = client.post("/admin/login/code/", {"code": phone.code()})
    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/")


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda user, monkeypatch: monkeypatch.setattr(time, "time", lambda: LATER),
        lambda user, monkeypatch: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user, monkeypatch: User.objects.filter(pk=user.pk).update(password="another"),
    ],
    ids=["too late", "deactivated", "another password"],
)
def test_the_first_step_holds_for_five_minutes_if_nothing_changes(client, phone, monkeypatch, meanwhile):
    first_step(client, phone.user)
    meanwhile(phone.user, monkeypatch)
    response = client.post("/admin/login/code/", {"code": phone.code()})
    assert response["Location"].startswith("/admin/login/?")
    assert "_auth_user_id" not in client.session


def test_without_it_the_password_suffices(client):
    response = first_step(client, UserFactory(staff=True))
    assert (response.status_code, response["Location"]) == (302, "/admin/")


# Setting it up


def secret_on(page):
    [groups] = re.findall(r'<code class="secret">(.*?)</code>', page.content.decode())
    return groups.replace(" ", "")


def test_staff_set_it_up_in_the_admin(client, staff_member, clock):
    other = Client()
    other.force_login(staff_member.user)
    AccessToken.objects.issue(staff_member.user)
    page = client.get(OWN_PAGE)
    secret = secret_on(page)
    assert "<svg" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert secret_on(client.post(OWN_PAGE, {"code": "000000"})) == secret
    assert not Authenticator.objects.exists()

    page = client.post(OWN_PAGE, {"code": code_at(secret, clock.step)})
    codes = re.findall(r"<li><code>(.*?)</code>", page.content.decode())
    assert len(codes) == 10
    assert "no-store" in page["Cache-Control"]
    assert not any(code in client.get(OWN_PAGE).content.decode() for code in codes)
    assert other.get("/admin/").status_code == 302
    assert not AccessToken.objects.exists()
    assert LogEntry.objects.get().get_change_message() == "Set up the two-step login."
    assert log_in(staff_member.user, otp=codes[0]).status_code == 200


def test_a_form_that_is_sent_twice_sets_up_one(client, phone):
    assert enroll(phone.user, new_secret(), "000000") is None
    assert Authenticator.objects.get().secret == phone.secret


@pytest.fixture
def at_own_page(client, phone):
    client.force_login(User.objects.get(pk=phone.user.pk))
    return client


def test_removing_ones_own_needs_a_code(at_own_page, phone):
    page = at_own_page.post(OWN_PAGE, {"code": "000000", "remove": "1"})
    assert "This code is wrong or too old" in page.content.decode()
    assert Authenticator.objects.exists()
    assert at_own_page.post(OWN_PAGE, {"code": phone.code(), "remove": "1"}).status_code == 302
    assert not Authenticator.objects.exists()
    assert at_own_page.get("/admin/").status_code == 200
    assert LogEntry.objects.get().get_change_message() == "Removed the two-step login."


def test_new_recovery_codes_replace_the_old_ones(at_own_page, phone):
    page = at_own_page.post(OWN_PAGE, {"code": phone.code(), "renew": "1"})
    codes = re.findall(r"<li><code>(.*?)</code>", page.content.decode())
    assert kind(log_in(phone.user, otp=phone.recovery_codes[0])) == (401, "invalid-otp")
    assert log_in(phone.user, otp=codes[0]).status_code == 200


def test_a_page_says_how_many_recovery_codes_are_left(at_own_page, phone):
    assert "10 recovery codes left" in at_own_page.get(OWN_PAGE).content.decode()
    Authenticator.objects.update(recovery_digests=[])
    assert "code is left" in at_own_page.get(OWN_PAGE).content.decode()


# Those who have lost their phone


def test_a_superuser_removes_somebody_elses(client, superuser, phone):
    page = client.get(reverse("admin:clinics_user_change", args=[phone.user.pk])).content.decode()
    url = reverse("admin:remove_two_step_login", args=[phone.user.pk])
    assert url in page
    assert phone.user.name in client.get(url).content.decode()
    assert Authenticator.objects.exists()
    assert client.post(url).status_code == 302
    assert not Authenticator.objects.exists()
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.get_change_message()) == (
        superuser.pk,
        str(phone.user.pk),
        "Removed the two-step login.",
    )


def test_nobody_else_does_or_is_offered_to(client, staff_member, phone):
    url = reverse("admin:remove_two_step_login", args=[phone.user.pk])
    MembershipFactory(user=phone.user, clinic=staff_member.clinic)
    page = client.get(reverse("admin:clinics_user_change", args=[phone.user.pk])).content.decode()
    assert "Set up on" in page
    assert url not in page
    assert client.post(url).status_code == 403
    assert Authenticator.objects.exists()


def test_a_superuser_removes_their_own_by_a_code_alone(client, superuser, clock):
    Phone(superuser, clock)
    client.force_login(User.objects.get(pk=superuser.pk))
    url = reverse("admin:remove_two_step_login", args=[superuser.pk])
    assert url not in client.get(reverse("admin:clinics_user_change", args=[superuser.pk])).content.decode()
    assert client.post(url).status_code == 403
    assert Authenticator.objects.exists()


def test_a_shell_removes_it_as_well(phone, capsys):
    call_command("remove_two_step_login", phone.user.email)
    call_command("remove_two_step_login", phone.user.email)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"Removed the two-step login of {phone.user.email}.",
        f"{phone.user.email} has not set up the two-step login.",
    ]
    with pytest.raises(CommandError, match="No user has the email nobody@clinic"):
        call_command("remove_two_step_login", "nobody@clinic.example")


# Required of all staff


@pytest.fixture
def _required(settings):
    settings.TOTP_REQUIRED = True


@pytest.mark.usefixtures("_required")
def test_where_it_is_required_staff_do_nothing_before(client, staff_member, clock):
    token, _ = AccessToken.objects.issue(staff_member.user)
    for path in ["/admin/", reverse("admin:clinics_patient_changelist"), reverse("admin:password_change")]:
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, OWN_PAGE)
    bearer = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert kind(bearer.get(ME)) == (403, "enrollment-required")
    assert kind(client.get(ME)) == (403, "enrollment-required")
    assert kind(log_in(staff_member.user)) == (403, "enrollment-required")

    page = client.get(OWN_PAGE)
    assert "It is required here of all staff." in page.content.decode()
    client.post(OWN_PAGE, {"code": code_at(secret_on(page), clock.step)})
    assert client.get("/admin/").status_code == 200
    assert client.get(ME).status_code == 200


@pytest.mark.usefixtures("_required")
def test_those_who_must_set_it_up_can_still_log_out(client, staff_member):
    assert client.post("/admin/logout/").status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("_required")
def test_it_is_not_required_of_those_who_are_not_staff():
    user = UserFactory()
    token = log_in(user).json()["token"]
    assert APIClient(headers={"Authorization": f"Bearer {token}"}).get(ME).status_code == 200
