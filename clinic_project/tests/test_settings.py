"""The settings in production: checks, each in a process of its own with production's environment, and headers."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

pytestmark = pytest.mark.django_db


def manage(*arguments, **environment):
    variables = {
        "DATABASE_URL": "postgresql://clinic:password@database.example/clinic",  # which a check doesn't connect to
        "SECRET_KEY": "k" * 60 + "0123456789",
        "ALLOWED_HOSTS": "clinic.example",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("proxies", ["0", "1"])
def test_check_deploy_finds_nothing(proxies):
    run = manage("check", "--deploy", "--fail-level", "DEBUG", TRUSTED_PROXIES=proxies)
    assert run.returncode == 0, run.stderr
    assert "no issues" in run.stdout + run.stderr


def test_without_a_secret_key_it_says_so():
    run = manage("check", SECRET_KEY="")
    assert run.returncode == 1
    assert "SECRET_KEY is not set" in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RETENTION_YEARS", "AGE_OF_MAJORITY"])
def test_years_that_make_no_sense_are_refused(name):
    run = manage("check", **{name: "-1"})
    assert run.returncode == 1
    assert f"{name} is -1: expected a number of years from 0 to 100." in run.stderr


def test_every_page_has_the_security_headers(client):
    for path in ("/", "/admin/login/", "/api/docs", "/api/auth/me", "/livez", "/nowhere"):
        response = client.get(path)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Referrer-Policy"] == "same-origin"
        assert len(response["X-Request-ID"]) == 36


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Asia/Taipeh", "", "../../etc/passwd", "Asia"])
def test_a_time_zone_that_there_isnt_is_refused(name):
    run = manage("check", TIME_ZONE=name)
    assert run.returncode == 1
    assert f"TIME_ZONE is {name!r}, which isn't in the time zone database of this machine" in run.stderr


@pytest.mark.slow
def test_the_time_zone_is_that_of_the_environment():
    shown = "from django.utils.timezone import localtime; print(localtime().tzinfo)"
    assert manage("shell", "-c", shown, TIME_ZONE="Asia/Taipei").stdout.strip().endswith("Asia/Taipei")
