"""Files: read whole or refused in plain words, written whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rebalancer import files
from rebalancer.errors import InvalidInput, RebalancerError
from rebalancer.files import read_document, read_text, write_atomically


def test_reads_text(tmp_path: Path):
    path = tmp_path / "f"
    path.write_bytes("é\r\n".encode())
    assert read_text(path) == "é\r\n"
    assert read_text(str(path)) == "é\r\n"


def test_reads_documents(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("a: [1, x]")
    document = read_document(path)
    assert document.data == {"a": [1, "x"]}
    assert str(document.position(["a", 1])) == f"{path}:1:8"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing", None, "cannot read {path}: there is no such file"),
        ("f/x", b"", "cannot read {path}: there is no such file"),
        (".", None, "cannot read {path}: it is a directory"),
        ("nul\0", None, r"its name is not valid"),
        ("x" * 300, None, "its name is too long"),
        ("latin", b"a\nb: caf\xe9\n", "{path}:2:7: not UTF-8 text: byte 0xe9"),
        ("utf16", "a: 1".encode("utf-16"), "cannot read {path}: it is UTF-16; save it as UTF-8"),
        ("large", b"x" * 101, "cannot read {path}: it is larger than 0 MiB"),
    ],
)
def test_refuses_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name, content, expected):
    monkeypatch.setattr(files, "MAX_SIZE", 100)
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    with pytest.raises(InvalidInput) as error:
        read_text(path)
    assert expected.format(path=path) in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path):
    path = tmp_path / "f"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(InvalidInput, match="permission denied"):
        read_text(path)


def test_writes_with_the_mode_asked_for(tmp_path: Path):
    path = tmp_path / "f"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    write_atomically(path, "b", 0o644)
    assert path.read_text() == "b"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_writes_through_links(tmp_path: Path):
    target = tmp_path / "there" / "f"
    target.parent.mkdir()
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to("there/f")
    dangling.symlink_to("there/g")
    write_atomically(link, "a")
    write_atomically(dangling, "b")
    assert link.is_symlink()
    assert target.read_text() == "a"
    assert (target.parent / "g").read_text() == "b"


def test_writes_to_a_pipe_without_replacing_it(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_atomically(pipe, "a")
    reader.join()
    assert got == ["a"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("missing/f", "", "there is no such file"),
        (".", "", "it is a directory"),
        ("f", "\ud800", "its text cannot be written as UTF-8"),
        ("nul\0", "", "its name is not valid"),
    ],
)
def test_refuses_to_write(tmp_path: Path, name, text, expected):
    with pytest.raises(RebalancerError, match=expected):
        write_atomically(tmp_path / name, text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call):
    path = tmp_path / "f"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(RebalancerError, match="no space left on the device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
