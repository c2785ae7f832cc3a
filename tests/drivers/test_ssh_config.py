from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.drivers.ssh_config import SshSettings, read_ssh_config


def look_up(tmp_path: Path, text: str, host: str = "h1", user: str | None = None) -> SshSettings:
    file = tmp_path / "config"
    file.write_text(text)
    return read_ssh_config([file], host, user=user)


def test_nothing_is_said_without_files(tmp_path: Path) -> None:
    assert read_ssh_config([tmp_path / "none"], "h1") == SshSettings(host_name="h1")


def test_the_first_value_wins_and_identity_files_add_up(tmp_path: Path) -> None:
    found = look_up(
        tmp_path,
        """
User=first   # a comment
IdentityFile "/keys/with space"
Host h2
  Port 1
host h1 !h9
  User second
  PORT = 2222
  HostName %h.example.org
  IdentityFile /keys/%r-%p-%n
  IdentitiesOnly yes
  ConnectTimeout 7
  HostKeyAlias the-alias
Host *
  Port 3
""",
    )
    assert found == SshSettings(
        host_name="h1.example.org",
        port=2222,
        user="first",
        identity_files=(Path("/keys/with space"), Path("/keys/first-2222-h1")),
        identities_only=True,
        host_key_alias="the-alias",
        connect_timeout=7.0,
    )


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("Host *", True),
        ("Host h?", True),
        ("Host h2 h1", True),
        ("Host * !h1", False),
        ("Host !h1", False),
        ("Host h[1]", False),
        ("Match all", True),
        ("Match host h1", True),
        ("Match host h2,h1", True),
        ("Match !host h1", False),
        ("Match originalhost h1 user root", True),
        ("Match user nobody", False),
        ('Match exec "true"', False),
        ("Match all exec true", False),
        ("Match !exec false", False),
        ("Match final", False),
        ("Match", False),
    ],
)
def test_which_blocks_apply(tmp_path: Path, line: str, holds: bool) -> None:
    found = look_up(tmp_path, f"{line}\n  Port 2222\n", user="root")
    assert found.port == (2222 if holds else None)


def test_match_exec_is_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    look_up(tmp_path, f'Match exec "touch {mark}"\n  Port 1\nMatch host h1 exec "touch {mark}"\n  Port 1\n')
    assert not mark.exists()


def test_includes_are_expanded_in_place_and_under_their_block(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.conf").write_text("Host h1\n  Port 1001\nHost h2\n  Port 1002\n")
    (tmp_path / "d" / "2.conf").write_text("User two\n")
    text = "Host h2\n  Include d/*.conf\n  User mine\nHost *\n  Port 3\n"
    assert (look_up(tmp_path, text, "h1").port, look_up(tmp_path, text, "h1").user) == (3, None)
    assert (look_up(tmp_path, text, "h2").port, look_up(tmp_path, text, "h2").user) == (1002, "two")


def test_an_include_of_itself_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested more than"):
        look_up(tmp_path, "Include config\n")


def test_jumps(tmp_path: Path) -> None:
    assert look_up(tmp_path, "ProxyJump root@a:2222,b\n").proxy_jump == ("root@a:2222", "b")
    assert look_up(tmp_path, "ProxyJump none\n").proxy_jump == ()
    assert look_up(tmp_path, "ProxyCommand nc -X 5 %h %p\n").proxy_command == "nc -X 5 %h %p"
    assert look_up(tmp_path, "ProxyCommand none\n").proxy_command is None


def test_files_of_known_hosts(tmp_path: Path) -> None:
    found = look_up(tmp_path, "UserKnownHostsFile /a '/b c'\n").known_hosts
    assert found == (Path("/a"), Path("/b c"), Path("/etc/ssh/ssh_known_hosts"))
    found = look_up(tmp_path, "UserKnownHostsFile none\nGlobalKnownHostsFile /g\n").known_hosts
    assert found == (Path("/g"),)


@pytest.mark.parametrize("line", ["Port ssh", "Port 0", "Port 70000", 'User "open'])
def test_what_cannot_be_understood_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"Port|User"):
        look_up(tmp_path, f"{line}\n")


@given(st.text(max_size=200))
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    file = tmp_path_factory.getbasetemp() / "arbitrary_config"
    # Includes would read whatever the text names.
    file.write_text(content.lower().replace("include", ""), encoding="utf-8", errors="replace")
    with suppress(ValueError):
        read_ssh_config([file], "h1")
