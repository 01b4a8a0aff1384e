from .browser import _strict_policy, browser, staff

__all__ = ["_strict_policy", "browser", "staff"]
