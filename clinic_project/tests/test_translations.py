"""The catalogue of Traditional Chinese: compiled as it is written, and whole.

`CONTRIBUTING.md` says how it is made. What needs no program of GNU gettext is tested on every machine.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path("clinic_project/locale/zh_Hant/LC_MESSAGES/django.po")
#: What CONTRIBUTING.md says.
MAKE_MESSAGES = "makemessages -l zh_Hant --no-location --no-obsolete --no-wrap -i tests -i .venv -i build"

_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|<[^>]*>")

#: A message's texts by the keywords of its entry: msgctxt, msgid, msgid_plural, msgstr or msgstr[0].
Entry = dict[str, str]


def entries(path: Path) -> Iterator[Entry]:
    """Yield the messages of a .po file, its head left out."""
    for block in path.read_text().split("\n\n")[1:]:
        lines = re.findall(r'^(msg[\w\[\]]+) ((?:".*"\n?)+)', block, re.MULTILINE)
        entry = {key: "".join(ast.literal_eval(line) for line in text.splitlines()) for key, text in lines}
        if entry:
            yield entry


def key(entry: Entry) -> str:
    """Return what a compiled catalogue has the message under."""
    return "\x04".join(filter(None, [entry.get("msgctxt"), entry["msgid"]]))


def translation(entry: Entry) -> str:
    return entry["msgstr[0]" if "msgid_plural" in entry else "msgstr"]


def messages() -> list[Entry]:
    found = list(entries(ROOT / CATALOGUE))
    assert len(found) > 500, "the walk found nothing"
    return found


def test_each_message_is_translated_and_none_is_doubtful():
    assert [key(entry) for entry in messages() if not translation(entry).strip()] == []
    text = (ROOT / CATALOGUE).read_text()
    assert re.findall(r"^#,.*fuzzy.*|^#~.*", text, re.MULTILINE) == []


def test_the_compiled_catalogue_is_the_written_one():
    with (ROOT / CATALOGUE).with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)._catalog
    written = {(key(entry), 0) if "msgid_plural" in entry else key(entry): translation(entry) for entry in messages()}
    assert {key: text for key, text in compiled.items() if key} == written


def test_a_translation_has_the_placeholders_and_the_markup_of_its_message():
    differing = {}
    for entry in messages():
        needed, found = (sorted(_PLACEHOLDER.findall(text)) for text in (entry["msgid"], translation(entry)))
        # Chinese has one form for any number, which is that of the plural.
        others = sorted(_PLACEHOLDER.findall(entry.get("msgid_plural", entry["msgid"])))
        if found not in (needed, others) or ("msgid_plural" in entry and found != others):
            differing[key(entry)] = (others, found)
    assert differing == {}


@pytest.mark.parametrize(
    ("word", "instead"),
    [("病患", "病人"), ("患者", "病人"), ("保存期限", "保存至"), ("电", "電"), ("签", "簽"), ("登陸", "登入")],
)
def test_it_keeps_to_the_glossary(word: str, instead: str):
    assert [translation(entry) for entry in messages() if word in translation(entry)] == [], f"say {instead}"


def test_its_punctuation_is_that_of_chinese():
    half_width = re.compile(r"[\u4e00-\u9fff]([,;!?]|\.($|\s)|: )")
    assert [translation(entry) for entry in messages() if half_width.search(translation(entry))] == []


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("xgettext"), reason="GNU gettext isn't installed")
def test_it_has_the_messages_of_the_source(tmp_path):
    for path in source_files():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    made = tmp_path / CATALOGUE
    made.parent.mkdir(parents=True)
    shutil.copy(ROOT / CATALOGUE, made)
    command = [sys.executable, "manage.py", *MAKE_MESSAGES.split()]
    # It asks no database, and starts none by this.
    environment = {**os.environ, "DATABASE_URL": "postgresql://nowhere/none", "SECRET_KEY": "unused"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    assert {key(entry) for entry in entries(made)} == {key(entry) for entry in messages()}
    assert "#, fuzzy" not in made.read_text().split("\n\n", 1)[1]


def source_files() -> Iterator[Path]:
    """Yield what messages are taken from, and what it takes to run `manage.py` there."""
    yield Path("manage.py")
    for part in ("clinic_project", "medical_records"):
        for path in (ROOT / part).rglob("*"):
            if path.suffix in {".py", ".html", ".txt"} and "tests" not in path.relative_to(ROOT).parts:
                yield path.relative_to(ROOT)


def test_contributing_says_how_it_is_made():
    assert f"$ python manage.py {MAKE_MESSAGES}\n" in (ROOT / ".github/CONTRIBUTING.md").read_text()
