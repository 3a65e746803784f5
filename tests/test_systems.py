"""What only POSIX has is asked for where it may lack, and no file's name is one that Windows refuses."""

import ast
import builtins
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaebench
from tests.leaderboard.strategies import hostile_records, laws
from vaebench.leaderboard.identity import file_name, page_name
from vaebench.records import Record
from vaebench.requests.request import Request
from vaebench.run import memory
from vaebench.settings import Scoring, Training
from vaebench.storage.files import remove_folder, write_atomic, write_folder_atomic

FILES = sorted(Path(vaebench.__file__).parent.rglob("*.py"))
POSIX = """
crypt curses fcntl grp nis posix pty pwd readline resource spwd syslog termios tty
"""
OS = """
chown chroot fchmod fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority
getsid
getuid initgroups killpg lchown lockf major minor mkfifo mknod nice openpty posix_spawn pread pwrite
register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile setegid seteuid setgid setgroups
setpgid setsid setuid statvfs sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 waitid WEXITSTATUS
WIFEXITED
WIFSIGNALED WTERMSIG
"""
SIGNAL = """
SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 alarm pause
pthread_sigmask setitimer sigwait
"""
MODULES = set(POSIX.split())
CALLS = {"os": set(OS.split()), "signal": set(SIGNAL.split()), "select": {"epoll", "poll", "kqueue"}}
GUARDS = {"name", "platform", "hasattr", "getattr", "suppress"}
WINDOWS = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def guards(node: ast.AST) -> bool:
    """Whether what is inside is for some systems alone: ``os.name``, ``sys.platform``, or a try of it."""
    if isinstance(node, ast.Try):
        caught = {n.id for handler in node.handlers for n in ast.walk(handler) if isinstance(n, ast.Name)}
        return bool(caught & {"ImportError", "ModuleNotFoundError", "AttributeError"})
    if isinstance(node, ast.If | ast.IfExp):
        tested = ast.walk(node.test)
        return any(getattr(n, "attr", getattr(n, "id", None)) in GUARDS for n in tested)
    return False


def unguarded(tree: ast.AST, safe: bool = False) -> list[str]:
    """``line: name`` of what only POSIX has and is asked for without a guard."""
    wrong = []
    for node in ast.iter_child_nodes(tree):
        asked: set[str] = set()
        if isinstance(node, ast.Import):
            asked = {alias.name.split(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            own = {node.module or ""} & MODULES
            asked = own | ({alias.name for alias in node.names} & CALLS.get(node.module or "", set()))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked = {node.attr} & CALLS.get(node.value.id, set())
        elif isinstance(node, ast.keyword):
            asked = {str(node.arg)} & {"preexec_fn", "pass_fds"}
        if not safe:
            wrong += [f"{getattr(node, 'lineno', '?')}: {name}" for name in sorted(asked)]
        wrong += unguarded(node, safe or guards(node))
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_that_only_posix_has_is_taken_for_granted(path: Path) -> None:
    assert unguarded(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_text_is_read_and_written_in_utf8_whatever_the_locale(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in ("write_text", "read_text") and "distribution" not in ast.dump(node.func):
            assert any(word.arg == "encoding" for word in node.keywords), node.lineno


@pytest.mark.parametrize(
    "code",
    [
        "import resource",
        "def f():\n    import fcntl",
        "from pwd import getpwuid",
        "from os import fork",
        "import os\nos.geteuid()",
        "import signal\nsignal.signal(signal.SIGHUP, f)",
        "subprocess.Popen([], preexec_fn=f)",
        "try:\n    import resource\nexcept ValueError:\n    pass",
    ],
)
def test_the_look_at_code_sees_what_is_unguarded(code: str) -> None:
    assert unguarded(ast.parse(code))
    body = code.replace("\n", "\n    ")
    assert not unguarded(ast.parse(f"if os.name == 'posix':\n    {body}"))
    assert not unguarded(ast.parse(f"try:\n    {body}\nexcept ImportError:\n    pass"))


def test_memory_is_not_known_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    known = memory.peak_mb()
    assert known is None or 1 < known < 1e6
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "resource":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert memory.peak_mb() is None


def test_files_are_written_where_folders_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which refuses to open a folder."""
    original = os.open

    def refusing(path: Any, *rest: Any, **more: Any) -> int:
        if os.path.isdir(path) and not more:  # shutil.rmtree's own have a dir_fd
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *rest, **more)

    monkeypatch.setattr("vaebench.storage.files._FLUSHES_FOLDERS", False)
    monkeypatch.setattr(os, "open", refusing)
    write_atomic(tmp_path / "a", b"1")
    write_folder_atomic(tmp_path / "f", {"b": b"2"})
    write_folder_atomic(tmp_path / "f", {"c": b"3"})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "c", "f"]
    monkeypatch.setattr(os, "open", original)
    remove_folder(tmp_path / "f")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@laws
@given(hostile_records)
def test_a_boards_files_have_names_that_every_system_takes(record: Record) -> None:
    for name in (file_name(record), f"{page_name(record.data)}.md"):
        assert not WINDOWS.search(name)


@pytest.mark.parametrize("name", ["con", "NUL", "Com1", "aux", "lpt9", "readme", ""])
def test_no_page_has_the_name_of_a_device(name: str) -> None:
    record = Path(vaebench.__file__).parents[1] / "leaderboards" / "records"
    from msgspec.structs import replace

    from vaebench.records import read

    data = read(next(record.glob("*.json"))).data
    assert not WINDOWS.search(f"{page_name(replace(data, name=name))}.md")


@given(st.sampled_from(["folder:C:\\pictures", "folder:/a b/c?d*", "digits", "folder:x,size=32"]))
def test_a_runs_folder_has_a_name_that_every_system_takes(data: str) -> None:
    request = Request(
        compose="enc=mlp,latent=gaussian", data=data, training=Training(), scoring=Scoring(), seed=0
    )
    assert not WINDOWS.search(request.folder_name)


def test_this_system_is_one_of_those_that_are_supported() -> None:
    assert sys.platform in ("linux", "darwin", "win32")
