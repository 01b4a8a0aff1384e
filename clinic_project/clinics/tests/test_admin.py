"""Users, clinics, memberships and patients in the admin."""

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from clinic_project.api.models import LoginFailures
from clinic_project.audit import transactions
from clinic_project.clinics.factories import (
    PASSWORD,
    ClinicFactory,
    MembershipFactory,
    PatientFactory,
    UserFactory,
)
from clinic_project.clinics.models import Membership, Patient, User

from .admin_site import rows_of

pytestmark = pytest.mark.django_db

MODELS = ["user", "clinic", "membership", "patient"]


def list_url(model: str) -> str:
    return reverse(f"admin:clinics_{model}_changelist")


def change_url(obj) -> str:
    return reverse(f"admin:clinics_{obj._meta.model_name}_change", args=[obj.pk])


def test_staff_log_in_by_email_in_any_case(client):
    user = UserFactory(staff=True, email="ada@clinic.example")
    response = client.post(reverse("admin:login"), {"username": "Ada@Clinic.example", "password": PASSWORD})
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)


def test_who_is_not_on_the_staff_does_not_get_in(client):
    UserFactory(email="ada@clinic.example")
    page = client.post(reverse("admin:login"), {"username": "ada@clinic.example", "password": PASSWORD})
    assert "for a staff account" in page.content.decode()


def test_too_many_failures_close_the_login_for_a_while(client):
    user = UserFactory(staff=True)
    form = {"username": user.email, "password": "wrong"}
    for _ in range(10):
        assert "correct email and password" in client.post(reverse("admin:login"), form).content.decode()
    page = client.post(reverse("admin:login"), {**form, "password": PASSWORD})
    assert "Too many attempts have failed. Wait a minute." in page.content.decode()
    assert (page.status_code, 0 < int(page["Retry-After"]) <= 60) == (429, True)
    assert "_auth_user_id" not in client.session
    LoginFailures.objects.update(times=[])  # a minute later
    assert client.post(reverse("admin:login"), {**form, "password": PASSWORD}).status_code == 302


def test_whoever_is_logged_in_is_told_to_migrate(client, superuser):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE api_authenticators")
    page = client.get("/admin/")
    assert page.status_code == 503
    assert "The database is not up to date" in page.content.decode()


@pytest.mark.parametrize("is_superuser", [True, False])
def test_superusers_are_led_to_the_schema_from_there(is_superuser, client):
    client.force_login(MembershipFactory(user__staff=True, user__is_superuser=is_superuser).user)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE patients RENAME COLUMN notes TO remarks")
    page = client.get(reverse("admin:clinics_patient_change", args=[1]))
    assert page.status_code == 503
    assert (f'href="{reverse("admin:schema")}"' in page.text) is is_superuser


@pytest.mark.parametrize(
    ("statement", "title"),
    [
        ("DROP TABLE api_login_failures", "The database is not up to date"),
        ("SET TRANSACTION READ ONLY", "The database is read-only"),
    ],
)
def test_a_page_says_why_nobody_can_log_in(client, statement, title):
    user = UserFactory(staff=True)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
    page = client.post(reverse("admin:login"), {"username": user.email, "password": PASSWORD})
    assert page.status_code == 503
    assert title in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_503_with_a_page(client, superuser, monkeypatch):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    page = client.get("/admin/")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database is away" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_somebody_holds_is_503_with_a_page(client, superuser, monkeypatch):
    monkeypatch.setattr(transactions, "LOCK_TIMEOUT", "50ms")
    patient, elsewhere = PatientFactory(), connection.copy()
    with elsewhere.cursor() as cursor:
        elsewhere.set_autocommit(False)
        cursor.execute("SELECT 1 FROM patients FOR UPDATE")
        page = client.post(
            reverse("admin:clinics_patient_change", args=[patient.pk]),
            {"clinic": patient.clinic_id, "full_name": "Grace Hopper", "notes": ""},
        )
    elsewhere.close()
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database is too slow" in page.content.decode()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_while_the_session_is_saved(client):
    user = UserFactory(staff=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'"
        )
        cursor.execute("CREATE TRIGGER theirs BEFORE UPDATE ON django_session FOR EACH ROW EXECUTE FUNCTION go_away()")
    page = client.post(reverse("admin:login"), {"username": user.email, "password": PASSWORD})
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The database is away" in page.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_of_fifty_costs_as_many_queries_as_a_list_of_one(
    model, client, superuser, django_assert_num_queries, django_assert_max_num_queries
):
    make = {
        "user": UserFactory,
        "clinic": ClinicFactory,
        "membership": MembershipFactory,
        "patient": PatientFactory,
    }
    make[model]()
    ClinicFactory.create_batch(60)  # too many for the filter by clinic, in both lists
    with django_assert_max_num_queries(10) as one:
        client.get(list_url(model))
    make[model].create_batch(49)
    with django_assert_num_queries(len(one.captured_queries)):
        assert len(rows_of(client.get(list_url(model)))) == 50


