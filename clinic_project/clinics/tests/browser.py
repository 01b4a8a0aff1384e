"""Somebody at a real browser, under the Content-Security-Policy of the settings.

Set ADMIN_SCREENSHOTS to a folder to look at what they saw.
"""

import os
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from django.test import Client
from django.urls import reverse

from clinic_project.clinics.factories import PASSWORD
from clinic_project.clinics.models import User
from clinic_project.reconciliation.tests.support.profiles import NIGHTLY
from clinic_project.reconciliation.tests.support.waiting import SECONDS

from .readability import axe_violations, cut_texts

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium here: apt install chromium chromium-driver"
)

WIDE, NARROW = (1280, 900), (390, 800)


class Staff:
    """Somebody at a browser."""

    def __init__(self, driver, address: str, name: str) -> None:
        self.driver, self.address, self.name = driver, address, name
        #: Whether the browser runs the scripts of pages.
        self.has_scripts = True
        self._complaints: list[str] = []

    def open(self, view: str, *args, query: str = "") -> None:
        self.driver.get(f"{self.address}{reverse(f'admin:{view}', args=args)}{query}")

    def find(self, selector: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, SECONDS).until(lambda d: d.find_element(By.CSS_SELECTOR, selector))

    def find_text(self, selector: str, text: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
        from selenium.webdriver.support.ui import WebDriverWait

        found = text_to_be_present_in_element((By.CSS_SELECTOR, selector), text)
        WebDriverWait(self.driver, SECONDS).until(found)
        return self.find(selector)

    def click(self, selector: str) -> None:
        """Click on what leads to another page, and wait for that."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.expected_conditions import staleness_of
        from selenium.webdriver.support.ui import WebDriverWait

        before = self.find("html")
        self.find(selector).click()
        # While the page is being replaced, the driver may fail to tell whether it has been.
        waiting = WebDriverWait(self.driver, SECONDS, ignored_exceptions=[WebDriverException])
        waiting.until(staleness_of(before))

    def write(self, selector: str, text: str) -> None:
        self.find(selector).send_keys(text)

    def texts(self, selector: str) -> list[str]:
        from selenium.webdriver.common.by import By

        return [found.text for found in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def log_in(self, email: str) -> None:
        self.open("login")
        self.write("[name=username]", email)
        self.write("[name=password]", PASSWORD)
        self.click("#login-form [type=submit]")

    def come_back(self, user: User) -> None:
        """Be logged in already: the test is about something else, and checking a password is slow by design."""
        client = Client()
        client.force_login(user)
        self.open("login")
        self.driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})

    @contextmanager
    def without_scripts(self, off: bool = True) -> Iterator[None]:
        """Run no scripts of pages to the end of the block, where they are `off`."""
        self._run_scripts(not off)
        try:
            yield
        finally:
            self._run_scripts(True)

    def _run_scripts(self, run: bool) -> None:
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not run})
        self.has_scripts = run

    def shoot(self, what: str) -> None:
        """See that the page can be read, and keep a screenshot of all of it where ADMIN_SCREENSHOTS says."""
        self._keep(what)
        unreadable = self.unreadable()
        assert not unreadable, "\n".join(unreadable)

    def complaints(self) -> list[str]:
        """Return what the browser has complained of since it was asked last, such as what the policy has refused."""
        complaints, self._complaints = [*self._complaints, *self._new_complaints()], []
        return complaints

    def _new_complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def unreadable(self) -> list[str]:
        """Return what of the page can't be read: in its own theme, and for want of contrast in the other one."""
        is_page = self.driver.execute_script("return document.contentType") == "text/html"
        if not (self.has_scripts and is_page):
            return []  # where axe-core can't look: it is a script, and the page around a picture is the browser's own
        self._complaints += self._new_complaints()
        found = [*cut_texts(self.driver), *axe_violations(self.driver)]
        theme = self.name.split("-")[0]
        prefer_theme(self.driver, "light" if theme == "dark" else "dark")
        found += axe_violations(self.driver, "color-contrast")
        prefer_theme(self.driver, theme)
        self._new_complaints()  # of axe-core's own styles
        return found

    def _keep(self, what: str) -> None:
        if folder := os.environ.get("ADMIN_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            whole = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
            screenshot = self.driver.execute_cdp_cmd("Page.captureScreenshot", whole)["data"]
            (Path(folder) / f"{what}-{self.name}.png").write_bytes(b64decode(screenshot))

    def sees_the_whole_width(self) -> bool:
        """Say whether the page is no wider than the screen."""
        page, screen = self.driver.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        return page <= screen

    def image_width(self, selector: str) -> int:
        """Return the width in pixels of the image that the browser has decoded, 0 if it has decoded none."""
        from selenium.webdriver.support.ui import WebDriverWait

        image = self.find(selector)
        WebDriverWait(self.driver, SECONDS).until(lambda _: image.get_property("complete"))
        return image.get_property("naturalWidth")


def wait_until(staff: Staff, condition: Callable[[], Any]) -> Any:
    """Wait until `condition` holds; while a page is being replaced, the driver may not be able to tell."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    waiting = WebDriverWait(staff.driver, SECONDS, ignored_exceptions=[WebDriverException])
    return waiting.until(lambda _: condition())


def press(staff: Staff, *keys: str) -> None:
    """Press keys wherever the person is on the page."""
    for key in keys:
        staff.driver.switch_to.active_element.send_keys(key)


def prefer_theme(driver: Any, theme: str) -> None:
    """Let the browser ask pages for that theme: light or dark."""
    preference = {"name": "prefers-color-scheme", "value": theme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})


#: A theme and a size. In the nightly profile, each module is looked at in both ways, else in one that its name decides.
WAYS = ("light-wide", "dark-narrow")


@pytest.fixture(scope="module", params=WAYS)
def browser(request, tmp_path_factory) -> Iterator[tuple[Any, str]]:
    """A browser with that theme and size, and what it is called."""
    from selenium import webdriver

    if not NIGHTLY and request.param != WAYS[crc32(request.module.__name__.encode()) % len(WAYS)]:
        pytest.skip("this module is looked at in the other way; the nightly profile does both")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    profile = f"user-data-dir={tmp_path_factory.mktemp('profile')}"
    for flag in [*flags.split(), "disable-component-update", "disable-sync", profile]:
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        theme, size = request.param.split("-")
        width, height = WIDE if size == "wide" else NARROW
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "narrow"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        prefer_theme(driver, theme)
        yield driver, request.param
    finally:
        driver.quit()


@pytest.fixture
def staff(browser, live_server) -> Iterator[Staff]:
    """Somebody at the browser, which says at the end whether the Content-Security-Policy has refused anything."""
    driver, name = browser
    driver.get_log("browser")
    staff = Staff(driver, live_server.url, name)
    yield staff
    driver.delete_all_cookies()
    complaints = staff.complaints()
    assert not complaints, "\n".join(complaints)
