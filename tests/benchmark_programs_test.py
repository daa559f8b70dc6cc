"""The programs of the benchmarks end in one line and status 2 for input that they cannot use."""

import pytest

import repose_jax as rp
from benchmarks import compute, live, prepare_human36m


@pytest.mark.parametrize(
    ("program", "line", "message"),
    [
        (live, ["nothing/30fps:test"], "live: error: "),
        (live, ["--video={file}"], "live: error: {file}"),
        (compute, ["--draw={file}.foo", "--json={file}"], "compute: error: {file} holds no res"),
        (compute, ["--draw={file}.foo", "--json={file}.absent"], "{file}.absent: No such file"),
        (compute, ["--draw={file}.foo"], "Format 'foo' is not supported"),
        (prepare_human36m, ["--out={file}"], "prepare_human36m: error: {file}: File exists"),
    ],
)
def test_an_error_of_the_input_is_one_line(program, line, message, tmp_path, monkeypatch, capsys):
    places = {"file": str(tmp_path / "file")}
    (tmp_path / "file").write_text("no result")
    monkeypatch.setattr(rp, "load", lambda: None)
    monkeypatch.setattr("sys.argv", ["program", *(word.format(**places) for word in line)])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert message.format(**places) in said
