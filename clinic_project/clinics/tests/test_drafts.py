"""The server's part in the drafts that a browser keeps: what its pages say, and which draft was saved."""

import base64
import re

import pytest
from django.urls import reverse

from clinic_project.clinics.administration.drafts import draft_key
from clinic_project.clinics.factories import MembershipFactory, PatientFactory, UserFactory

pytestmark = pytest.mark.django_db

DRAFT = "0b3c2f3e-9d6a-4f0e-8a53-1c2d3e4f5a6b"
INDEX = "admin:index"


@pytest.fixture
def patient(client):
    membership = MembershipFactory(user__staff=True, admin=True)
    client.force_login(membership.user)
    return PatientFactory(clinic=membership.clinic)


def url_of(patient, query=""):
    return reverse("admin:clinics_patient_change", args=[patient.pk]) + query


def save(client, patient, **sent):
    return client.post(url_of(patient), {"full_name": "Lin", "gender": "", "_draft": DRAFT, **sent})


def about_drafts(page) -> str:
    (found,) = re.findall('<template id="drafts"[^>]*>', page.content.decode())
    return found


def test_each_page_has_the_key_of_who_is_logged_in(client, patient):
    user = MembershipFactory(user__staff=True).user
    keys = set()
    for one in (user, UserFactory(staff=True), user):
        client.force_login(one)
        page = client.get(reverse(INDEX))
        assert f'data-user="{one.pk}" data-key="{draft_key(one)}"' in about_drafts(page)
        assert "no-store" in page["Cache-Control"]
        keys.add(draft_key(one))
    assert len(keys) == 2
    assert {len(base64.b64decode(key)) for key in keys} == {32}


def test_the_key_is_another_one_with_another_secret_key(patient, settings):
    before = draft_key(patient)
    settings.SECRET_KEY = "another"
    assert draft_key(patient) != before


def test_the_login_has_no_key_and_the_logout_says_that_it_is_over(client, patient):
    assert "data-over" not in about_drafts(client.get(reverse(INDEX)))
    assert about_drafts(client.post(reverse("admin:logout"))) == '<template id="drafts" data-over>'
    assert about_drafts(client.get(reverse("admin:login"))) == '<template id="drafts">'


def test_a_form_is_known_by_its_page_and_what_it_was_opened_with(client, patient):
    def name(query):
        (found,) = re.findall('data-draft="([^"]*)"', client.get(url_of(patient, query)).content.decode())
        return found

    assert name("") == name("?_changelist_filters=q%3DLin") == url_of(patient)
    assert name("?b=2&a=1&_to_field=id") == url_of(patient) + "?a=1&amp;b=2"


def test_a_form_in_a_window_of_another_has_no_draft(client, patient):
    assert "data-draft" not in client.get(url_of(patient, "?_popup=1")).content.decode()


def test_a_form_that_was_saved_names_its_draft(client, patient):
    response = save(client, patient)
    assert response.status_code == 302
    cookie = response.cookies["saved_draft"]
    assert (cookie.value, cookie["samesite"], cookie["path"], cookie["max-age"]) == (DRAFT, "Lax", "/", 43200)
    patient.refresh_from_db()
    assert patient.full_name == "Lin"


@pytest.mark.parametrize("sent", [{"full_name": ""}, {"_draft": "x"}, {"_draft": ""}, {"_draft": f"{DRAFT}; a=b"}])
def test_nothing_else_names_one(sent, client, patient):
    assert "saved_draft" not in save(client, patient, **sent).cookies
    assert "saved_draft" not in client.get(url_of(patient, f"?_draft={DRAFT}")).cookies


def test_a_form_that_was_sent_without_a_session_does_not(client, patient):
    client.logout()
    response = save(client, patient)
    assert response["Location"] == f"{reverse('admin:login')}?next={url_of(patient)}"
    assert "saved_draft" not in response.cookies


def test_a_form_that_comes_back_says_whose_draft_it_shows(client, patient):
    assert f'data-sent="{DRAFT}"' in about_drafts(save(client, patient, full_name=""))
    assert "data-sent" not in about_drafts(save(client, patient, full_name="", _draft='"><b>'))
    assert "data-sent" not in about_drafts(client.get(url_of(patient, f"?_draft={DRAFT}")))


def test_a_form_of_what_is_not_there_any_more_names_none(client, patient):
    url = url_of(patient)
    patient.delete()
    response = client.post(url, {"full_name": "Lin", "_draft": DRAFT})
    assert response.status_code == 302
    assert "saved_draft" not in response.cookies
    assert "doesn’t exist" in client.get(response["Location"]).content.decode()  # noqa: RUF001 - Django's
