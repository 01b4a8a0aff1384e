"""Template filters that tell of patients."""

from django import template

from medical_records.admin.choosing import age_of

register = template.Library()
register.filter("age", age_of)
