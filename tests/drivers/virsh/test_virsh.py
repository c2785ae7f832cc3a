from __future__ import annotations

import pytest
from rebalancer_virsh.virsh import Virsh, first_error, uuid_of

from rebalancer.drivers.commands import Completed
from rebalancer.errors import HostAnswerInvalid, HostUnreachable
from tests.drivers.virsh.fake import ALPHA, FakeTransport


class Answers(FakeTransport):
    """One that answers anything with the same."""

    def __init__(self, stdout: bytes = b"", stderr: bytes = b"", status: int = 0) -> None:
        super().__init__({})
        self.completed = Completed(stdout, stderr, status)

    def run(self, argv: object, **_: object) -> Completed:  # type: ignore[override]
        return self.completed


def test_one_that_fails_does_not_spoil_the_others() -> None:
    transport = FakeTransport({"a": "1\n", "b": "error: it is broken\nerror: really", "c": "x\ny\n"})
    found = Virsh(transport, "qemu:///system").batch(["a", "b", "c", "a"])
    assert [(answer.command, answer.text, answer.error) for answer in found] == [
        ("a", "1", ""),
        ("b", "", "it is broken; really"),
        ("c", "x\ny", ""),
        ("a", "1", ""),
    ]
    assert transport.trips == 1


def test_a_long_batch_is_several_trips() -> None:
    commands = [f"dumpxml {ALPHA}"] * 1000
    transport = FakeTransport({commands[0]: "x"})
    found = Virsh(transport, "qemu:///system").batch(commands)
    assert [answer.text for answer in found] == ["x"] * 1000
    assert 1 < transport.trips < 10


@pytest.mark.parametrize("command", ["a; b", "a 'b'", "a\nb", "", "$(x)", 'a "b"', "a b;", "a  b", "☃"])
def test_names_cannot_be_part_of_a_batch(command: str) -> None:
    with pytest.raises(ValueError, match="must not be part of a batch"):
        Virsh(FakeTransport({}), "qemu:///system").batch([command])


def test_output_cannot_pass_for_a_mark() -> None:
    transport = FakeTransport({"a": "0.\n1.\necho 1.", "b": "2"})
    assert [answer.text for answer in Virsh(transport, "x:///").batch(["a", "b"])] == ["0.\n1.\necho 1.", "2"]


@pytest.mark.parametrize("text", ["", "alpha", ALPHA[:-1], f"{ALPHA}0", f"{ALPHA}; x", "--all", "７" * 36])
def test_only_uuids_are_uuids(text: str) -> None:
    with pytest.raises(ValueError, match="is not a UUID"):
        uuid_of(text)


def test_uuids_are_lower_case() -> None:
    assert uuid_of(f" {ALPHA.upper()}\n") == ALPHA


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "kind", "says"),
    [
        (b"Welcome!\x1b[31m\nHave fun\n", b"", 0, HostAnswerInvalid, "nonsense to 'capabilities': Welcome! "),
        (b"", b"", 0, HostAnswerInvalid, "nonsense to 'capabilities': nothing"),
        (b"\xff" * 1000, b"", 0, HostAnswerInvalid, "nonsense"),
        (b"", b"error: failed to connect to the hypervisor\nerror: No such file", 1, HostUnreachable, "libvirt at "),
        (b"", b"env: 'virsh': No such file or directory\n", 127, HostUnreachable, "it has no virsh"),
        (b"", b"Please change your password", 1, HostAnswerInvalid, "Please change your password"),
    ],
)
def test_what_is_no_answer(stdout: bytes, stderr: bytes, status: int, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        Virsh(Answers(stdout, stderr, status), "qemu:///system").batch(["capabilities"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_virsh_that_ends_in_the_middle() -> None:
    class Half(FakeTransport):
        def run(self, argv: list[str], **_: object) -> Completed:  # type: ignore[override]
            mark = argv[-1].split("; ")[0].removeprefix("echo ")
            return Completed(f"{mark}first".encode(), f"error: {mark}\nerror: Disconnected\n".encode(), 1)

    with pytest.raises(HostUnreachable, match=r"ended in the middle of 'a' \(Disconnected\)"):
        Virsh(Half({}), "qemu:///system").batch(["a", "b"])


def test_older_virsh_that_cannot_mark_errors_still_answers() -> None:
    transport = FakeTransport({"a": "1", "b": "error: x"}, marks_errors=False)
    found = Virsh(transport, "qemu:///system").batch(["a", "b"])
    assert [answer.text for answer in found] == ["1", ""]


def test_libvirts_words_on_one_line() -> None:
    assert first_error(b"error: operation failed\nerror: domain 'a' already exists\n") == (
        "operation failed; domain 'a' already exists"
    )
    assert first_error("\x1b[31merror: x\x00").isprintable()