def test_staff_see_their_colleagues_clinics_and_patients_and_no_others(client, staff_member):
    colleague = MembershipFactory(clinic=staff_member.clinic)
    patient = PatientFactory(clinic=staff_member.clinic)
    MembershipFactory()
    PatientFactory()
    assert set(rows_of(client.get(list_url("user")))) == {staff_member.user, colleague.user}
    assert rows_of(client.get(list_url("clinic"))) == [staff_member.clinic]
    assert set(rows_of(client.get(list_url("membership")))) == {staff_member, colleague}
    assert rows_of(client.get(list_url("patient"))) == [patient]


@pytest.mark.parametrize("model", ["user", "clinic", "membership"])
def test_who_may_log_in_where_and_as_what_is_up_to_superusers(model, client, staff_member):
    own = {"user": staff_member.user, "clinic": staff_member.clinic, "membership": staff_member}[model]
    assert client.get(change_url(own)).status_code == 200
    assert client.post(change_url(own), {"email": "x@y.example", "is_superuser": "on"}).status_code == 403
    assert client.get(reverse(f"admin:clinics_{model}_add")).status_code == 403
    assert not User.objects.filter(is_superuser=True).exists()


def test_staff_read_roles_by_their_names(client, staff_member):
    Membership.objects.filter(pk=staff_member.pk).update(roles=["admin", "practitioner"])
    page = client.get(change_url(staff_member)).content.decode()
    assert "Admin, Practitioner" in page
    assert "[" not in page.split("roles_held")[1].split("is_active")[0]
    assert (
        "管理員、醫事人員"
        in client.get(change_url(staff_member), headers={"Accept-Language": "zh-TW"}).content.decode()
    )


def test_staff_cannot_set_another_persons_password(client, staff_member):
    colleague = MembershipFactory(clinic=staff_member.clinic, user__superuser=True)
    url = reverse("admin:auth_user_password_change", args=[colleague.user_id])
    assert client.post(url, {"password1": "another-long-one", "password2": "another-long-one"}).status_code == 403


@pytest.mark.parametrize("model", ["user", "clinic", "membership"])
def test_nobody_deletes_users_clinics_or_memberships(model, client, superuser):
    membership = MembershipFactory()
    obj = {"user": membership.user, "clinic": membership.clinic, "membership": membership}[model]
    assert client.post(reverse(f"admin:clinics_{model}_delete", args=[obj.pk]), {"post": "yes"}).status_code == 403
    client.post(list_url(model), {"action": "delete_selected", "_selected_action": [obj.pk], "post": "yes"})
    assert type(obj)._default_manager.filter(pk=obj.pk).exists()


def test_a_password_hash_is_never_shown(client, superuser):
    page = client.get(change_url(superuser)).content.decode()
    algorithm, iterations, salt, digest = superuser.password.split("$")
    for part in (algorithm, iterations, salt, digest, salt[:6], digest[:6]):
        assert part not in page
    assert "Set another password" in page


def test_a_new_user_gets_a_hashed_password_and_logs_in_with_it(client, superuser):
    form = {"email": "new@clinic.example", "usable_password": "true"}
    passwords = {"password1": "a-long-passphrase", "password2": "a-long-passphrase"}
    client.post(reverse("admin:clinics_user_add"), form | passwords)
    user = User.objects.get(email="new@clinic.example")
    assert user.check_password("a-long-passphrase")
    assert "a-long-passphrase" not in user.password
    assert (user.is_active, user.is_staff, user.is_superuser) == (True, False, False)


def test_an_email_is_given_once_whatever_its_case(client, superuser):
    UserFactory(email="ada@clinic.example")
    other = UserFactory()
    page = client.post(change_url(other), {"email": "ADA@clinic.example", "is_active": "on"})
    assert "exists already" in page.content.decode()


