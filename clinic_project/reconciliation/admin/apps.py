from django.contrib.admin.apps import AdminConfig


class SchemaAdminConfig(AdminConfig):
    """Django's admin with the page "Schema": for INSTALLED_APPS in place of django.contrib.admin."""

    default_site = f"{__package__}.site.SchemaAdminSite"
