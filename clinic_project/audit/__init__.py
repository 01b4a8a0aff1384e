"""What was there before: the history of recorded rows, which the database itself writes, and its seals. And who looked.

A model is recorded by `history_triggers` in its Meta.constraints. It knows no clinic and no record.
"""
