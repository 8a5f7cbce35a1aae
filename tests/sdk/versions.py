"""Our JSON through the clients of several versions: `python tests/sdk/versions.py`.

Each version gets a fresh virtual environment of its own, so this takes minutes and the package
index; the tests proper check the versions that are installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = (
    "together==1.5.35",
    "together==2.0.0",
    "together==3.1.1",
    "openai==1.109.1",
    "openai==2.54.0",
    "openai==3.57.0",
)


def samples() -> dict[str, str]:
    """The JSON to be read, by kind."""
    sys.path.insert(0, str(HERE.parent / "python"))
    from earwitness import answers
    from spoken_samples import conversation

    transcript = conversation()
    return {
        "json": answers.plain(transcript).model_dump_json(),
        "verbose_json": answers.verbose(transcript, words=True).model_dump_json(),
        "diarized_json": answers.diarized(transcript).model_dump_json(),
    }


def check(version: str, document: Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", version], check=True)
        done = subprocess.run([python, HERE / "read.py", version.partition("==")[0], document])
    print(f"{version}: {'reads all' if done.returncode == 0 else 'FAILS'}", flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder, "samples.json")
        document.write_text(json.dumps(samples()), encoding="utf-8")
        results = [check(version, document) for version in parser.parse_args().versions]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
