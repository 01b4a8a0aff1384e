"""Every page of the admin in a real browser, with the demo's data: all of it can be read, by everybody.

What `Staff.unreadable` asks: no text is cut, the page is no wider than the screen, and axe-core finds nothing serious.
"""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinic_project.clinics.factories import UserFactory
from clinic_project.clinics.models import User
from clinic_project.clinics.tests.browser import needs_chromium
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY

from .walking import Walk

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

#: Pages of ours to which no link of the admin leads. That of the API is Swagger's.
OTHERS = [reverse("home"), reverse("admin:login")]

LANGUAGES = [code for code, _ in settings.LANGUAGES]

SUPERUSER, READER = "root@demo.example", "sam@harbour.example"
#: Who sees all pages in which language for every push; a minute each.
OFTEN = {(SUPERUSER, "zh-hant"), (READER, "en")}


def addresses(email: str) -> Iterator[str]:
    client = Client()
    client.force_login(User.objects.get(email=email))
    return Walk(client).pages()


def ask_in(staff, language: str) -> None:
    """Let the browser ask for pages in `language`, as somebody does who has chosen it."""
    staff.driver.add_cookie({"name": settings.LANGUAGE_COOKIE_NAME, "value": language})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("email", [SUPERUSER, READER])
def test_every_page_can_be_read(staff, email, language, settings):
    if not NIGHTLY and (email, language) not in OFTEN:
        pytest.skip("the nightly profile has these")
    settings.DEBUG = True
    call_command("load_demo", verbosity=0)
    settings.DEBUG = False
    staff.come_back(User.objects.get(email=email))
    ask_in(staff, language)
    found = {}
    for address in [*OTHERS, *addresses(email)]:
        staff.driver.get(staff.address + address)
        if unreadable := staff.unreadable():
            found[address] = unreadable
    assert found == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_for_which_the_schema_is_behind_leads_superusers_to_the_schema(staff, language):
    staff.come_back(UserFactory(superuser=True))
    ask_in(staff, language)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE medical_records RENAME COLUMN values TO answers")
    staff.open("medical_records_medicalrecord_change", 1)
    assert staff.texts("pre") == ["python manage.py migrate"]
    staff.shoot(f"schema-is-behind-{language}")
    staff.click("#content a[href$='/schema/']")
    assert "answers" in staff.driver.page_source
    assert ["503" in text for text in staff.complaints()] == [True]
