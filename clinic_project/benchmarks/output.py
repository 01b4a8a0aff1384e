"""What a benchmark prints."""

import sys


def write_line(line: str) -> None:
    """Print `line` at once, also into a pipe: a benchmark takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
