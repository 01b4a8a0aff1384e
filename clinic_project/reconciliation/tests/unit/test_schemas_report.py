"""What is said of many schemas."""

from dataclasses import replace

from clinic_project.reconciliation.management.schema_outcome import SchemaOutcome, Status
from clinic_project.reconciliation.management.schemas_report import group_texts, groups, open_outcomes
from clinic_project.reconciliation.planning.plan import Refusal, RefusalCode


def refused(schema: str, rows: int, code: RefusalCode = RefusalCode.ORPHAN_ROWS) -> SchemaOutcome:
    refusal = Refusal(code, "visit", "visit_fk", f"{rows} rows point to missing rows.", "Correct them.")
    return SchemaOutcome(schema, Status.REFUSED, refusals=(refusal,), error=f"visit_fk\n  {rows} rows")


def texts(*outcomes: SchemaOutcome) -> list[str]:
    return list(group_texts(outcomes))


def test_what_needs_nobody_is_counted():
    outcomes = [SchemaOutcome(f"s{number:03}", Status.VERIFIED) for number in range(100)]
    assert texts(*outcomes) == ["100 schemas as declared"]


def test_the_same_refusal_of_other_rows_is_told_once():
    assert texts(refused("b", 3), refused("a", 7)) == [
        "2 schemas not as declared (a, b)\n  In a:\n  visit_fk\n    7 rows",
    ]


def test_another_refusal_is_told_by_itself():
    assert len(texts(refused("a", 3), refused("b", 3, RefusalCode.DUPLICATES))) == 2


def test_what_was_told_of_other_schemas_is_only_named():
    rows, duplicates = refused("a", 3), refused("b", 3, RefusalCode.DUPLICATES)
    both = replace(rows, schema="c", refusals=(*rows.refusals, *duplicates.refusals))
    told_before = "As told above: visit.visit_fk [orphan-rows]"
    assert texts(rows, replace(rows, schema="d"), both)[1].splitlines()[2:] == [
        "    visit.visit_fk [duplicates]",
        "      3 rows point to missing rows.",
        "      To do: Correct them.",
        f"  {told_before}.",
    ]
    assert texts(rows, duplicates, both)[2].endswith(f"\n  {told_before}, visit.visit_fk [duplicates].")


def test_errors_that_differ_by_the_schema_s_name_are_equal():
    failed = [SchemaOutcome(name, Status.FAILED, error=f"{name} can't be read.") for name in ("north", "south")]
    assert texts(*failed) == ["2 schemas failed (north, south)\n  In north:\n  north can't be read."]


def test_connections_that_fail_for_different_reasons_are_told_together():
    reasons = {"a": "The server is shutting down.", "b": "The server is starting up."}
    failed = [SchemaOutcome(name, Status.UNREACHABLE, error=error) for name, error in reasons.items()]
    assert texts(*failed) == ["2 schemas without a connection (a, b)\n  In a:\n  The server is shutting down."]
    assert open_outcomes(failed) == failed


def test_it_says_where_the_statements_for_the_other_schemas_are():
    refusal = Refusal(RefusalCode.COLUMN_TYPE, "visit", "note", "Found integer.", "Run:", statements=("ALTER …",))
    outcomes = [SchemaOutcome(name, Status.REFUSED, refusals=(refusal,), error="visit.note") for name in ("a", "b")]
    assert texts(*outcomes) == [
        "2 schemas not as declared (a, b)\n  In a (the statements for the others: --json):\n  visit.note"
    ]


def test_names_and_steps_are_counted_from_the_eleventh_on():
    steps = tuple(f"step {number}" for number in range(12))
    (text,) = texts(*(SchemaOutcome(f"s{number:02}", Status.VERIFIED, repairs=steps) for number in range(15)))
    assert text.splitlines()[0].endswith("(s00, s01, s02, s03, s04, s05, s06, s07, s08, s09, and 5 more)")
    assert len(text.splitlines()) == 12
    assert text.endswith("    step 9\n    and 2 more")


def test_what_is_fine_comes_first_and_the_rest_is_open():
    outcomes = [
        SchemaOutcome("a", Status.NOT_BEGUN),
        refused("b", 1),
        SchemaOutcome("c", Status.GONE),
        SchemaOutcome("d", Status.VERIFIED),
    ]
    assert [group[0].schema for group in groups(outcomes)] == ["c", "d", "a", "b"]
    assert [outcome.schema for outcome in open_outcomes(outcomes)] == ["a", "b"]
