"""The project's settings, with the plain endpoints beside its own."""

from clinic_project.settings import *  # noqa: F403

ROOT_URLCONF = "clinic_project.benchmarks.urls"
