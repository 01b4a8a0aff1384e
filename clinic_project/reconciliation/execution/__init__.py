"""Stage 4: runs a plan while others use the tables.

In: a connection, budgets, a `planning.plan.Plan`. Out: the changed database; and the refusals of repairs that couldn't be
finished.
"""
