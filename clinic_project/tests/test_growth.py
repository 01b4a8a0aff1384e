"""Each page of the API and of the admin reads about as many rows as it shows, whatever else there is."""

import pytest
from django.db import connection

from clinic_project.api import counting
from clinic_project.benchmarks.databases import BenchmarkDatabase
from clinic_project.benchmarks.growth import RECORDS_A_PATIENT, fill_statements, require_room
from clinic_project.benchmarks.growth_pages import Measured, measured_pages

RECORDS = 100_000
#: A fifth of the rows are of the huge clinic.
PATIENTS_OF_HUGE = RECORDS // RECORDS_A_PATIENT // 5

#: The most rows that a page of each kind reads. Of so few, some are sorted which an index would have in order.
MOST = {
    "": 2_500,
    "pages": 2 * counting.EXACT_COUNT_LIMIT + 2_500,
    "counted": 2 * counting.EXACT_COUNT_LIMIT + 2_500,
    "patients": PATIENTS_OF_HUGE + counting.EXACT_COUNT_LIMIT + 500,
}
#: Lists of the huge clinic that read past few of its newest records, which are in the trash, and in error those before.
EXACT = {
    *("records", "records of a template", "records in the trash", "records in the trash or not"),
    *("records that aren't signed", "records that are overdue", "records entered in error"),
}
#: The count itself, and where a list has them its first and last date and the dates between.
MOST_COUNTED = 3 * (counting.EXACT_COUNT_LIMIT + 200)


@pytest.mark.slow
@pytest.mark.django_db
def test_pages_read_about_as_many_rows_as_they_show():
    with connection.cursor() as cursor:
        for statement in [*fill_statements(RECORDS), "ANALYZE"]:
            cursor.execute(statement)
        # As for larger tables, vacuumed, whose indexes tell which rows are visible.
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL random_page_cost = 1"
        )
    pages = [(seen, measured) for seen, measured in measured_pages(runs=1)]
    assert {seen for seen, _ in pages} == {"none", "small", "huge", "all"}
    dear = [f"{measured.page.name} of {seen}: {measured.cost}" for seen, measured in pages if is_dear(measured)]
    assert not dear, "\n".join(dear)
    read = {one.page.name: one.cost.rows - one.cost.counted for seen, one in pages if seen == "huge"}
    assert {name: rows for name, rows in read.items() if name in EXACT and rows > 60} == {}


def is_dear(measured: Measured) -> bool:
    cost = measured.cost
    return cost.rows - cost.counted > MOST[measured.page.reads] or cost.counted > MOST_COUNTED


def test_the_benchmark_refuses_where_there_is_too_little_room(empty_database):
    with pytest.raises(SystemExit, match=r"^10,000,000,000,000 records need 6000002 GB of .*, where \d+ GB are free\."):
        require_room(BenchmarkDatabase(empty_database.url), 10**13)
