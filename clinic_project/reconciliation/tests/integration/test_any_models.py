"""What the models of any project may declare: states that were found in projects that nobody here wrote."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField
from django.db import connection, connections, models
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.test.utils import CaptureQueriesContext

from ...pipeline import find_serving_problems
from ...planning.plan import RefusalCode
from ..support.databases import Database, default_connection_to
from ..support.models import create, found, inspected, inspected_by, project, reconciled
from ..support.remedies import has_met, tries
from ..support.roles import role_of
from ..testapp.extensions import ExtensionField, available_extension

OPEN = Q(status__in=["new", "paid"])


def _with_conditions():
    """A condition that PostgreSQL prints otherwise once it is parsed again, wherever a model can have one."""
    status = models.CharField(max_length=9)
    is_open = Case(When(OPEN, then=Value(1)), default=Value(0))
    generated = models.GeneratedField(expression=is_open, output_field=models.IntegerField(), db_persist=True)
    fields = [
        ("status", status),
        ("is_open", generated),
        ("stay", DateRangeField(null=True)),
        ("kinds", ArrayField(models.CharField(max_length=5), db_default=["a", "b"])),
    ]
    options = {
        "constraints": [
            models.CheckConstraint(condition=OPEN | Q(status="sent"), name="known_status"),
            models.UniqueConstraint(fields=["stay"], condition=OPEN, name="one_open"),
            models.UniqueConstraint(Coalesce(is_open, "id"), name="one_expression"),
            ExclusionConstraint(name="no_overlap", expressions=[("stay", "&&")], condition=OPEN),
        ],
        "indexes": [
            models.Index(fields=["stay"], condition=~OPEN, name="closed"),
            models.Index(is_open, F("id").desc(), name="by_expression"),
            models.Index(fields=["status"], condition=OPEN, include=["id"], name="covering"),
        ],
    }
    return project(order=(fields, options))


#: Everything that a dump has of a table's definitions, as PostgreSQL prints it.
_DEFINITIONS = """
    SELECT format('ALTER TABLE shop_order DROP CONSTRAINT %1$I; ALTER TABLE shop_order ADD CONSTRAINT %1$I %2$s',
                  conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = 'shop_order'::regclass AND contype IN ('c', 'x')
    UNION ALL
    SELECT format('DROP INDEX %s; %s', indexrelid::regclass, pg_get_indexdef(indexrelid))
    FROM pg_index WHERE indrelid = 'shop_order'::regclass
     AND indexrelid NOT IN (SELECT conindid FROM pg_constraint WHERE contype IN ('p', 'x'))
    UNION ALL
    SELECT format('ALTER TABLE shop_order ALTER %I SET DEFAULT %s', attname, pg_get_expr(adbin, adrelid))
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = 'shop_order'::regclass AND attgenerated = ''
"""

_GENERATED = """
    SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = 'shop_order'::regclass AND attgenerated <> ''
"""


def _restore(database: Database) -> None:
    """Create everything again from how it is printed, as the restore of a dump does."""
    (expression,) = (text for (text,) in database.rows(_GENERATED))
    database.execute(
        *(sql for (sql,) in database.rows(_DEFINITIONS)),
        "ALTER TABLE shop_order DROP COLUMN is_open",
        f"ALTER TABLE shop_order ADD COLUMN is_open integer GENERATED ALWAYS AS ({expression}) STORED",
    )


class TestRestoredDefinitions:
    def test_what_django_made(self, empty_database: Database):
        create(empty_database, _with_conditions())
        assert found(empty_database, _with_conditions()) == []

    def test_what_was_restored_is_equal(self, empty_database: Database):
        create(empty_database, _with_conditions())
        before = empty_database.rows(_DEFINITIONS)
        for _ in range(2):
            _restore(empty_database)
            assert empty_database.rows(_DEFINITIONS) != before
            assert found(empty_database, _with_conditions()) == []

    def test_what_was_reconciled_is_equal(self, empty_database: Database):
        assert reconciled(empty_database, _with_conditions()).refusals == ()
        assert found(empty_database, _with_conditions()) == []
        empty_database.execute(
            "ALTER TABLE shop_order DROP CONSTRAINT known_status, DROP CONSTRAINT no_overlap",
            "DROP INDEX closed, one_open, by_expression",
        )
        assert reconciled(empty_database, _with_conditions()).refusals == ()
        assert found(empty_database, _with_conditions()) == []

    def test_another_condition_is_still_a_difference(self, empty_database: Database):
        create(empty_database, _with_conditions())
        _restore(empty_database)
        empty_database.execute(
            "DROP INDEX closed",
            "CREATE INDEX closed ON shop_order (stay) WHERE status NOT IN ('new', 'sent')",
            "ALTER TABLE shop_order DROP CONSTRAINT known_status",
            "ALTER TABLE shop_order ADD CONSTRAINT known_status CHECK (status IN ('new'))",
        )
        kinds = [(kind, name) for kind, name, _, _ in found(empty_database, _with_conditions())]
        assert kinds == [("index-definition", "closed"), ("constraint-definition", "known_status")]

    def test_few_queries_are_asked_for_it(self, empty_database: Database):
        apps = _with_conditions()
        assert reconciled(empty_database, apps).refusals == ()
        with default_connection_to(empty_database), CaptureQueriesContext(connection) as queries:
            assert inspected_by(connection, apps).in_sync
        assert len(queries) < 40


class TestOtherSchemas:
    @pytest.fixture
    def shelves(self, empty_database: Database) -> Database:
        empty_database.execute("CREATE SCHEMA other", "CREATE SCHEMA third")
        return empty_database

    def _apps(self, table: str = 'other"."tab'):
        to_tab: models.Field = models.ForeignKey("shop.Tab", models.CASCADE)
        code: models.Field = models.CharField(max_length=9, unique=True)
        return project(
            tab=([("code", code), ("size", models.IntegerField(db_index=True, db_default=1))], {"db_table": table}),
            page=([("tab", to_tab), ("tabs", models.ManyToManyField("shop.Tab"))], {"db_table": "tab"}),
            note=([("page", models.ForeignKey("shop.Page", models.CASCADE))], {"db_table": 'third"."note'}),
        )

    def _tables(self, database: Database) -> list[str]:
        return [
            name
            for (name,) in database.rows(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname !~ '^pg_'"
                " AND relnamespace <> 'information_schema'::regnamespace ORDER BY 1"
            )
        ]

    def test_what_django_made_is_as_declared(self, shelves: Database):
        create(shelves, self._apps())
        assert found(shelves, self._apps()) == []
        assert self._tables(shelves) == ["other.tab", "tab", "tab_tabs", "third.note"]

    def test_it_is_made_there(self, shelves: Database):
        assert reconciled(shelves, self._apps()).refusals == ()
        assert found(shelves, self._apps()) == []
        assert self._tables(shelves) == ["other.tab", "tab", "tab_tabs", "third.note"]
        shelves.execute(
            "INSERT INTO other.tab (code) VALUES ('a')",
            "INSERT INTO tab (tab_id) SELECT id FROM other.tab",
            "INSERT INTO third.note (page_id) SELECT id FROM tab",
        )

    def test_it_is_repaired_there(self, shelves: Database):
        create(shelves, self._apps())
        shelves.execute(
            "INSERT INTO other.tab (code) VALUES ('a')",
            "ALTER TABLE other.tab ALTER size DROP DEFAULT, ALTER size DROP NOT NULL, DROP CONSTRAINT tab_code_key",
            *(f"DROP INDEX other.{name}" for (name,) in shelves.rows(_INDEXES_ON_SIZE)),
            *(f"ALTER TABLE tab DROP CONSTRAINT {name}" for (name,) in shelves.rows(_KEYS_TO_TAB)),
            "INSERT INTO other.tab (code) VALUES ('b')",
        )
        assert reconciled(shelves, self._apps()).refusals == ()
        assert found(shelves, self._apps()) == []
        assert shelves.rows("SELECT code, size FROM other.tab ORDER BY 1") == [("a", 1), ("b", 1)]

    def test_a_schema_that_is_missing_is_named(self, shelves: Database):
        shelves.execute("DROP SCHEMA third")
        (refusal,) = reconciled(shelves, self._apps()).refusals
        assert 'schema "third" does not exist' in refusal.reason
        assert self._tables(shelves) == ["other.tab", "tab", "tab_tabs"]
        shelves.execute("CREATE SCHEMA third")
        assert reconciled(shelves, self._apps()).refusals == ()

    @pytest.mark.slow  # a second each
    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            ("ALTER TABLE other.tab ALTER size DROP DEFAULT", ["may-not-use other"]),
            ("ALTER TABLE other.tab DROP CONSTRAINT tab_code_key", ["may-not-use other", "may-not-create other"]),
            ("DROP TABLE third.note", ["may-not-use third", "may-not-create third"]),
            (
                "ALTER TABLE other.tab OWNER TO CURRENT_USER; DROP TABLE tab CASCADE",
                ["may-not-use other", "may-not-use third", "may-not-reference other.tab"],
            ),
        ],
    )
    def test_what_the_role_lacks_there_is_told(self, damage: str, told: list[str], shelves: Database):
        create(shelves, self._apps())
        with role_of(shelves) as role:
            user = role.role["user"]
            shelves.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {user}")
            shelves.execute(*(f"ALTER TABLE {table} OWNER TO {user}" for table in self._tables(shelves)))
            assert reconciled(role, self._apps()).refusals == (), "nothing has to be changed"
            shelves.execute(damage)
            differences = found(shelves, self._apps())
            refusals = reconciled(role, self._apps()).refusals
            assert [f"{refusal.code} {refusal.subject.label}" for refusal in refusals] == told
            assert found(shelves, self._apps()) == differences, "nothing was changed"
            shelves.execute(*(statement for refusal in refusals for statement in refusal.statements))
            assert reconciled(role, self._apps()).refusals == ()
            assert found(shelves, self._apps()) == []

    def test_orphans_of_a_table_there_are_told_by_its_name(self, shelves: Database):
        create(shelves, self._apps())
        ((key,),) = shelves.rows(_KEYS_TO_TAB)
        shelves.execute(f"ALTER TABLE tab DROP CONSTRAINT {key}", "INSERT INTO tab (tab_id) VALUES (7)")
        (refusal,) = reconciled(shelves, self._apps()).refusals
        assert "to rows of other.tab that don't exist" in refusal.reason

    def test_the_projects_own_schema_may_be_named(self, shelves: Database):
        assert reconciled(shelves, self._apps('public"."tab2')).refusals == ()
        assert found(shelves, self._apps("tab2")) == []

    def test_tables_and_indexes_of_one_name_in_two_schemas(self, shelves: Database):
        code: models.Field = models.CharField(max_length=9, unique=True)
        to_other: models.Field = models.ForeignKey("shop.Tab", models.CASCADE)
        apps = project(
            tab=([("code", code)], {"db_table": 'other"."page'}),
            page=([("code", code), ("tab", to_other)], {"db_table": "page"}),
            back=([("page", models.ForeignKey("shop.Page", models.CASCADE))], {"db_table": 'other"."back'}),
        )
        assert reconciled(shelves, apps).refusals == ()
        assert self._tables(shelves) == ["other.back", "other.page", "page"]
        shelves.execute("DROP TABLE other.page CASCADE")
        assert reconciled(shelves, apps).refusals == ()
        assert found(shelves, apps) == []

    def test_a_name_that_is_free_in_another_schema_is_taken_in_this_one(self, shelves: Database):
        """An index that is renamed in another schema frees no name here; nor does one here free a name there."""
        code: models.Field = models.CharField(max_length=9, null=True)
        by_code = {"indexes": [models.Index(fields=["code"], name="by_code")]}
        apps = project(page=([("code", code)], by_code), tab=([("code", code)], {**by_code, "db_table": 'other"."tab'}))
        create(shelves, apps)
        for damage in (
            "ALTER INDEX by_code RENAME TO away; CREATE SEQUENCE by_code",
            "ALTER INDEX other.by_code RENAME TO away; CREATE SEQUENCE other.by_code",
        ):
            shelves.execute(damage)
            (refusal,) = reconciled(shelves, apps).refusals
            assert refusal.code is RefusalCode.NAME_TAKEN
            assert refusal.statements[0] in refusal.remedy
            shelves.execute(*refusal.statements)
            assert reconciled(shelves, apps).refusals == ()
            assert found(shelves, apps) == []

    def test_an_index_that_is_renamed_in_another_schema_frees_no_name_here(self, shelves: Database):
        code: models.Field = models.CharField(max_length=9, null=True)
        page, tab = (
            ([("code", code)], {"indexes": [models.Index(fields=["code"], name=name)], "db_table": table})
            for name, table in (("by_code", "page"), ("by_size", 'other"."tab'))
        )
        apps = project(page=page, tab=tab)
        create(shelves, apps)
        shelves.execute("ALTER INDEX other.by_size RENAME TO by_code", "DROP INDEX by_code", "CREATE SEQUENCE by_code")
        plan = inspected(shelves, apps).plan
        assert [(refusal.code, refusal.table) for refusal in plan.refusals] == [(RefusalCode.NAME_TAKEN, "page")]
        assert [step.reason for step in plan.steps] == ["rename by_code to by_size"]
        shelves.execute(*plan.refusals[0].statements)
        assert reconciled(shelves, apps).refusals == ()
        assert found(shelves, apps) == []

    def test_indexes_of_two_tables_there_have_each_others_names(self, shelves: Database):
        code: models.Field = models.CharField(max_length=9, null=True)
        apps = project(
            **{
                name: (
                    [("code", code)],
                    {"indexes": [models.Index(fields=["code"], name=f"by_{name}")], "db_table": table},
                )
                for name, table in {"tab": 'other"."tab', "page": 'other"."page'}.items()
            }
        )
        create(shelves, apps)
        shelves.execute(
            "ALTER INDEX other.by_tab RENAME TO by_neither",
            "ALTER INDEX other.by_page RENAME TO by_tab",
            "ALTER INDEX other.by_neither RENAME TO by_page",
        )
        assert reconciled(shelves, apps).refusals == ()
        assert found(shelves, apps) == []

    def test_a_view_in_the_place_of_a_table_there(self, shelves: Database):
        shelves.execute("CREATE VIEW other.tab AS SELECT 1 AS id")
        (refusal,) = reconciled(shelves, self._apps()).refusals
        assert (refusal.code, refusal.subject.label) == (RefusalCode.NOT_A_TABLE, "other.tab")
        assert '"other"."tab"' in refusal.remedy
        shelves.execute('ALTER VIEW "other"."tab" RENAME TO report')
        assert reconciled(shelves, self._apps()).refusals == ()
        assert found(shelves, self._apps()) == []

    def test_a_quoted_name(self, shelves: Database):
        apps = project(tab=([], {"db_table": '"tab"'}))
        create(shelves, apps)
        assert found(shelves, apps) == []


_INDEXES_ON_SIZE = "SELECT indexname FROM pg_indexes WHERE schemaname = 'other' AND indexdef LIKE '%(size)'"
_KEYS_TO_TAB = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'tab'::regclass"


class _Default:
    """A default in Python that counts how often it is asked, and may fail."""

    def __init__(self, value: Callable[[], object]) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> object:
        self.calls += 1
        return self.value()


def _from_the_database() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(number) FROM shop_counter")
        return cursor.fetchone()[0]


class TestPythonDefaults:
    def _apps(self, default: _Default):
        counted: models.Field = models.IntegerField(default=default)
        return project(order=[("size", counted), ("note", models.TextField(default="none"))])

    def test_it_is_not_asked_where_nothing_needs_it(self, empty_database: Database):
        default = _Default(lambda: 1)
        assert reconciled(empty_database, self._apps(default)).refusals == ()
        empty_database.execute("ALTER TABLE shop_order DROP COLUMN note")
        assert reconciled(empty_database, self._apps(default)).refusals == ()
        assert default.calls == 0

    @pytest.mark.parametrize(
        "damage", ["DROP COLUMN size", "ALTER size DROP NOT NULL; UPDATE shop_order SET size = NULL"]
    )
    def test_it_fills_what_needs_it(self, damage: str, empty_database: Database):
        default = _Default(lambda: 7)
        create(empty_database, self._apps(default))
        empty_database.execute("INSERT INTO shop_order (size, note) VALUES (1, '')", f"ALTER TABLE shop_order {damage}")
        assert reconciled(empty_database, self._apps(default)).refusals == ()
        assert default.calls > 0
        assert empty_database.rows("SELECT size FROM shop_order") == [(7,)]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (_from_the_database, 'relation "shop_counter" does not exist'),
            (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        ],
    )
    @pytest.mark.parametrize(
        ("damage", "code"),
        [
            ("DROP COLUMN size", RefusalCode.COLUMN_WITHOUT_VALUE),
            ("ALTER size DROP NOT NULL; UPDATE shop_order SET size = NULL", RefusalCode.NULLS_WITHOUT_DEFAULT),
        ],
    )
    def test_a_failure_is_refused(self, value, message, damage, code, empty_database: Database):
        create(empty_database, self._apps(_Default(lambda: 1)))
        empty_database.execute("INSERT INTO shop_order (size, note) VALUES (1, '')", f"ALTER TABLE shop_order {damage}")
        (refusal,) = reconciled(empty_database, self._apps(_Default(value))).refusals
        assert (refusal.code, refusal.name) == (code, "size")
        assert message in refusal.reason

    def test_a_failure_is_nothing_where_there_are_no_rows(self, empty_database: Database):
        create(empty_database, self._apps(_Default(lambda: 1)))
        empty_database.execute("ALTER TABLE shop_order DROP COLUMN size")
        assert reconciled(empty_database, self._apps(_Default(_from_the_database))).refusals == ()
        assert found(empty_database, self._apps(_Default(_from_the_database))) == []


def _unusable(database: Database, apps) -> list[str]:
    """Return the tables whose queries fail."""
    with default_connection_to(database):
        problems = find_serving_problems(connection, inspected_by(connection, apps))
    return sorted(problem.subject.table for problem in problems)


class _Shape(models.Field):
    """A field of a type that the database may lack."""

    def db_type(self, connection):
        return "shape"


class TestRejectedTables:
    def test_an_extension_off_the_search_path_is_named(self, empty_database: Database):
        """As where another schema of the same project had it created first; all find it in pg_catalog."""
        with default_connection_to(empty_database):
            extension = available_extension(connection)
        empty_database.execute(
            "CREATE SCHEMA first",
            f"CREATE EXTENSION {extension} SCHEMA first",
            f"ALTER DATABASE {empty_database.name} SET search_path = public",
        )
        apps = project(order=[("size", ExtensionField())])
        (refusal,) = reconciled(empty_database, apps).refusals
        assert refusal.code == RefusalCode.TABLE_REJECTED
        assert f"the extension {extension} is in the schema first, which isn't on the search path" in refusal.reason
        empty_database.execute(f"ALTER EXTENSION {extension} SET SCHEMA pg_catalog")
        assert reconciled(empty_database, apps).refusals == ()

    def _apps(self):
        from_sequence = RawSQL("nextval('shop_numbers')", [], models.BigIntegerField())
        return project(
            order=[("number", models.BigIntegerField(db_default=from_sequence))],
            item=[("order", models.ForeignKey("shop.Order", models.CASCADE))],
            hat=([("shape", _Shape(null=True))], {"indexes": [models.Index(fields=["shape"], name="by_shape")]}),
            box=[("size", models.IntegerField()), ("hat", models.ForeignKey("shop.Hat", models.SET_NULL, null=True))],
            lid=[("size", models.IntegerField(db_index=True))],
        )

    def test_the_others_are_made(self, empty_database: Database):
        result = reconciled(empty_database, self._apps())
        refused = {refusal.table: refusal for refusal in result.refusals}
        assert sorted(refused) == ["shop_hat", "shop_order"]
        assert {refusal.code for refusal in refused.values()} == {RefusalCode.TABLE_REJECTED}
        assert 'relation "shop_numbers" does not exist' in refused["shop_order"].reason
        assert 'type "shape" does not exist' in refused["shop_hat"].reason
        assert [reference.table for reference in refused["shop_hat"].blocked] == ["shop_box"]
        assert _unusable(empty_database, self._apps()) == ["shop_box", "shop_hat", "shop_item", "shop_order"]
        assert empty_database.value("SELECT to_regclass('shop_lid') IS NOT NULL")

    @tries("a table that PostgreSQL refuses to create")
    def test_after_the_remedy_all_are(self, empty_database: Database):
        refused = reconciled(empty_database, self._apps()).refusals
        told = [{"code": each.code, "remedy": each.remedy, "statements": each.statements} for each in refused]
        has_met("a table that PostgreSQL refuses to create", told)
        empty_database.execute("CREATE SEQUENCE shop_numbers", "CREATE TYPE shape AS ENUM ('round')")
        assert reconciled(empty_database, self._apps()).refusals == ()
        assert found(empty_database, self._apps()) == []

    def test_what_exists_is_kept_and_the_others_are_repaired(self, empty_database: Database):
        empty_database.execute("CREATE SEQUENCE shop_numbers", "CREATE TYPE shape AS ENUM ('round')")
        create(empty_database, self._apps())
        empty_database.execute(
            "INSERT INTO shop_hat (shape) VALUES ('round')",
            "DROP SEQUENCE shop_numbers CASCADE",
            "ALTER TABLE shop_box DROP COLUMN hat_id, DROP COLUMN size",
        )
        (refusal,) = reconciled(empty_database, self._apps()).refusals
        assert (refusal.code, refusal.table) == (RefusalCode.TABLE_REJECTED, "shop_order")
        assert empty_database.rows("SELECT shape FROM shop_hat") == [("round",)]
        assert _unusable(empty_database, self._apps()) == []
        left = found(empty_database, self._apps())
        assert [(kind, name) for kind, name, _, _ in left] == [("table-rejected", "shop_order")]


def test_the_number_of_queries_is_that_of_few_tables(empty_database: Database):
    """Up to MODELS_PER_BATCH. A default in Python and a collation of a text key are asked of nothing."""

    def apps(count: int):
        code: models.Field = models.CharField(max_length=9, unique=True, db_collation="C")
        size: models.Field = models.IntegerField(default=_from_the_database)
        return project(**{f"table_{number}": [("code", code), ("size", size)] for number in range(count)})

    create(empty_database, apps(60))
    with default_connection_to(empty_database):
        counts = []
        for count in (2, 60):
            with CaptureQueriesContext(connection) as queries:
                assert inspected_by(connection, apps(count)).in_sync
            counts.append(len(queries))
    assert counts[0] == counts[1] < 30


class TestComments:
    def _apps(self, of_note: str = "It's {free} text"):
        note: models.Field = models.TextField(db_comment=of_note, null=True)
        plain: models.Field = models.TextField(null=True)
        return project(order=([("note", note), ("plain", plain)], {"db_table_comment": "What was ordered"}))

    def test_they_are_made_with_a_table(self, empty_database: Database):
        apps = self._apps("It's 100 % {free}, \\ text")
        assert reconciled(empty_database, apps).refusals == ()
        assert empty_database.rows(_COMMENTS) == [("What was ordered",), ("It's 100 % {free}, \\ text",)]
        assert found(empty_database, apps) == []

    def test_they_are_put_right(self, empty_database: Database):
        create(empty_database, self._apps())
        assert found(empty_database, self._apps()) == []
        empty_database.execute(
            "COMMENT ON TABLE shop_order IS 'old'",
            "ALTER TABLE shop_order DROP COLUMN note",
            "COMMENT ON COLUMN shop_order.plain IS 'by hand'",
        )
        assert reconciled(empty_database, self._apps()).refusals == ()
        assert empty_database.rows(_COMMENTS) == [("What was ordered",), ("by hand",), ("It's {free} text",)]


_COMMENTS = "SELECT description FROM pg_description WHERE objoid = 'shop_order'::regclass ORDER BY objsubid"


class TestTablespaces:
    @pytest.fixture
    def tablespace(self, empty_database: Database) -> Iterator[str]:
        """A tablespace inside the server's own folder, which needs no folder of another owner."""
        name = f"{empty_database.name}_disk"
        with empty_database.cursor() as cursor:
            cursor.execute("SET allow_in_place_tablespaces = on")
            cursor.execute(f"CREATE TABLESPACE {name} LOCATION ''")
        yield name
        empty_database.execute("DROP SCHEMA public CASCADE", f"DROP TABLESPACE {name}")

    def _apps(self, tablespace: str):
        code: models.Field = models.CharField(max_length=9, unique=True)
        options = {
            "db_tablespace": tablespace,
            "indexes": [
                models.Index(fields=["code"], condition=Q(id__gt=1), db_tablespace=tablespace, name="by_code"),
            ],
        }
        return project(order=([("code", code)], options))

    def test_a_table_is_created_there(self, tablespace: str, empty_database: Database):
        apps = self._apps(tablespace)
        create(empty_database, apps)
        wanted = empty_database.rows(_TABLESPACES)
        assert len(wanted) == 5
        assert found(empty_database, apps) == []
        empty_database.execute("DROP TABLE shop_order")
        assert reconciled(empty_database, apps).refusals == ()
        assert empty_database.rows(_TABLESPACES) == wanted

    def test_what_is_elsewhere_is_noted(self, tablespace: str, empty_database: Database):
        apps = self._apps(tablespace)
        create(empty_database, apps)
        empty_database.execute(
            "ALTER TABLE shop_order SET TABLESPACE pg_default", "ALTER INDEX by_code SET TABLESPACE pg_default"
        )
        assert found(empty_database, apps) == []
        notes = [note for note in inspected(empty_database, apps).plan.notes if note.code == "another-tablespace"]
        assert [note.name for note in notes] == ["shop_order", "by_code"]
        for note in notes:
            empty_database.execute(note.text.split("use: ")[1])
        assert inspected(empty_database, apps).plan.notes == ()


_TABLESPACES = """
    SELECT relname, spcname FROM pg_class JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
    WHERE spcname ~ '_disk$' ORDER BY 1
"""


class _AlwaysField(models.BigAutoField):
    """A key that only the database gives."""

    def get_internal_type(self):
        return "BigIntegerField"

    def db_type_suffix(self, connection):
        return "GENERATED ALWAYS AS IDENTITY"


class TestAlwaysGeneratedKeys:
    def test_it_is_compared_as_it_is_declared(self, empty_database: Database):
        always = project(order=[("key", _AlwaysField(primary_key=True)), ("size", models.IntegerField())])
        create(empty_database, always)
        assert found(empty_database, always) == []
        empty_database.execute("ALTER TABLE shop_order ALTER key SET GENERATED BY DEFAULT")
        assert [kind for kind, *_ in found(empty_database, always)] == ["key-not-always-generated"]
        assert reconciled(empty_database, always).refusals == ()
        empty_database.execute("ALTER TABLE shop_order ALTER key DROP IDENTITY")
        assert reconciled(empty_database, always).refusals == ()
        assert found(empty_database, always) == []
        assert (
            empty_database.value(
                "SELECT attidentity FROM pg_attribute WHERE attrelid = 'shop_order'::regclass AND attname = 'key'"
            )
            == "a"
        )


class _EditorOfAnother(DatabaseSchemaEditor):
    """The schema editor of a backend that wraps Django's, and does something else."""

    def table_sql(self, model):
        raise AssertionError("it was asked")

    quote_name = table_sql


class TestBackends:
    APPS = staticmethod(lambda: project(order=[("code", models.CharField(max_length=9, db_index=True))]))

    def test_djangos_own_editor_says_what_is_declared(self, empty_database: Database, monkeypatch):
        create(empty_database, self.APPS())
        with default_connection_to(empty_database):
            monkeypatch.setattr(connections["default"], "SchemaEditorClass", _EditorOfAnother)
            assert inspected_by(connections["default"], self.APPS()).in_sync

    def test_the_connection_is_as_before(self, empty_database: Database):
        """Here it is django.db.connection, which passes on what is set on it."""
        with default_connection_to(empty_database):
            inspected_by(connection, self.APPS())
            assert connections["default"].data_types_suffix["BigAutoField"] == "GENERATED BY DEFAULT AS IDENTITY"
