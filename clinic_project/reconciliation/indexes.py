"""Indexes whose names are as long as PostgreSQL lets them be."""

from django.db import models

from .schema.model import LONGEST_NAME


class LongNameIndex(models.Index):
    """An index whose name may have PostgreSQL's 63 bytes instead of Django's 30 characters.

    Django keeps names portable to Oracle; existing databases of ours have longer ones, and a name is part of what is
    declared.
    """

    max_name_length = LONGEST_NAME
