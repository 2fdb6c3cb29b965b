"""Notes: what the outputs of an item lack although the source has it."""

from imagejob_contract.result import MAX_NOTE_CHARACTERS, MAX_NOTES
from imagejob_processor.notes import collecting, note


def test_each_text_is_noted_once_in_order():
    with collecting() as notes:
        for text in ("b", "a", "b", "a\n"):
            note(text)
    assert notes == ["b", "a"]


def test_notes_are_few_short_and_on_one_line():
    with collecting() as notes:
        for number in range(2 * MAX_NOTES):
            note(f"{number}\n\x1b" + "x" * 2 * MAX_NOTE_CHARACTERS)
    assert len(notes) == MAX_NOTES
    assert {len(text) for text in notes} == {MAX_NOTE_CHARACTERS}
    assert all(text.isprintable() for text in notes)


def test_items_have_their_own_notes():
    note("before any item")
    with collecting() as first:
        note("a")
    with collecting() as second:
        note("b")
    note("after any item")
    assert (first, second) == (["a"], ["b"])
