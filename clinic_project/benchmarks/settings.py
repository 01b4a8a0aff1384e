"""The project's settings, with the plain endpoints beside its own, and a connection that is kept while it is measured."""

from clinic_project.settings import *  # noqa: F403
from clinic_project.settings import DATABASES

ROOT_URLCONF = "clinic_project.benchmarks.urls"
DATABASES["default"]["CONN_MAX_AGE"] = None
