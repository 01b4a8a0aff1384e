"""The history of recorded rows, the seals by which a later change of it is found, what was destroyed, and who looked."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.fields.json import KT

from clinic_project.reconciliation.indexes import LongNameIndex

from .triggers import append_only, destruction_triggers, removed_by_destruction_alone, written_by_triggers_alone


class Origin(models.Model):
    """By whom something was done, as the database knows it. `context` is what the request says of itself, as JSON."""

    transaction_id = models.BigIntegerField()
    database_user = models.TextField()
    database_role = models.TextField(null=True)
    application_name = models.TextField(null=True)
    client_address = models.GenericIPAddressField(null=True)
    context = models.TextField(null=True)

    class Meta:
        abstract = True


class HistoryEntry(Origin):
    """One change of a row. The database writes it (see `functions`), and nobody changes it.

    `kept` are the columns that changed, as they were before, or all of them (`is_whole`): where the row is deleted, and
    where it has no earlier entry. Nothing is kept of a new row. `row_id` is NULL in a damaged table whose key isn't a
    number. `row_hash` is the SHA-256 of the row as the change left it, as text of jsonb; NULL for one that is gone.
    """

    class Action(models.TextChoices):
        INSERT = "insert"
        UPDATE = "update"
        DELETE = "delete"

    id = models.BigAutoField(primary_key=True)
    table_name = models.TextField()
    row_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=10, choices=Action)
    kept = models.JSONField(null=True)
    is_whole = models.BooleanField()
    row_hash = models.BinaryField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "audit_history"
        indexes = [
            LongNameIndex(fields=["table_name", "row_id", "id"], name="idx_audit_history_row"),
            # Of rows that stand for a file, which is named by the hash of its content: whether any entry still names it.
            LongNameIndex(
                KT("kept__content_hash"),
                name="idx_audit_history_content",
                condition=models.Q(kept__has_key="content_hash"),
            ),
        ]
        constraints = [
            append_only("audit_history", events=("UPDATE", "TRUNCATE")),
            removed_by_destruction_alone("audit_history"),
            written_by_triggers_alone("audit_history"),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.table_name} {self.row_id}"


class HistorySeal(models.Model):
    """What the entries up to `last_entry` were: since the seal before, `entry_count` of them, with `entries_hash`.

    `seal_hash` is the SHA-256 of these and of the seal before, so that the newest one stands for all that is sealed. Until
    all transactions before `horizon_transaction` have ended, an entry up to `horizon_entry` may still be committed.
    `largest_ids` has the largest id of each recorded table, when it was sealed.
    """

    id = models.BigAutoField(primary_key=True)
    sealed_at = models.DateTimeField()
    last_entry = models.BigIntegerField()
    entry_count = models.BigIntegerField()
    entries_hash = models.BinaryField()
    previous_hash = models.BinaryField()
    seal_hash = models.BinaryField()
    horizon_entry = models.BigIntegerField()
    horizon_transaction = models.BigIntegerField()
    largest_ids = models.JSONField()

    class Meta:
        db_table = "audit_history_seals"
        constraints = [append_only("audit_history_seals")]

    def __str__(self) -> str:
        return f"seal {self.pk}"


class Destruction(Origin):
    """A row that was removed for good, with its history. Inserting one, with `table_name` and `row_id`, does that.

    The database fills in the rest (see `functions`): `content_hash` is the SHA-256 of the row, as text of jsonb, and
    `entries_hash` that of the SHA-256s of the `entry_count` entries of its history; nothing else of its content is kept.
    `retained_until` is what had passed by then; NULL for what isn't retained.
    """

    id = models.BigAutoField(primary_key=True)
    destroyed_at = models.DateTimeField()
    table_name = models.TextField()
    row_id = models.BigIntegerField()
    patient_id = models.BigIntegerField(null=True)
    clinic_id = models.BigIntegerField(null=True)
    retained_until = models.DateTimeField(null=True)
    content_hash = models.BinaryField()
    entry_count = models.BigIntegerField()
    entries_hash = models.BinaryField()

    class Meta:
        db_table = "audit_destructions"
        indexes = [LongNameIndex(fields=["clinic_id", "-id"], name="idx_audit_destructions_clinic")]
        constraints = destruction_triggers("audit_destructions")

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}"


class DestroyedEntry(models.Model):
    """What the seals need of an entry of the history that went with its row: its number, and the SHA-256 of its text."""

    id = models.BigIntegerField(primary_key=True)
    entry_hash = models.BinaryField()
    destruction_id = models.BigIntegerField()

    class Meta:
        db_table = "audit_destroyed_entries"
        constraints = [append_only("audit_destroyed_entries"), written_by_triggers_alone("audit_destroyed_entries")]

    def __str__(self) -> str:
        return f"entry {self.pk}"


class Access(models.Model):
    """A response that showed what patients have: one row, whatever it showed.

    Ids alone say what it was, without foreign keys: they stay when what they name goes. `patient_ids` has, for each of
    `record_ids` and then of `photo_ids`, whose it is; or the one patient whose all of them are, or who was shown alone.
    `clinic_id` is NULL where it showed several clinics, as the admin does to superusers.
    """

    class Action(models.TextChoices):
        LIST = "list"
        VIEW = "view"
        FILE = "file"
        THUMBNAIL = "thumbnail"
        HISTORY = "history"
        #: A change that was responded to with what it made.
        CHANGE = "change"
        PRINT = "print"
        EXPORT = "export"
        ACCESS_LOG = "access-log"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=models.Func(function="clock_timestamp", output_field=models.DateTimeField()))
    user_id = models.BigIntegerField(null=True)
    user_name = models.TextField(null=True)
    clinic_id = models.BigIntegerField(null=True)
    patient_ids = ArrayField(models.BigIntegerField())
    record_ids = ArrayField(models.BigIntegerField())
    photo_ids = ArrayField(models.BigIntegerField())
    action = models.CharField(max_length=20)
    via = models.CharField(max_length=20)
    request_id = models.TextField(null=True)

    class Meta:
        db_table = "audit_accesses"
        indexes = [GinIndex(fields=["patient_ids"], name="idx_audit_accesses_patients")]
        constraints = [append_only("audit_accesses")]

    def __str__(self) -> str:
        return f"access {self.pk}"
