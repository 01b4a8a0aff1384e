"""Stage 3: differences → a plan. Pure: nothing here asks a database.

In: `comparison.differences.Differences` and what the server allows. Out: `plan.Plan`: repairs made of steps, refusals and
notes, all of it data.
"""
