from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rebalancer.cluster.units import Seconds
from rebalancer.execution.calls import Answer, call_now, in_background
from rebalancer.inventory import Call


def python(code: str, timeout: float = 20.0) -> Call:
    return Call(command=(sys.executable, "-c", code), timeout=Seconds(timeout))


def test_a_command_gets_json_and_consents_with_status_0() -> None:
    code = "import json, sys; print(json.load(sys.stdin)['domain'])"
    assert call_now(python(code), {"domain": "wüb"}) == Answer(consents=True, text="wüb")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import sys; print('too late'); sys.exit(3)", "too late"),
        ("import sys; print('\\x1b[31mred\\nmore', file=sys.stderr); sys.exit(1)", "[31mred"),
        ("import sys; sys.exit(3)", f"{sys.executable} ended with status 3"),
        ("import time; time.sleep(60)", "did not end within 0.5 s"),
        ("import sys; sys.stdout.write('x' * 10**6)", "answered more than 65536 bytes"),
    ],
)
def test_anything_else_is_a_refusal_with_its_reason(code: str, text: str) -> None:
    answer = call_now(python(code, 0.5 if "sleep" in code else 20.0), {})
    assert not answer.consents
    assert text in answer.text


def test_a_command_that_is_not_there_is_a_refusal() -> None:
    answer = call_now(Call(command=("/nowhere/hook",)), {})
    assert not answer.consents
    assert "there is no command '/nowhere/hook'" in answer.text


def test_arguments_are_data(tmp_path: Path) -> None:
    hostile = f"$(touch {tmp_path}/pwned); `touch {tmp_path}/pwned`"
    call = Call(command=(sys.executable, "-c", "import sys; print(sys.argv[1])", hostile))
    assert call_now(call, {}).text == hostile
    assert not list(tmp_path.iterdir())


class Server(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and with what it was told."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.end_headers()
        self.wfile.write(json.loads(body)["say"].encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "consents"), [(200, True), (204, True), (302, False), (403, False), (500, False)])
def test_a_url_is_posted_to(web: str, status: int, consents: bool) -> None:
    answer = call_now(Call(url=f"{web}/{status}"), {"say": "so be it"})
    assert answer.consents is consents
    assert status == 204 or answer.text == "so be it"


def test_a_url_where_nobody_answers_is_a_refusal() -> None:
    answer = call_now(Call(url="http://127.0.0.1:9/"), {})
    assert not answer.consents
    assert "refused" in answer.text


def test_calls_in_the_background_keep_nobody_waiting() -> None:
    future = in_background(python("import time; time.sleep(0.2); print('late')"), {})
    assert not future.done()
    assert future.result(20) == Answer(consents=True, text="late")


def test_a_server_that_says_nothing_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = call_now(Call(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=Seconds(0.1)), {})
    assert answer == Answer(consents=False, text="no answer within 0.1 s")
