# ruff: noqa: DJ008 (no page shows these)
"""A table whose changes a trigger records, in a table that is append-only."""

from django.db import models

from ...triggers import Trigger


class Entry(models.Model):
    id = models.BigAutoField(primary_key=True)
    source = models.TextField()
    action = models.TextField()
    old = models.JSONField()
    remark = models.TextField(db_default="")

    class Meta:
        constraints = [
            Trigger(
                name="append_only",
                function="journal.refuse_change",
                timing="BEFORE",
                events=["UPDATE", "DELETE", "TRUNCATE"],
                level="STATEMENT",
                append_only=True,
            ),
        ]


class Ward(models.Model):
    name = models.CharField(max_length=50)
    beds = models.IntegerField(default=0)
    is_open = models.BooleanField(db_default=True)

    class Meta:
        constraints = [
            Trigger(
                name="renamed_ward",
                function="journal.keep_old_row",
                events=["UPDATE"],
                condition="NEW.name IN ('A', 'B')",
                arguments=["renamed"],
            ),
            Trigger(
                name="ward's history",
                function="journal.keep_old_row",
                events=["UPDATE", "DELETE"],
                arguments=["it's over"],
            ),
            Trigger(
                name="ward_beds",
                function="journal.keep_old_row",
                events=["UPDATE"],
                update_of=["beds"],
                condition="OLD.beds > NEW.beds",
                arguments=["fewer beds"],
                enabled="O",
            ),
        ]
