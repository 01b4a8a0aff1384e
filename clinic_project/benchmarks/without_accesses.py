"""The settings of the benchmarks without the access log."""

from clinic_project.benchmarks.settings import *  # noqa: F403
from clinic_project.benchmarks.settings import MIDDLEWARE

MIDDLEWARE.remove("clinic_project.audit.accesses.AccessLogMiddleware")
