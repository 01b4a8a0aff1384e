"""Stage 3: differences → a plan. Pure: nothing here queries a database.

In: `comparison.differences.Differences`, and the `schema.model.Server` with what it lets the role do. Out: a
`plan.Plan`: repairs made of steps, refusals and notes, all of it data. For migrating backwards, `rollback` plans, from
three schemas, what to drop.
"""
