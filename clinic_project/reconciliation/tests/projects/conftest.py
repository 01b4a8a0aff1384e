"""The fixture with which these tests use databases of their own."""

from ..support.fixtures import unblocked

__all__ = ["unblocked"]