def test_a_superuser_sets_a_password(client, superuser):
    user = UserFactory()
    url = reverse("admin:auth_user_password_change", args=[user.pk])
    assert client.get(url).status_code == 200
    passwords = {"password1": "a-long-passphrase", "password2": "a-long-passphrase"}
    client.post(url, {"usable_password": "true", **passwords})
    user.refresh_from_db()
    assert user.check_password("a-long-passphrase")


def test_a_role_that_another_program_gave_is_kept(client, superuser):
    membership = MembershipFactory(roles=["receptionist"])
    form = {"user": membership.user_id, "clinic": membership.clinic_id, "full_name": "Ada", "is_active": "on"}
    client.post(change_url(membership), form | {"roles": ["receptionist", "admin"]})
    assert set(Membership.objects.get(pk=membership.pk).roles) == {"receptionist", "admin"}


@pytest.mark.parametrize("roles", [5, "admin", {"admin": True}, ["admin", ["x"]]])
def test_roles_that_are_no_list_of_names_can_be_looked_at_and_repaired(client, superuser, roles):
    membership = MembershipFactory(roles=roles)
    assert client.get(list_url("membership")).status_code == 200
    assert client.get(change_url(membership)).status_code == 200
    form = {"user": membership.user_id, "clinic": membership.clinic_id, "full_name": "Ada", "is_active": "on"}
    client.post(change_url(membership), form | {"roles": ["practitioner"]})
    assert Membership.objects.get(pk=membership.pk).roles == ["practitioner"]


def test_a_patient_is_added_to_ones_own_clinic_alone(client, staff_member):
    other = ClinicFactory()
    url = reverse("admin:clinics_patient_add")
    client.post(url, {"clinic": other.pk, "full_name": "Grace Hopper"})
    assert not Patient.objects.filter(full_name="Grace Hopper").exists()
    client.post(url, {"clinic": staff_member.clinic_id, "full_name": "Grace Hopper"})
    assert Patient.objects.get(full_name="Grace Hopper").clinic == staff_member.clinic


@pytest.mark.parametrize("page", ["patient", "membership"])
def test_nobody_is_asked_for_the_only_clinic(page, client, superuser):
    only = ClinicFactory()
    url = reverse(f"admin:clinics_{page}_add")
    form = client.get(url).context["adminform"].form
    assert form.fields["clinic"].widget.is_hidden
    assert form["clinic"].value() == only.pk
    ClinicFactory()
    assert not client.get(url).context["adminform"].form.fields["clinic"].widget.is_hidden


def test_a_gender_is_chosen_and_one_of_another_program_is_kept(client, staff_member):
    patient = PatientFactory(clinic=staff_member.clinic, gender="F")
    form = client.get(change_url(patient)).context["adminform"].form
    assert [value for value, _ in form.fields["gender"].choices] == ["", "female", "male", "other", "unknown", "F"]
    for gender, kept in (("F", "F"), ("x", "F"), ("female", "female"), ("", None)):
        client.post(change_url(patient), {"full_name": "Grace Hopper", "notes": "", "gender": gender})
        patient.refresh_from_db()
        assert patient.gender == kept


@pytest.mark.parametrize(("gender", "label"), [("unknown", "unknown"), ("F", "F"), (None, "")])
def test_a_gender_is_read_as_people_call_it(gender, label, client):
    reader = MembershipFactory(user__staff=True, reader=True)
    client.force_login(reader.user)
    patient = PatientFactory(clinic=reader.clinic, gender=gender)
    assert f'field-gender_label">{label or "-"}</td>' in client.get(list_url("patient")).text.replace(
        ' data-label="Gender"', ""
    )
    assert f'<div class="readonly">{label or "-"}</div>' in client.get(change_url(patient)).text


def test_autocomplete_offers_ones_own_clinics_alone(client, staff_member):
    ClinicFactory()
    query = {"app_label": "clinics", "model_name": "patient", "field_name": "clinic"}
    response = client.get(reverse("admin:autocomplete"), query).json()
    assert [row["id"] for row in response["results"]] == [str(staff_member.clinic_id)]


def test_no_text_makes_a_completion_fail(client, staff_member):
    query = {"app_label": "clinics", "model_name": "patient", "field_name": "clinic", "term": "\0"}
    assert client.get(reverse("admin:autocomplete"), query).status_code == 200


def test_a_patient_does_not_move_to_another_clinic(client, superuser):
    patient = PatientFactory()
    client.post(change_url(patient), {"clinic": ClinicFactory().pk, "full_name": "Grace Hopper"})
    same = Patient.objects.get(pk=patient.pk)
    assert same.full_name == "Grace Hopper"
    assert same.clinic == patient.clinic


