from .fixtures import copy_of, empty_database, unblocked

__all__ = ["copy_of", "empty_database", "unblocked"]
