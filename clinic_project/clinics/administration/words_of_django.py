"""Messages of Django's admin that our catalogue translates anew.

Django's own Chinese calls a filter otherwise than our pages do, sets spaces around names, and mixes punctuation. What
is marked here is taken over into our catalogue, which Django asks before its own. In English nothing differs.
"""

from django.utils.translation import gettext_noop as _

WORDS = [
    _("Filter"),
    _(" By %(filter_title)s "),
    _("Action:"),
    _("Change history: %s"),
    _("Change password: %s"),
    _("Set password: %s"),
    _("Select %s to change"),
    _("Select %s to view"),
    _("Add %s"),
    _("Add %(name)s"),
    _("Change %s"),
    _("View %s"),
    _("The {name} “{obj}” was added successfully."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully. You may edit it again below."),
    _("You may edit it again below."),
    _("%(name)s with ID “%(key)s” doesn’t exist. Perhaps it was deleted?"),  # noqa: RUF001 - as Django writes it
]
