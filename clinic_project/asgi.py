"""The ASGI application, for servers."""

import os

from django.core.asgi import get_asgi_application

from clinic_project.api.requests import ReadableASGIRequest
from clinic_project.startup import load_all

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")

application = get_asgi_application()
application.request_class = ReadableASGIRequest
load_all()
