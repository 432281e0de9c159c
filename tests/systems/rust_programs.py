"""The Rust program of this folder, and the crates that it needs.

1. The crates are Debian's: they need no crate registry, and are built without a network.
2. apt-get keeps its state in a folder of its own: it needs no privilege, and installs nothing.
3. What takes long is done once: crates for each set of packages, a build for each source.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.watch.needs import tool

HERE = Path(__file__).parent / "rust"
CACHE = Path(__file__).parents[2] / ".environments"
PACKAGES = ("librust-reqwest-dev", "librust-tokio-dev", "librust-hyper-dev")
REGISTRY = "usr/share/cargo/registry"
SOURCE = """\
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "{registry}"
"""


@cache
def clients() -> str:
    """Give the path of the program."""
    cargo, apt_get = cargo_path(), tool("apt-get", "the crates are those of Debian and Ubuntu")
    folder = CACHE / f"rust-{_digest(' '.join(PACKAGES).encode())}"
    with _alone(folder):
        if not (folder / "crates").exists():
            _fetch(apt_get, folder)
        return str(_built(cargo, folder))


def cargo_path() -> str:
    return tool("cargo", "apt-get install cargo, or https://rustup.rs")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time, of those that xdist starts, change a folder."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(apt_get: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        crates = Path(name, "crates")
        for archive in _downloaded(apt_get, Path(name)):
            subprocess.run(("dpkg-deb", "-x", archive, crates), check=True)
        _link_installed(crates / REGISTRY)
        crates.rename(folder / "crates")


def _downloaded(apt_get: str, folder: Path) -> list[Path]:
    options = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache"]
    options += ["Debug::NoLocking=true", "APT::Sandbox::User=root"]
    command = [apt_get, "-qq", *(word for option in options for word in ("-o", option))]
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    subprocess.run([*command, "update"], check=True)
    install = ("install", "--download-only", "--no-install-recommends", "-y", *PACKAGES)
    subprocess.run([*command, *install], check=True)
    return sorted((folder / "cache/archives").glob("librust-*.deb"))


def _link_installed(registry: Path) -> None:
    """Add the crates that apt-get did not download, because the machine has them."""
    registry.mkdir(parents=True, exist_ok=True)
    for crate in Path("/", REGISTRY).glob("*"):
        if not (registry / crate.name).exists():
            (registry / crate.name).symlink_to(crate)


def _built(cargo: str, folder: Path) -> Path:
    registry = folder / "crates" / REGISTRY
    generation = "hyper-1" if any(registry.glob("hyper-1.*")) else "hyper-0"
    files = {
        "Cargo.toml": (HERE / generation / "Cargo.toml").read_bytes(),
        "src/by_hand.rs": (HERE / generation / "by_hand.rs").read_bytes(),
        "src/main.rs": (HERE / "clients.rs").read_bytes(),
        ".cargo/config.toml": SOURCE.format(registry=registry).encode(),
    }
    program = folder / f"clients-{_digest(b''.join(files.values()))}"
    if not program.exists():
        _build(cargo, folder, files, program)
    return program


def _build(cargo: str, folder: Path, files: dict[str, bytes], program: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    command = (cargo, "build", "--quiet", "--offline", "--target-dir", "target")
    subprocess.run(command, cwd=folder, check=True)
    # Copied, as the next build may write over it; then moved, to be there whole or not at all.
    shutil.copy(folder / "target/debug/clients", folder / "unfinished")
    (folder / "unfinished").replace(program)
