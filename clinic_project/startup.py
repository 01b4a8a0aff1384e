"""What servers load before they take requests, so that a worker's first request costs what any other does."""

import gc
from typing import Any

from django.conf import settings
from django.contrib.auth import get_backends
from django.template.loader import get_template
from django.urls import get_resolver
from django.utils import translation
from django.utils.formats import get_format_modules
from django.utils.module_loading import import_string


def load_all() -> None:
    """Import what Django imports at the first request, and open no connection: with `--preload`, workers would share it."""
    get_resolver()._populate()  # the URLconf, with it the views, and the names of routes
    get_backends()
    import_string(settings.MESSAGE_STORAGE)
    import_string(settings.SESSION_SERIALIZER)
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            translation.gettext("Log in")  # which reads the catalogues of all apps
            get_format_modules()
    template: Any = get_template("admin/login.html")
    template.backend.engine.template_context_processors  # noqa: B018
    # It all stays: the garbage collector needn't look at it again and again, and forked workers share its memory.
    gc.collect()
    gc.freeze()
