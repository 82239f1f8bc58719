"""What a run was of, and where: without it no two runs can be compared."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def file_system(mounts: str, folder: Path) -> str:
    """The type of the file system that a folder is on, from what Linux says of mounts (`proc_pid_mountinfo(5)`)."""
    nearest = (-1, "unknown")
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        at = Path(mount.split()[4])
        # Of several at one place, the last one covers the others.
        if folder.is_relative_to(at) and len(at.parts) >= nearest[0]:
            nearest = (len(at.parts), source.split()[0])
    return nearest[1]


def commit(version: str) -> str:
    """What `kitaru-host --version` says."""
    said = [line.split()[1] for line in version.splitlines() if line.startswith("commit ")]
    return said[0] if said else "unknown"


def about(host: Path, work: Path) -> str:
    try:
        version = subprocess.run([host, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        version = ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        mounts = ""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%MZ")
    return (
        f"Commit {commit(version)}, {now}. {os.cpu_count()} processors, kernel {platform.release()}, "
        f"file system of the disk {file_system(mounts, work.resolve())}."
    )
