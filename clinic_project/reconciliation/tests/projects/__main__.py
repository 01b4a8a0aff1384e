"""Checks the project PROJECT, and prints its numbers as JSON.

The arguments are the folder of the server's own pg_dump and psql, and the number of damages.
"""

import json
import sys
from pathlib import Path

import django


def main() -> None:
    django.setup()
    from .round_trip import check_project  # it imports models

    sys.stdout.write(json.dumps(check_project(Path(sys.argv[1]), int(sys.argv[2]))))


main()