def test_the_login_page_of_an_unmigrated_database_says_so(client):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE users RENAME TO hidden")
    response = client.post(reverse("admin:login"), {"username": "a@b.example", "password": "x"})
    assert response.status_code == 503
    assert "manage.py migrate" in response.content.decode()


PAGES = ["changelist", "add", "change", "history", "delete"]


@pytest.mark.parametrize("who", ["superuser", "staff_member", "reader"])
def test_no_page_of_the_admin_fails(who, client):
    """Every view of every model, for each kind of person: shown, refused or sent elsewhere, but no 500."""
    membership = MembershipFactory(user__staff=True, user__is_superuser=who == "superuser", reader=who == "reader")
    client.force_login(membership.user)
    PatientFactory(clinic=membership.clinic)
    paths = [reverse(f"admin:{name}") for name in ("index", "password_change", "jsi18n")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        paths.append(reverse("admin:app_list", args=[model._meta.app_label]))
        pk = model._default_manager.values_list("pk", flat=True).first() or 1
        paths += [reverse(f"{name}_{page}", args=[] if page in PAGES[:2] else [pk]) for page in PAGES]
    responses = {path: client.get(path).status_code for path in paths}
    # Django says of an app of which somebody sees nothing that there is none.
    unseen = {reverse("admin:app_list", args=["audit"])} if who != "superuser" else set()
    failed = {path: status for path, status in responses.items() if status not in (200, 302, 403)}
    assert failed == dict.fromkeys(unseen, 404)
    assert responses[reverse("admin:clinics_patient_changelist")] == 200


INVALID_QUERIES = [
    "q=%00",
    "q=" + "x" * 5000,
    "p=0",
    "p=x",
    "p=99999999999999999999",
    "o=9.-99.x",
    "trash=x",
    "clinic=99999999999999999999",
    "clinic=%00",
    "patient=1%27",
    "patient=-1",
    "template=%F0%9F%98%80",
    "place=x",
    "created_at__year=0",
    "created_at__year=2025&created_at__month=13",
    "created_at__year=2025&created_at__day=31",
    "created_at__day=5",
    "created_at__gte=x",
    "created_at__year=9999&created_at__month=12&created_at__day=31",
    "id__in=x",
    "pk=%00",
    "nothing=1",
    "all=",
    "_facets=True",
    "e=1",
    "_to_field=password",
]


@pytest.mark.parametrize("query", INVALID_QUERIES)
def test_no_query_string_makes_a_list_fail(query, client, superuser):
    PatientFactory()
    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(f"{path}?{query}", follow=True).status_code in (200, 400), path


@pytest.mark.parametrize("key", ["x", "0", "-1", "99999999999999999999", "1_5F2", "%00", "1'"])
def test_no_primary_key_makes_a_page_fail(key, client, superuser):
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for page in ("change", "delete", "history"):
            assert client.get(reverse(f"{name}_{page}", args=[key]), follow=True).status_code in (200, 403, 404)


@pytest.mark.parametrize("lookup", ["password__startswith", "memberships__user__password__startswith"])
def test_a_password_hash_is_not_found_by_filtering(lookup, client, staff_member):
    assert client.get(list_url("user"), {lookup: "pbkdf2"}).status_code == 400
    assert client.get(list_url("membership"), {"user__password__startswith": "pbkdf2"}).status_code == 400


def test_an_email_is_not_found_by_who_does_not_see_it(client, staff_member):
    colleague = MembershipFactory(clinic=staff_member.clinic, user__email="secret@home.example")
    for model in ("user", "membership"):
        assert rows_of(client.get(list_url(model), {"q": "secret"})) == []
        assert len(rows_of(client.get(list_url(model), {"q": colleague.full_name}))) == 1
    assert client.get(list_url("user"), {"email__startswith": "s"}).status_code == 400


def test_a_user_is_found_by_name_and_by_email_and_shown_once_by_name(client, superuser):
    ada = MembershipFactory(full_name="Ada Lovelace", user__email="ada@clinic.example").user
    MembershipFactory(full_name="Ada L.", user=ada)
    for text in ("Lovelace", "Ada", "ada@clinic"):
        page = client.get(reverse("admin:clinics_user_changelist"), {"q": text})
        assert rows_of(page) == [ada]
        assert "Ada Lovelace" in page.content.decode()
