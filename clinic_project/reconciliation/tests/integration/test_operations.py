"""ReconcileSchema as a migration operation: what it wraps, how it is described, where it refuses to run."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import NotSupportedError, connection, migrations, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from clinic_project.reconciliation.operations import ReconcileSchema

CREATE = migrations.CreateModel("Owl", [("id", models.AutoField(primary_key=True))])
ADDED = [migrations.AddField("owl", f"f{n}", models.TextField()) for n in range(4)]


def test_it_changes_the_state_as_its_operations_do():
    state = ProjectState()
    ReconcileSchema([CREATE]).state_forwards("forest", state)
    assert ("forest", "owl") in state.models


def rendering(rendered: list[ModelState]) -> Callable[[ModelState, Any], Any]:
    render = ModelState.render

    def keep_and_render(state: ModelState, apps: Any) -> Any:
        rendered.append(state)
        return render(state, apps)

    return keep_and_render


def test_models_are_rendered_once_for_all_its_operations(monkeypatch: pytest.MonkeyPatch):
    state, rendered = ProjectState(), list[ModelState]()
    CREATE.state_forwards("forest", state)
    assert state.apps.get_model("forest", "Owl")
    monkeypatch.setattr(ModelState, "render", rendering(rendered))
    ReconcileSchema(ADDED).state_forwards("forest", state)
    assert state.apps.get_model("forest", "Owl")._meta.get_field("f3")
    assert len(rendered) == 1


def test_it_describes_its_operations():
    several = [CREATE, *ADDED]
    assert ReconcileSchema([CREATE]).describe() == "Reconcile the schema with: Create model Owl"
    assert ReconcileSchema(several).describe().endswith("Add field f1 to owl and 2 more")


def test_it_can_be_written_into_a_migration():
    written, imports = MigrationWriter.serialize([ReconcileSchema([CREATE]).deconstruct()])
    assert "ReconcileSchema" in written
    assert "CreateModel" in written
    assert imports


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("owl", "name"),
        migrations.RenameField("owl", "name", "title"),
        migrations.RenameModel("Owl", "Bird"),
        migrations.DeleteModel("Owl"),
        migrations.RemoveIndex("owl", "by_name"),
        migrations.RunPython(migrations.RunPython.noop),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_it_wraps_no_operation_that_removes_renames_or_runs_code(operation):
    with pytest.raises(ImproperlyConfigured, match=f"found {type(operation).__name__}") as refusal:
        ReconcileSchema([CREATE, operation])
    assert "operations of their own" in str(refusal.value)


@pytest.mark.django_db
def test_it_refuses_to_run_inside_a_transaction():
    with (
        pytest.raises(NotSupportedError, match=r"atomic = False"),
        connection.schema_editor(atomic=True) as editor,
    ):
        ReconcileSchema([CREATE]).database_forwards("forest", editor, ProjectState(), ProjectState())
