"""What is told of PostgreSQL's errors."""

import pytest
from django.db import Error, connection

from ...sqlstates import message


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("53200", 'out of it (You might need to increase "max_locks")'),
        ("42601", "out of it"),
    ],
)
def test_where_it_is_out_of_resources_the_hint_names_the_setting(code, told):
    raised = f"""
        RAISE EXCEPTION 'out of it' USING ERRCODE = '{code}', HINT = 'You might need to increase "max_locks".'
    """
    with pytest.raises(Error) as error, connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN {raised}; END $$")
    assert message(error.value) == told
