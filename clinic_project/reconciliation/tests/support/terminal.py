"""A terminal of a certain width, in which `manage.py` runs as a process of its own."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field

from .databases import PROJECT_FOLDER, Database
from .waiting import SECONDS, wait_until

_ROWS = 50
CTRL_C = b"\x03"

_SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n])")


@dataclass
class Terminal:
    """What was written to it (`received`), and what a person sees of that (`screen`)."""

    process: "subprocess.Popen[bytes]"
    main: int
    columns: int
    received: str = field(default="")

    def wait_for(self, text: str) -> None:
        """Read until the screen shows `text`, in whatever lines."""
        wait_until(lambda: text in "".join(self.screen) or not self.read(1))
        assert text in "".join(self.screen), self.received

    def press(self, keys: bytes) -> None:
        os.write(self.main, keys)

    def wait(self) -> int:
        """Read to the end, and return the exit status."""
        wait_until(lambda: not self.read(1))
        return self.process.wait(timeout=SECONDS)

    @property
    def screen(self) -> list[str]:
        """The lines that a person sees, each as wide as the terminal at most. Cursor movements of a bar are followed."""
        lines: list[list[str]] = [[]]
        row = column = 0
        for found in _SEQUENCE.finditer(self.received):
            number, command, control, character = found.groups()
            if command == "A":
                row = max(0, row - int(number or 1))
            elif command == "K":
                lines[row] = []
            elif control == "\r":
                column = 0
            elif control == "\n":
                row += 1
            elif character:
                if column == self.columns:
                    row, column = row + 1, 0
                lines += [[] for _ in range(len(lines), row + 1)]
                lines[row][column:] = [*lines[row][column:column], *" " * (column - len(lines[row])), character]
                column += 1
            lines += [[] for _ in range(len(lines), row + 1)]
        return ["".join(line).rstrip() for line in lines]

    def shows_cursor(self) -> bool:
        return self.received.rfind("\x1b[?25l") <= self.received.rfind("\x1b[?25h")

    def read(self, seconds: float) -> bool:
        """Read what comes within some time. Returns whether more may come."""
        if select.select([self.main], [], [], seconds)[0]:
            try:
                read = os.read(self.main, 65536)
            except OSError:  # Linux reports the end so
                return False
            self.received += read.decode(errors="replace")
            return bool(read)
        return True


@contextlib.contextmanager
def terminal(database: Database, columns: int, *arguments: str) -> Iterator[Terminal]:
    """Start `manage.py` in a new terminal of so many columns."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        # So that Ctrl-C sends it a signal, which a process of tests in the background would inherit as ignored.
        ["setsid", "--ctty", "env", "--default-signal=INT,HUP", sys.executable, "manage.py", *arguments],
        cwd=PROJECT_FOLDER,
        env={
            **environment,
            "TERM": "xterm-256color",
            "DATABASE_URL": database.url,
            "SECRET_KEY": "only for tests " * 4,
        },
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    try:
        yield Terminal(process, main, columns)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(main)
