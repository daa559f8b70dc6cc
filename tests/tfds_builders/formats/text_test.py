import codecs

import pytest

from tfds_builders.formats import text

LINES = "Hüfte\nend\n"


@pytest.mark.parametrize(
    "data",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        LINES.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.encode("utf-32"),
        LINES.encode("latin-1"),
        LINES.replace("\n", "\r\n").encode(),
        LINES.replace("\n", "\r").encode(),
    ],
    ids=["utf-8", "mark", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "windows", "old mac"],
)
def test_text_is_read_in_the_encodings_and_line_ends_of_common_programs(tmp_path, data):
    path = tmp_path / "a.bvh"
    path.write_bytes(data)
    assert text.read(path) == LINES


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04\n\x00\x00", r"a.bvh, line 2: not a text file \(it has zero bytes\)"),
        (LINES.encode("utf-16-le"), "a.bvh, line 1: .* needs a byte-order mark"),
        (LINES.encode("utf-16")[:-1], "a.bvh: not UTF-16, though its byte-order mark says so"),
        (codecs.BOM_UTF8 + b"\xff", "a.bvh: not UTF-8-SIG, though its byte-order mark"),
    ],
)
def test_what_is_no_text_is_refused_with_the_name_of_the_file(tmp_path, data, message):
    path = tmp_path / "a.bvh"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        text.read(path)


@pytest.mark.parametrize(("word", "value"), [("-1.5e2", -150), (".5", 0.5), ("7", 7)])
def test_words_are_numbers(word, value):
    assert text.number(word) == value


@pytest.mark.parametrize("word", ["", "x", "nan", "inf", "1e999", "1_0", "1,5"])
def test_other_words_are_none(word):
    assert text.number(word) != text.number(word)
