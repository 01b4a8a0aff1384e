"""Runs a command to its end, and tells how long it took and how much memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .databases import PROJECT_FOLDER

#: The command that every benchmark runs.
MIGRATE = (sys.executable, "manage.py", "migrate")

#: Seconds between two looks at a process's memory.
BETWEEN_LOOKS = 0.01


@dataclass(frozen=True, slots=True)
class Finished:
    """A process's times (of time.monotonic(), in seconds), and the highest its resident memory came to, in MB."""

    began: float
    ended: float
    peak: float
    output: str

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def run(command: Sequence[str], environment: Mapping[str, str], stdin: str = "") -> Finished:
    """Run a command in the project's folder. Exits, with what it wrote, where it fails."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, cwd=PROJECT_FOLDER, stdin=given, stdout=output, stderr=subprocess.STDOUT
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_of(process.pid))
            time.sleep(BETWEEN_LOOKS)
        ended = time.monotonic()
        output.seek(0)
        written = output.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{written}")
    return Finished(began, ended, peak, written)


def _peak_of(pid: int) -> float:
    """Return VmHWM in MB, 0 where there is no such process any more, or no /proc.

    Not getrusage(): its figure starts from that of the process which forked.
    https://www.kernel.org/doc/html/latest/filesystems/proc.html
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
