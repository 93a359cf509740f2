"""The versions and the git state a run depended on."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """What a run depended on beside its files.

    Attributes:
        versions: of mtjloop, python, numpy, scipy and numba, and the platform.
        commit: git commit of the working directory, None outside a checkout.
        dirty: whether tracked files differed from that commit, None if unknown.
    """

    versions: Mapping[str, str]
    commit: str | None
    dirty: bool | None


def environment(directory: Path | None = None) -> Environment:
    """Versions and git state, gathered in well under a second; never raises.

    Args:
        directory: whose checkout is looked at; None takes the working directory.
    """
    versions = {"mtjloop": _version("mtjloop"), "python": platform.python_version()}
    versions |= {name: _version(name) for name in ("numpy", "scipy", "numba")}
    versions["platform"] = platform.platform()
    commit, dirty = _git_state(directory)
    return Environment(versions=versions, commit=commit, dirty=dirty)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _git_state(directory: Path | None) -> tuple[str | None, bool | None]:
    # One git process answers both; untracked files are left out because run directories are untracked.
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules"]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            timeout=2.0,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    lines = done.stdout.decode(errors="replace").splitlines()
    heads = [line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")]
    if done.returncode != 0 or not heads or not re.fullmatch(r"[0-9a-f]{40,64}", heads[0]):
        return None, None
    return heads[0], any(not line.startswith("#") for line in lines)
