"""Triggers and functions that models and apps declare: the public names, which migrations in the field contain."""

from .schema.declared_triggers import PROJECT_SCHEMA, Function, Trigger

__all__ = ["PROJECT_SCHEMA", "Function", "Trigger"]
