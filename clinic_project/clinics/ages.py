"""How old somebody is, as a clinic says it: by the calendar, whatever the time of day and the length of the months."""

from datetime import date

from django.utils.translation import ngettext, pgettext

#: Completed years from which an age is told in years.
_IN_YEARS = 2


def completed_months(birthday: date, day: date) -> int:
    """Return the whole months from `birthday` to `day`; negative before it.

    A month is complete on the day that has the number of the birthday's or, in a month without it, on the first of the next:
    who was born on 29 February is a year older on 1 March of a common year.
    """
    months = (day.year - birthday.year) * 12 + day.month - birthday.month
    return months - (day.day < birthday.day)


def age_text(birthday: date, day: date) -> str:
    """Return the age on `day`: "45" in years, "7 months" below two years, "12 days" below a month; empty before birth."""
    months = completed_months(birthday, day)
    if months >= 12 * _IN_YEARS:
        return pgettext("age in years", "%(years)d") % {"years": months // 12}
    if months > 0:
        return ngettext("%(count)d month", "%(count)d months", months) % {"count": months}
    days = (day - birthday).days
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days} if days >= 0 else ""
