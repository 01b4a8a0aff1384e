"""The two-step login in a real browser, in both themes and on both sizes of screen."""

from io import BytesIO

import pytest
from PIL import Image

from clinic_project.api.models import Authenticator
from clinic_project.api.one_time_codes import code_at, current_step, provisioning_uri
from clinic_project.clinics.factories import UserFactory
from clinic_project.clinics.models import User

from .browser import needs_chromium

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium, pytest.mark.slow]


def test_somebody_sets_it_up_and_logs_in_with_it(staff):
    import zxingcpp

    user = UserFactory(superuser=True, email="grace@clinic.example")
    staff.come_back(user)
    staff.open("index")
    staff.click("#user-tools a[href$='two-step-login/']")
    staff.shoot("two-step-enrollment")
    assert staff.sees_the_whole_width()
    [scanned] = zxingcpp.read_barcodes(Image.open(BytesIO(staff.find(".qr-code").screenshot_as_png)))
    secret = staff.find("code.secret").text.replace(" ", "")
    assert scanned.text == provisioning_uri(secret, user.email, "Clinic records")
    staff.write("[name=code]", "000000")
    staff.click("#content-main [type=submit]")
    staff.find_text(".errornote", "This code is wrong or too old")
    assert staff.find("code.secret").text.replace(" ", "") == secret

    staff.write("[name=code]", code_at(secret, current_step()))
    staff.click("#content-main [type=submit]")
    staff.shoot("two-step-recovery-codes")
    codes = staff.texts(".recovery-codes code")
    assert len(codes) == 10
    assert staff.sees_the_whole_width()
    staff.click("#content-main a.button")
    staff.click("#user-tools a[href$='two-step-login/']")
    staff.shoot("two-step")
    assert "10 recovery codes left" in staff.find("#content-main").text
    assert staff.sees_the_whole_width()

    staff.driver.delete_all_cookies()
    staff.log_in(user.email)
    staff.shoot("two-step-code")
    assert staff.sees_the_whole_width()
    assert staff.driver.switch_to.active_element.get_attribute("name") == "code"
    staff.write("[name=code]", "000000")
    staff.click("#content-main [type=submit]")
    staff.shoot("two-step-code-wrong")
    staff.write("[name=code]", codes[0])
    staff.click("#content-main [type=submit]")
    staff.find("#user-tools")


def test_a_superuser_removes_somebody_elses(staff):
    user = UserFactory(superuser=True)
    other = UserFactory(staff=True, email="ada@clinic.example")
    Authenticator.objects.create(user=other, secret="A" * 32, last_step=0, recovery_digests=[])
    staff.come_back(User.objects.get(pk=user.pk))
    staff.open("clinics_user_change", other.pk)
    staff.shoot("two-step-of-a-user")
    staff.click("a[href$='two-step-login/remove/']")
    staff.shoot("two-step-removal")
    assert staff.sees_the_whole_width()
    staff.click("#content-main [type=submit]")
    staff.find_text(".messagelist", "The two-step login of ada is removed.")
    assert not Authenticator.objects.exists()
