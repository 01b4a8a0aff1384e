from .browser import browser, staff

__all__ = ["browser", "staff"]
