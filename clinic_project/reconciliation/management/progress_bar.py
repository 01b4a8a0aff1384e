"""The progress bar of a step, on a terminal. It requires rich, which is an extra of the package."""

from importlib.util import find_spec
from typing import Any, TextIO

from django.core.management.base import OutputWrapper


class ProgressBar:
    """Redraws itself in place below the line of its step, until it is stopped; then both are gone.

    It shows the time as well, since nothing else is known of a validation.
    """

    def __init__(self, stdout: OutputWrapper, text: str) -> None:
        # Here, since importing rich takes a tenth of what a migrate without repairs takes.
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.text import Text

        console = Console(file=stream(stdout))
        self._progress = Progress(
            TextColumn("   "), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console
        )
        self._task = self._progress.add_task("", total=None)
        group = Group(Text(text), self._progress)
        self._live = Live(group, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)

    def start(self) -> None:
        self._live.start()

    def update(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def write_above(self, text: str) -> None:
        from rich.text import Text

        self._live.console.print(Text.from_ansi(text), soft_wrap=True)

    def stop(self) -> None:
        """Remove the bar, and show the cursor again."""
        self._live.stop()


def can_be_drawn(stdout: OutputWrapper) -> bool:
    """Whether this is a terminal, and rich is installed. Progress is told in lines otherwise."""
    return stdout.isatty() and find_spec("rich") is not None


def stream(stdout: OutputWrapper) -> TextIO:
    """Return the stream below Django's wrapper, which adds a newline to whatever is written."""
    inner: Any = stdout
    while isinstance(inner, OutputWrapper):
        inner = inner._out
    return inner
