"""What the commands write, from refusals, differences and steps written by hand, without a database."""

import io
import sys
from dataclasses import replace

import pytest
from django.core.management.base import BaseCommand

from clinic_project.reconciliation.comparison import compare
from clinic_project.reconciliation.execution.sessions import Session
from clinic_project.reconciliation.management import console
from clinic_project.reconciliation.management.console import ConsoleReporter, differences_text, refusals_text
from clinic_project.reconciliation.pipeline import Inspection
from clinic_project.reconciliation.planning.plan import Lock, Plan, Refusal, RefusalCode, Step
from clinic_project.reconciliation.schema.model import Column, ObjectReference, Schema, Server, Table

BUILD = Step(("CREATE INDEX …",), "cow", Lock.SHARE_UPDATE_EXCLUSIVE, "build cow_by_name")
TYPE = Refusal(RefusalCode.COLUMN_TYPE, "cow", "name", "expected text, found integer.", "Convert it.")
VIEW = Refusal(RefusalCode.NOT_A_TABLE, "barn", "barn", "expected a table, found a view.", "Rename it.")
SESSION = Session(14353, "idle in transaction", 12.4, "psql", "LOCK TABLE cow")


class TestRefusals:
    def test_one_says_what_is_wrong_and_what_to_do(self):
        assert refusals_text([TYPE]).splitlines() == [
            "The schema is not as declared: one thing needs a person's decision. What was safe has been done.",
            "  cow.name [column-type]",
            "    expected text, found integer.",
            "    To do: Convert it.",
        ]

    def test_a_table_is_named_once(self):
        assert "  barn [not-a-table]" in refusals_text([VIEW]).splitlines()

    def test_several_are_counted_and_one_that_was_refused_twice_is_one(self):
        assert "2 things need a person's decision" in refusals_text([TYPE, VIEW, TYPE])

    def test_what_two_inspections_found_blocked_is_listed_together(self):
        blocked = [ObjectReference("cow", "by_name"), ObjectReference("calf", "mother")]
        refusals = [replace(TYPE, blocked=(reference,)) for reference in blocked]
        assert refusals_text(refusals).splitlines()[-1].endswith("cow.by_name, calf.mother.")

    def test_one_that_stops_the_whole_plan_says_that_nothing_was_done(self):
        assert "before repairs can begin." in refusals_text([replace(TYPE, fatal=True), VIEW])


def test_a_difference_is_three_lines_the_object_what_is_declared_and_what_is_actual():
    declared = Schema("public", {"cow": Table("public", "cow", {"name": Column("name", "text", not_null=True)})})
    actual = Schema("public", {"cow": Table("public", "cow", {"name": Column("name", "text", not_null=False)})})
    server = Server("farm", "18.0", 180000, "farmer", "public", "public", False, False, True, True)
    inspection = Inspection(server, declared, compare(declared, actual), Plan())
    assert differences_text(inspection).splitlines() == [
        "  cow.name",
        "    declared  NOT NULL",
        "    actual    nullable",
    ]


class TestReporter:
    @pytest.fixture
    def output(self) -> io.StringIO:
        return io.StringIO()

    @pytest.fixture
    def reporter(self, output: io.StringIO) -> ConsoleReporter:
        return ConsoleReporter(BaseCommand(stdout=output, no_color=True), verbosity=1)

    def test_a_step_is_a_line_with_its_time(self, reporter: ConsoleReporter, output: io.StringIO):
        reporter.finished(BUILD, 0.0123, None)
        reporter.finished(BUILD, 61.5, 1707)
        assert output.getvalue().splitlines() == [
            "    cow: build cow_by_name (12 ms)",
            "    cow: build cow_by_name (61.5 s, 1,707 rows)",
        ]

    def test_a_backfill_of_no_rows_is_silent(self, reporter: ConsoleReporter, output: io.StringIO):
        reporter.finished(BUILD, 0.0123, 0)
        assert output.getvalue() == ""

    def test_a_heading_is_written_only_above_steps(self, reporter: ConsoleReporter, output: io.StringIO):
        with reporter.under("Repairing nothing:"):
            pass
        with reporter.under("Repairing cows:"):
            reporter.finished(BUILD, 0.0123, None)
        assert output.getvalue().splitlines() == ["Repairing cows:", "    cow: build cow_by_name (12 ms)"]

    def test_steps_are_written_below_the_line_of_their_migration(self, reporter: ConsoleReporter, output: io.StringIO):
        output.write("  Applying cows.0001_initial...")
        reporter.open_line()
        reporter.finished(BUILD, 0.0123, None)
        assert output.getvalue().splitlines() == [
            "  Applying cows.0001_initial...",
            "    cow: build cow_by_name (12 ms)",
        ]
        assert reporter.close_line()

    def test_the_session_for_which_a_step_waits_is_named_once_in_a_while(
        self, reporter: ConsoleReporter, output: io.StringIO
    ):
        for _ in range(3):
            reporter.waiting(BUILD, [SESSION])
        assert output.getvalue().splitlines() == [
            "    cow: build cow_by_name: waiting for pid 14353 (psql), idle in transaction for 12 s: LOCK TABLE cow",
        ]

    def test_a_repair_that_is_refused_again_is_written_once(self, reporter: ConsoleReporter, output: io.StringIO):
        reporter.abandoned(TYPE)
        reporter.abandoned(TYPE)
        assert output.getvalue() == "    cow.name: refused, see below\n"

    def test_on_a_terminal_without_rich_progress_is_told_in_lines(
        self, reporter: ConsoleReporter, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ):
        output.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setattr(console, "REPORT_INTERVAL", 0)
        scan = replace(BUILD, scans=True)
        reporter.started(scan)
        reporter.progressed(scan, 1, 4)
        reporter.finished(scan, 0.0123, None)
        assert output.getvalue().splitlines() == [
            "    cow: build cow_by_name: 25%",
            "    cow: build cow_by_name (12 ms)",
        ]

    def test_verbosity_0_is_silent(self, output: io.StringIO):
        reporter = ConsoleReporter(BaseCommand(stdout=output), verbosity=0)
        reporter.finished(BUILD, 0.0123, None)
        reporter.waiting(BUILD, [SESSION])
        reporter.abandoned(TYPE)
        assert output.getvalue() == ""
