import pathlib
import re
import zipfile

import pytest

from tfds_builders import limits
from tfds_builders.formats import archive

PATTERN = re.compile(r"(.*/)?data/(?P<name>\w+)\.txt")


def zip_of(path: pathlib.Path, **members: str) -> pathlib.Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other/read.me", "not wanted")
        for name, content in members.items():
            file.writestr(f"top/data/{name}.txt", content)
    return path


def contents(source) -> dict[str, str]:
    return {file.match["name"]: file.read() for file in archive.find(source, PATTERN)}


def test_files_are_found_at_any_depth_of_a_folder_and_ordered(tmp_path):
    (tmp_path / "a" / "data").mkdir(parents=True)
    (tmp_path / "a" / "data" / "two.txt").write_text("2")
    (tmp_path / "a" / "data" / "one.txt").write_text("1")
    (tmp_path / "a" / "three.txt").write_text("3")
    assert list(contents(tmp_path).items()) == [("one", "1"), ("two", "2")]
    assert list(contents(tmp_path / "a" / "data")) == ["one", "two"]


def test_files_are_found_in_an_archive_or_in_a_folder_with_it(tmp_path):
    path = zip_of(tmp_path / "x.zip", one="1", two="2")
    zip_of(tmp_path / "unrelated.zip")
    assert contents(path) == contents(tmp_path) == {"one": "1", "two": "2"}
    assert archive.find(path, PATTERN)[0].name == f"{path}:top/data/one.txt"


def test_one_of_the_files_is_a_source(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "one.txt"
    path.write_text("1")
    (tmp_path / "data" / "two.txt").write_text("2")
    assert contents(path) == {"one": "1"}
    assert archive.find(path, PATTERN)[0].inside == "one.txt"


def test_another_file_is_no_source(tmp_path):
    (tmp_path / "one.c3d").write_text("1")
    with pytest.raises(ValueError, match=r"one.c3d: not a zip archive, .*or give the folder"):
        archive.find(tmp_path / "one.c3d", PATTERN)


def test_two_archives_of_the_data_are_refused(tmp_path):
    zip_of(tmp_path / "a.zip", one="1")
    zip_of(tmp_path / "b.zip", one="1")
    with pytest.raises(ValueError, match=r"keep one: a.zip, b.zip"):
        archive.find(tmp_path, PATTERN)


def test_nothing_is_found_where_nothing_matches(tmp_path):
    assert archive.find(tmp_path, PATTERN) == []


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.zip: no such file or folder"):
        archive.find(tmp_path / "absent.zip", PATTERN)


def test_an_incomplete_archive_is_named(tmp_path):
    path = zip_of(tmp_path / "x.zip", one="1" * 1000)
    path.write_bytes(path.read_bytes()[:-30])
    for source in (path, tmp_path):
        with pytest.raises(ValueError, match=r"x.zip: not a zip archive, or damaged"):
            archive.find(source, PATTERN)


def test_a_damaged_file_in_an_archive_is_named(tmp_path):
    path = zip_of(tmp_path / "x.zip", one="1234567")
    path.write_bytes(path.read_bytes().replace(b"1234567", b"1234568"))
    [file] = archive.find(path, PATTERN)
    with pytest.raises(ValueError, match=r"x.zip:top/data/one.txt: damaged .*CRC"):
        file.read()


def test_an_encrypted_file_is_refused(tmp_path):
    path = zip_of(tmp_path / "x.zip", one="1")
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1  # the flag of encryption
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x.zip:top/data/one.txt: encrypted; unpack the archive"):
        archive.find(path, PATTERN)


@pytest.mark.parametrize("folder", ["../", "a/../../", "/", "C:/", "..\\"])
def test_a_path_out_of_the_archive_is_refused(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(f"{folder}data/one.txt" if "\\" not in folder else "..\\/data/one.txt", "1")
    with pytest.raises(ValueError, match="its path leads out of the archive"):
        archive.find(tmp_path / "x.zip", PATTERN)


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data/one.txt", "0" * 100_000)
        file.writestr("data/two.txt", "0" * 100_000)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big.txt").write_text("0" * 100_000)
    assert len(archive.find(path, PATTERN)) == 2
    monkeypatch.setattr(limits, "SMALL_ARCHIVE", 150_000)
    with pytest.raises(ValueError, match=r"x.zip: it unpacks to 200,000 bytes from \d+, more than"):
        archive.find(path, PATTERN)
    monkeypatch.setattr(limits, "TEXT_BYTES", 99_999)
    with pytest.raises(ValueError, match=r"x.zip:data/one.txt: a text file must have at most"):
        archive.find(path, PATTERN)
    with pytest.raises(ValueError, match=r"big.txt: a text file must have at most 99,999 bytes"):
        archive.find(tmp_path, PATTERN)[0].read()
