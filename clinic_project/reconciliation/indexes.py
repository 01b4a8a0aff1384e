"""Indexes whose names are as long as PostgreSQL lets them be."""

from django.db import models


class LongNameIndex(models.Index):
    """An index whose name may have PostgreSQL's 63 bytes instead of Django's 30 characters.

    Django keeps names portable to Oracle; existing databases of ours have longer ones, and a name is part of what is
    declared. 63 is NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
    """

    max_name_length = 63
