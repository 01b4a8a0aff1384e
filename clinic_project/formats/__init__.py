"""Formats of dates that replace Django's, by language: https://docs.djangoproject.com/en/5.2/topics/i18n/formatting/."""
