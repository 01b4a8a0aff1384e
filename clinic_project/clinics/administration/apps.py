from django.contrib.admin.apps import AdminConfig


class ClinicAdminConfig(AdminConfig):
    default_site = "clinic_project.clinics.administration.site.ClinicAdminSite"
