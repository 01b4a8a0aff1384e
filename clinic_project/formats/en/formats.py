"""One way to write a date, on every page and on paper: the day first, the month by name, 24 hours."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
#: Not one of Django's: to the second, as the history has it.
EXACT_DATETIME_FORMAT = "j M Y, H:i:s"
TIME_FORMAT = "H:i"
MONTH_DAY_FORMAT = "j F"
