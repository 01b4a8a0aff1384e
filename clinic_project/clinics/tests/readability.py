"""What keeps somebody from reading a page in a browser: texts that are cut, and what axe-core finds."""

from functools import cache
from pathlib import Path
from typing import Any

#: The impacts of what axe-core finds that keep somebody from using a page: https://github.com/dequelabs/axe-core
SERIOUS = {"serious", "critical"}
#: The standards that a page has to meet, by axe-core's names: WCAG 2.2 to level AA, and what it calls best practices.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def _script(name: str) -> str:
    return (Path(__file__).parent / name).read_text()


def cut_texts(driver: Any) -> list[str]:
    """Return the texts that aren't shown whole, and the page itself where it is wider than the screen."""
    found: list[str] = driver.execute_script(_script("cut_texts.js"))
    return found


def axe_violations(driver: Any, *rules: str) -> list[str]:
    """Return what axe-core finds on the page that is serious, by all its rules of STANDARDS or by `rules` alone."""
    driver.execute_script(f"if (!window.axe) {{ {_script('axe/axe.min.js')} }}")
    # A colour may still be on its way to that of another theme.
    driver.execute_script("document.getAnimations().forEach((animation) => animation.finish())")
    options = {"runOnly": list(rules) or STANDARDS, "resultTypes": ["violations"]}
    done = "axe.run(arguments[0]).then((results) => arguments[1](results.violations))"
    found = driver.execute_async_script(done, options)
    return [
        f"{violation['impact']}: {violation['id']}: {node['html'][:200]} ({' '.join(map(str, node['target']))})"
        for violation in found
        if violation["impact"] in SERIOUS
        for node in violation["nodes"][:3]
    ]
