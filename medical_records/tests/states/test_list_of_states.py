"""The list of states in the README beside: each has tests, and they exist."""

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
LIST = (FOLDER / "README.md").read_text()

NUMBERED = {f"S{number}" for number in range(1, 5)} | {str(number) for number in (*range(1, 37), 41)}


def listed() -> dict[str, list[str]]:
    """Return the tests of each state in the list, as `file::name`."""
    rows = re.findall(r"^\| (S?\d+) \|.*\|(.*)\|$", LIST, re.MULTILINE)
    return {state: re.findall(r"`(test_\w+\.py::\w+)`", tests) for state, tests in rows}


def written() -> set[str]:
    """Return the tests of this folder that are named for a state, as `file::name`."""
    return {
        f"{path.name}::{node.name}"
        for path in FOLDER.glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and re.match(r"TestS(tate)?\d|test_(s\d|\d\d)_", node.name)
    }


def test_every_state_is_listed_with_tests():
    assert listed().keys() == NUMBERED
    assert all(listed().values())


def test_every_test_that_is_listed_exists():
    assert {test for tests in listed().values() for test in tests} == written()


def test_every_test_is_listed_with_the_state_of_its_name():
    for state, tests in listed().items():
        pattern = rf"Test{state}\D" if state.startswith("S") else rf"TestState{state}\D|test_{state:0>2}_"
        assert all(re.match(pattern, test.partition("::")[2]) for test in tests), (state, tests)
