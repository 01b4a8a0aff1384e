"""Which apps may be reconciled at once, whatever migrations of theirs are pending."""

from django.db import migrations, models
from django.db.migrations import Migration

from clinic_project.reconciliation.migration_history import apps_that_only_reconcile
from clinic_project.reconciliation.operations import ReconcileSchema

CREATE = migrations.CreateModel("Owl", [("id", models.AutoField(primary_key=True))])


def migration(label: str, *operations: migrations.operations.base.Operation) -> Migration:
    migration_class: type[Migration] = type("Migration", (Migration,), {"operations": list(operations)})
    return migration_class("0001_initial", label)


def test_an_app_counts_if_all_its_pending_migrations_only_reconcile():
    pending = [
        migration("forest", ReconcileSchema([CREATE])),
        migration("meadow", ReconcileSchema([CREATE]), migrations.RunPython(migrations.RunPython.noop)),
        migration("desert", migrations.RunSQL("SELECT 1")),
    ]
    assert apps_that_only_reconcile({"forest", "meadow"}, pending) == {"forest"}


def test_an_app_without_pending_migrations_counts():
    assert apps_that_only_reconcile({"forest"}, []) == {"forest"}
