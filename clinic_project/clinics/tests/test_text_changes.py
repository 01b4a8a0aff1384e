"""Which words of a text were changed."""

from ..administration.text_changes import MAX_WORDS, Part, text_changes


def test_a_word_that_became_another_is_told_within_its_text():
    assert text_changes("pain in the left arm", "pain in the right arm") == [
        Part("pain in the"),
        Part(" left", is_removed=True),
        Part(" right", is_added=True),
        Part(" arm"),
    ]


def test_what_was_added_at_the_end_leaves_the_rest_as_it_is():
    assert text_changes("Slept well.", "Slept well. No fever.") == [
        Part("Slept well."),
        Part(" No fever.", is_added=True),
    ]


def test_both_texts_are_in_it_with_their_spaces_and_lines():
    before, after = " One  two.\nThree four five\n", " One  two.\n\nThree  four five six"
    parts = text_changes(before, after)
    assert "".join(part.text for part in parts if not part.is_added) == before
    assert "".join(part.text for part in parts if not part.is_removed) == after


def test_texts_that_have_little_in_common_are_left_as_two():
    assert text_changes("Mild", "Severe") == []
    assert text_changes("", "Severe") == []


def test_texts_that_take_long_to_compare_are_left_as_two():
    long = "word " * MAX_WORDS
    assert text_changes(long, f"{long}more") == []
