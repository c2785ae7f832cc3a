"""What the README shows is what the program prints: its commands are run again, its files are read again.

``make update-readme`` puts in what they print now. A block of commands is fenced as ``console``; the commands of all
blocks run one after another, on one copy of the simulated cluster. A block that shows a file stands below a comment
with its name, ``<!-- file: examples/quickstart/policy.yaml -->``.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from pathlib import Path

from tests.cli.commands import ROOT, copy_example, rebalance

_BLOCK = re.compile(r"^(<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def updated(text: str) -> str:
    """The text with what its commands print now and what its files hold now."""
    with tempfile.TemporaryDirectory() as folder:
        world = copy_example(Path(folder) / "example")
        return _BLOCK.sub(lambda block: _block(block, world), text)


def _block(block: re.Match[str], world: Path) -> str:
    if block["file"]:
        body = (ROOT / block["file"]).read_text("utf-8")
    elif block["kind"] == "console":
        body = "\n".join(
            f"$ {command}\n{_output(command, world)}"
            for command in re.findall(r"^\$ (rebalance .*)$", block["body"], re.MULTILINE)
        )
    else:
        return block[0]
    return f"{block[1] or ''}```{block['kind']}\n{body}```"


def _output(command: str, world: Path) -> str:
    ended = rebalance(*shlex.split(command)[1:], folder=world)
    if ended.returncode not in (0, 3):
        raise RuntimeError(f"{command}: {ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(updated(readme.read_text("utf-8")), "utf-8")
