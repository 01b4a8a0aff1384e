"""Indexes whose names are as long as PostgreSQL lets them be."""

from django.db import models

from .schema.model import MAX_NAME_LENGTH


class LongNameIndex(models.Index):
    """An index whose name may have PostgreSQL's 63 bytes instead of Django's 30 characters.

    Django's limit keeps names portable to Oracle. Existing databases have indexes of longer names, and a name is part of
    what is declared.
    """

    max_name_length = MAX_NAME_LENGTH
