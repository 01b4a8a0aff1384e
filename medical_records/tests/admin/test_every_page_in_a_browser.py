"""Every page of the admin in a real browser, with the demo's data: all of it can be read, by everybody."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from clinic_project.clinics.models import User
from clinic_project.clinics.tests.browser import Staff, needs_chromium, prefer_theme
from clinic_project.clinics.tests.readability import axe_violations, cut_texts

from .walking import Walk

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]

#: Pages that have no link in the admin.
OTHERS = [reverse("home"), reverse("admin:login")]


def addresses(email: str) -> Iterator[str]:
    client = Client()
    client.force_login(User.objects.get(email=email))
    return Walk(client).pages()


def problems(staff: Staff) -> list[str]:
    """Return what is wrong with the page: in its own theme, and with the contrast in the other one."""
    found = [*cut_texts(staff.driver), *axe_violations(staff.driver)]
    own = staff.name.split("-")[0]
    prefer_theme(staff.driver, "light" if own == "dark" else "dark")
    found += axe_violations(staff.driver, "color-contrast")
    prefer_theme(staff.driver, own)
    return found


@pytest.mark.parametrize("email", ["root@demo.example", "amara@harbour.example", "sam@harbour.example"])
def test_every_page_is_whole_and_axe_core_finds_nothing(staff, settings, email):
    settings.DEBUG = True
    call_command("load_demo", verbosity=0)
    settings.DEBUG = False
    staff.come_back(User.objects.get(email=email))
    found = {}
    for address in [*OTHERS, *addresses(email)]:
        staff.driver.get(staff.address + address)
        if wrong := problems(staff):
            found[address] = wrong
            staff.shoot(address.strip("/").replace("/", "-"))
    assert found == {}
