"""Files of a source from their addresses: downloaded once, checked, unpacked without leaving the folder."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from recipes import DatasetError, Recipe, SourceFile

SCHEMES: Final = ("https", "http", "file")
TIMEOUT_S: Final = 60.0
BLOCK_BYTES: Final = 1 << 20


def digest(path: Path, kind: str = "sha256") -> str:
    """Return the checksum of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def fetch(recipe: Recipe, keep: Path) -> Path:
    """Download all files of a recipe and unpack them; return the folder that then holds the published layout.

    Parameters
    ----------
    recipe : Recipe
    keep : Path
        Downloads are kept here, and not fetched again.

    Raises
    ------
    DatasetError
        If there is no connection, no address, or a checksum differs.
    """
    packages = [file.package for file in recipe.files if file.package]
    if packages:
        first = packages[0].split()[0]
        raise DatasetError(
            f"{recipe.name} comes as Debian package {', '.join(packages)}, which is not fetched here: "
            f"`apt-get download {first}`, then `dpkg-deb -x {first}_*.deb FOLDER`, then --from FOLDER"
        )
    if not recipe.files:
        raise DatasetError(f"{recipe.name} has no address to download from: give --from FOLDER with a copy")
    folder = keep / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / "unpacked"
    for file in recipe.files:
        target = folder / Path(urlsplit(file.address).path).name
        if not target.is_file():
            _download(file, target)
        _verify(file, target)
        done = folder / f"{target.name}.unpacked"
        if not done.is_file():
            unpack(target, unpacked)
            done.touch()
    return unpacked


def _download(file: SourceFile, target: Path) -> None:
    """Download to a `.part` beside the target and rename it at the end."""
    parts = urlsplit(file.address)
    if parts.scheme not in SCHEMES:
        raise DatasetError(f"{file.address}: must begin with {', '.join(SCHEMES)}")
    part = target.with_name(target.name + ".part")
    print(f"getting {file.address}" + (f" ({file.size / 1e6:.0f} MB)" if file.size else ""))
    try:
        with urllib.request.urlopen(file.address, timeout=TIMEOUT_S) as answer, part.open("wb") as stream:  # noqa: S310
            shutil.copyfileobj(answer, stream, BLOCK_BYTES)
            announced = int(answer.headers.get("Content-Length") or stream.tell())
            if stream.tell() != announced:
                raise ConnectionError(f"broke off at {stream.tell()} of {announced} bytes")
    except urllib.error.HTTPError as error:
        raise DatasetError(
            f"{file.address}: the server answers {error.code}: has it moved? give --from FOLDER with a copy"
        ) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        where = parts.hostname or file.address
        raise DatasetError(f"no connection to {where}: give --from FOLDER with a copy ({error})") from error
    part.replace(target)


def _verify(file: SourceFile, target: Path) -> None:
    """Raise if a download is not what the recipe says; print the checksum of one that is not pinned."""
    if file.size and target.stat().st_size != file.size:
        raise DatasetError(
            f"{target}: {target.stat().st_size} bytes, expected {file.size}: half a download? delete it, run again"
        )
    for kind, expected in (("sha256", file.sha256), ("md5", file.md5)):
        if expected and (found := digest(target, kind)) != expected:
            raise DatasetError(
                f"{target}: {kind} {found}, expected {expected}: the file changed at its address, or the download "
                "broke: delete it and run again"
            )
    if not file.sha256:
        print(f'  to pin this download, put into its [[files]]: sha256 = "{digest(target)}"')


def is_archive(path: Path) -> bool:
    """Is this a tar or zip file, by its name?"""
    return path.name.endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def _untar(tape: tarfile.TarFile, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        tape.extractall(folder, filter="data")
        return
    for member in tape.getmembers():  # Python before 3.11.4 has no such filter
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is no plain file, or would land outside of the folder")
    tape.extractall(folder)  # noqa: S202 - each member was looked at


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip file; nothing may land outside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not is_archive(archive):
        shutil.copy2(archive, folder / archive.name)
        return
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folder)  # noqa: S202 - drops "..", drives and leading slashes by itself
        else:
            with tarfile.open(archive) as tape:
                _untar(tape, folder)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DatasetError(f"{archive} cannot be unpacked: {error}") from error
