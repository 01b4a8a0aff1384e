"""Stage 4: runs a plan while others use the tables.

In: a connection, `conf.Budgets`, a `planning.plan.Plan`, and a `reporter.Reporter` that hears of each step. Out: the
changed database; the repairs that were abandoned, each with the refusal that says why; and notes.

`executor` runs the repairs of a plan, `rollback` drops what a migration declared. Both take their locks by `locks`. Each
step is committed, so a run can be cut off anywhere: the next one plans from what is there.
"""
