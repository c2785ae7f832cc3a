from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.drivers.known_hosts import HostKeyRejected, KnownHosts, fingerprint, read_known_hosts

KIND = "ssh-ed25519"


def blob(number: int, kind: str = KIND) -> bytes:
    """As keys are sent: each part behind its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), bytes([number]) * 32))


def encoded(number: int, kind: str = KIND) -> str:
    return f"{kind} {base64.b64encode(blob(number, kind)).decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def known(file: Path, text: str) -> KnownHosts:
    file.write_text(text)
    return read_known_hosts([file])


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("h1", "h1", 22),
        ("H1", "h1", 22),
        ("h1", "H1", 22),
        ("a,h1,10.0.0.1", "10.0.0.1", 22),
        ("*.lan", "h1.lan", 22),
        ("h?", "h1", 22),
        ("*,!h9", "h1", 22),
        ("[h1]:2222", "h1", 2222),
        ("[*.lan]:2222", "h1.lan", 2222),
        ("h1", "h1", 2222),
        ("fe80::1", "fe80::1", 22),
        ("[fe80::1]:2222", "fe80::1", 2222),
    ],
)
def test_a_key_is_found_by_its_hosts_names(file: Path, names: str, host: str, port: int) -> None:
    found = known(file, f"{names} {encoded(1)}\n")
    found.check(host, port, KIND, blob(1))
    assert found.key_types(host, port) == (KIND,)


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("h1", "h11", 22),
        ("h1", "xh1", 22),
        ("[h1]:2222", "h1", 22),
        ("[h1]:2222", "h1", 2223),
        ("*,!h9", "h9", 22),
        ("*.lan", "lan", 22),
        ("h[12]", "h1", 22),
        ("h.", "h1", 22),
    ],
)
def test_a_key_of_another_host_is_not(file: Path, names: str, host: str, port: int) -> None:
    with pytest.raises(HostKeyRejected, match="is not known"):
        known(file, f"{names} {encoded(1)}\n").check(host, port, KIND, blob(1))


@pytest.mark.parametrize("name", ["h1.lan", "[h1.lan]:2222"])
def test_names_that_ssh_keygen_has_hashed(file: Path, name: str) -> None:
    file.write_text(f"{name} {encoded(1)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    found = read_known_hosts([file])
    assert "h1" not in file.read_text()
    found.check("h1.lan", 2222 if "2222" in name else 22, KIND, blob(1))
    with pytest.raises(HostKeyRejected):
        found.check("h2.lan", 22, KIND, blob(1))


def test_broken_lines_do_not_lose_the_rest(file: Path) -> None:
    lines = [
        "",
        "# comment",
        "h1",
        "h1 ssh-ed25519",
        "h1 ssh-ed25519 not*base64",
        f"h1 ssh-rsa {encoded(2).split()[1]}",
        "|1|broken ssh-ed25519 AAAA",
        f"|1|a|b|c {encoded(3)}",
        f"@unknown h1 {encoded(4)}",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + " x y",
        f"h1 {encoded(1)} a comment",
    ]
    found = known(file, "\n".join(lines))
    assert len(found.keys) == 2, "the last one, and the one whose hash matches nothing"
    found.check("h1", 22, KIND, blob(1))


def test_a_changed_key_names_file_and_line(file: Path) -> None:
    found = known(file, f"\nh1 {encoded(9, 'ssh-rsa')}\nh1 {encoded(1)}\n")
    with pytest.raises(HostKeyRejected) as caught:
        found.check("h1", 22, KIND, blob(2))
    assert "its host key has changed" in str(caught.value)
    assert f"{file}:3 has {KIND} {fingerprint(blob(1))}" in str(caught.value)
    assert fingerprint(blob(2)) in str(caught.value)


def test_a_host_without_the_kind_of_key_that_is_known_has_changed(file: Path) -> None:
    with pytest.raises(HostKeyRejected, match="has changed"):
        known(file, f"h1 {encoded(1, 'ssh-rsa')}\n").check("h1", 22, KIND, blob(1))


def test_any_of_several_keys_will_do(file: Path) -> None:
    found = known(file, f"h1 {encoded(1)}\nh1 {encoded(2)}\n")
    found.check("h1", 22, KIND, blob(1))
    found.check("h1", 22, KIND, blob(2))


@pytest.mark.parametrize("names", ["*", "h1", "[h1]:2222"])
def test_a_revoked_key_is_refused_even_where_it_is_known(file: Path, names: str) -> None:
    found = known(file, f"h1 {encoded(1)}\n@revoked {names} {encoded(1)}\n")
    with pytest.raises(HostKeyRejected, match=f"is revoked in {file}:2"):
        found.check("h1", 2222, KIND, blob(1))


def test_a_certificate_authority_is_mentioned_only_where_nothing_else_matches(file: Path) -> None:
    found = known(file, f"@cert-authority * {encoded(5)}\nh1 {encoded(1)}\n")
    found.check("h1", 22, KIND, blob(1))
    with pytest.raises(HostKeyRejected, match=f"{file}:1 has a certificate authority .* not supported"):
        found.check("h2", 22, KIND, blob(2))
    with pytest.raises(HostKeyRejected):
        found.check("h2", 22, KIND, blob(5))


def test_several_files_and_files_that_are_not_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(f"h1 {encoded(1)}")
    two.write_text(f"h2 {encoded(2)}")
    found = read_known_hosts([tmp_path / "none", one, two])
    assert found.files == (str(one), str(two))
    found.check("h1", 22, KIND, blob(1))
    found.check("h2", 22, KIND, blob(2))


def test_an_unknown_key_says_how_to_add_it(file: Path) -> None:
    with pytest.raises(HostKeyRejected) as caught:
        known(file, "").check("h1", 2222, KIND, blob(1))
    assert fingerprint(blob(1)) in str(caught.value)
    assert f"ssh-keyscan -p 2222 h1 >> {file}" in str(caught.value)


@given(st.binary(max_size=300))
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "arbitrary_known_hosts"
    file.write_bytes(content + f"\nh1 {encoded(1)}\n".encode())
    read_known_hosts([file]).check("h1", 22, KIND, blob(1))
