import pytest

from medical_records.photos.file_names import clean_file_name, jpeg_name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("left knee.jpg", "left knee.jpg"),
        ("Röntgen 膝.PNG", "Röntgen 膝.PNG"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.webp", "scan.webp"),
        ("a\0b.jpg", "ab.jpg"),
        ("half\ud800.jpg", "half.jpg"),
        ("line\r\nSet-Cookie: a.jpg", "lineSet-Cookie: a.jpg"),
        ("gpj.\u202eexe.jpg", "gpj.exe.jpg"),
        ("  many \t spaces .jpg ", "many spaces .jpg"),
        ("", "photo"),
        ("..", "photo"),
        ("/", "photo"),
        ("\0", "photo"),
    ],
)
def test_names_are_cleaned(name, cleaned):
    assert clean_file_name(name) == cleaned


def test_long_names_are_cut_to_255_and_keep_their_ending():
    assert clean_file_name("é" * 300 + ".jpeg") == "é" * 250 + ".jpeg"
    assert clean_file_name("a" * 300) == "a" * 255
    assert clean_file_name("a." + "b" * 300) == "a." + "b" * 253


@pytest.mark.parametrize(
    ("name", "kept"), [("a.png", "a.jpg"), ("a.b.heic", "a.b.jpg"), ("a", "a.jpg"), ("a" * 255, "a" * 251 + ".jpg")]
)
def test_what_is_kept_is_a_jpeg(name, kept):
    assert jpeg_name(name) == kept
