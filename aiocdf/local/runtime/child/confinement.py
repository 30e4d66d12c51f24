"""What a function instance may use: memory, processor time, and which files it may change.

Loaded by `fork_server.py`, so that a new instance pays for no import.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress

__all__ = ["adopt_orphans", "limit_cpu", "limit_memory", "protect_files"]

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
# What a mount may forbid already. A user namespace must not take such a flag away, so a remount repeats them.
_KEPT_FLAGS = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC if hasattr(os, "ST_NODEV") else 0

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end. Linux only; elsewhere it does nothing."""
    with suppress(AttributeError):
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def limit_memory(size: int) -> None:
    """Let this process have at most this many bytes of data.

    RLIMIT_DATA counts what can be written. RLIMIT_AS would also count addresses that allocators only reserve, 64 MiB for
    each thread.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def limit_cpu(seconds: float) -> None:
    """Let this process use so many more seconds of processor time; then the system sends SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def protect_files(folder: str, temporary: str, kept: list[str]) -> bool:
    """Make a folder read-only and /tmp private for this process, as far as the system permits; tell whether it did.

    It takes a mount namespace, and for ordinary users a user namespace, which some systems forbid.

    Args:
        folder: The folder of the function.
        temporary: What to show as /tmp, unless the folder or one of `kept` is in /tmp.
        kept: More folders that must stay visible.
    """
    try:
        _enter_namespace()
        _mount(None, "/", _MS_REC | _MS_PRIVATE)
        _mount(folder, folder, _MS_BIND)
        _mount(None, folder, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | os.statvfs(folder).f_flag & _KEPT_FLAGS)
        if not any(path.startswith("/tmp/") for path in (folder, *kept)):  # noqa: S108 - it is what functions write to
            _mount(temporary, "/tmp", _MS_BIND)  # noqa: S108
    except (OSError, AttributeError):
        return False
    os.chdir(folder)  # the mounted one
    return True


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _check(_libc.unshare(_CLONE_NEWNS))
        return
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open("/proc/self/" + name, "w", encoding="ascii") as file:
            file.write(text)


def _mount(source: str | None, target: str, flags: int) -> None:
    _check(_libc.mount(source and os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "the system does not permit it")
