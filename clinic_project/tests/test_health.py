"""Whether the process runs, and whether it can serve."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_livez_asks_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").json() == {"status": "alive"}


def test_readyz_counts_what_differs_from_the_declared_schema(client):
    assert client.get("/readyz").json() == {"status": "ready", "differences": 0}
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX idx_medical_records_created; ALTER TABLE patient_photos DROP COLUMN description")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["differences"] == 2
