from .admin_site import staff_member, superuser
from .browser import browser, staff

__all__ = ["browser", "staff", "staff_member", "superuser"]
