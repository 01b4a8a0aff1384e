"""The WSGI application, for servers."""

import os

from django.core.wsgi import get_wsgi_application

from clinic_project.api.requests import ReadableWSGIRequest
from clinic_project.startup import load_all

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")

application = get_wsgi_application()
application.request_class = ReadableWSGIRequest
load_all()
