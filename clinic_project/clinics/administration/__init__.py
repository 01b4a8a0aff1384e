"""What every ModelAdmin of a clinic's tables builds on: who sees what, lists of many rows, the trash; and the site.

Apart from `clinics.admin`, which registers models: Django imports the site before there are any.
"""
