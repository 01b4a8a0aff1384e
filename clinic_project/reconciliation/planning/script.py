"""A plan as SQL for psql."""

from .plan import Plan


def script(plan: Plan) -> list[str]:
    """Return the plan's statements, each step below a comment that explains it, and its refusals as comments."""
    lines = [f"-- REFUSED: {refusal}" for refusal in plan.refusals]
    for step in plan.steps:
        lines += [f"-- {step.reason} ({step.lock})", f"{step.script};"]
    return lines
