# ruff: noqa: DJ008 (no page shows these)
"""Models of an app whose migrations do more by SQL of their own than the models declare."""

from django.db import models


class Note(models.Model):
    title = models.CharField(max_length=50)
    body = models.TextField(null=True)
    stars = models.IntegerField(default=0)


class NoteProxy(Note):
    class Meta:
        proxy = True


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)
    notes = models.ManyToManyField(Note)


class Legacy(models.Model):
    """A table that another system makes, or not."""

    note = models.ForeignKey(Note, models.CASCADE)

    class Meta:
        managed = False
        db_table = "legacy_rows"
