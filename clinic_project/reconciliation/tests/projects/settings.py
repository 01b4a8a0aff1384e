"""The settings of a project that is made of packages from PyPI: the one that PROJECT names, on the database DATABASE.

DATABASE is the JSON of Django's settings of a database.
"""

import json
import os
from importlib import import_module

from .projects import PROJECTS

ENGINE = __package__.removesuffix(".tests.projects")

INSTALLED_APPS = [
    ENGINE,
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    *PROJECTS[os.environ["PROJECT"]].split(),
]
DATABASES = {"default": json.loads(os.environ["DATABASE"])}
RECONCILIATION = {"apps": "*"}
SECRET_KEY = "only for tests " * 4
USE_TZ = True
SITE_ID = 1
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
STATIC_URL = "/static/"
ROOT_URLCONF = f"{__package__}.settings"
urlpatterns: list[object] = []
_CONTEXT = [
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
    "django.template.context_processors.request",
    "sekizai.context_processors.sekizai",
    "cms.context_processors.cms_settings",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": _CONTEXT},
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
WAGTAIL_SITE_NAME = "Tests"
WAGTAILADMIN_BASE_URL = "https://example.com"
CMS_CONFIRM_VERSION4 = True
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
STRIPE_LIVE_MODE = False
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
if "oscar.config.Shop" in INSTALLED_APPS:
    globals().update(vars(import_module("oscar.defaults")))
