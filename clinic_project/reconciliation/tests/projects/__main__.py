"""Runs the proof on the project PROJECT, and prints its numbers as JSON.

The arguments are the folder of the server's own pg_dump and psql, and the number of damages.
"""

import json
import sys
from pathlib import Path

import django


def main() -> None:
    django.setup()
    from .proof import prove  # it imports models

    sys.stdout.write(json.dumps(prove(Path(sys.argv[1]), int(sys.argv[2]))))


main()
