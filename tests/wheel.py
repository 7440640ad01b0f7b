"""Build the wheel, install it in an empty environment outside the source tree, and use it there as a newcomer does.

    python tests/wheel.py

What a test in the source tree cannot see: files that were not packed, dependencies that were not declared.
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


def build(folder: Path) -> Path:
    """Return the wheel, made in an isolated environment of its own."""
    run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_content(wheel: Path) -> None:
    """Compare the files of the wheel with those of the package that git knows: none is missing and none is added."""
    listed = subprocess.run(["git", "ls-files", "reprq"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    if differing := sorted(packed ^ set(listed.split())):
        raise SystemExit(f"the wheel and the package differ in {', '.join(differing)}")


def version() -> str:
    """Return the one place of the version, read without an import."""
    found = re.search(r'^__version__ = "([^"]+)"', (ROOT / "reprq" / "__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def example() -> str:
    """Return the first example in Python of the README."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def run(*command: str, cwd: Path) -> str:
    """Run a command away from the source tree and its settings, and return what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for name in ("REPRQ_CACHE", "REPRQ_DATA", "TORCH_HOME"):
        environment[name] = str(cwd / name.lower())
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def use(wheel: Path, folder: Path) -> None:
    """Install the wheel with its dependencies in an empty environment, and run what the README promises."""
    venv.create(folder / "environment", with_pip=True)
    programs = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    python, reprq = str(programs / "python"), str(programs / "reprq")
    run(python, *PIP, "install", str(wheel), cwd=folder)
    where = run(python, "-c", "import reprq; print(reprq.__file__)", cwd=folder)
    assert str(folder) in where, where
    said = run(reprq, "--version", cwd=folder)
    assert version() in said, said
    assert "resnet50" in run(reprq, "backbones", "resnet", cwd=folder)
    save = "import numpy as np; np.save('rows.npy', np.random.default_rng(0).normal(size=(60, 8)))"
    run(python, "-c", save, cwd=folder)
    assert "rankme" in run(reprq, "measure", "--embeddings", "rows.npy", "--csv", cwd=folder)
    run(python, "-c", example(), cwd=folder)
    recorded = run(python, "-c", "from reprq.provenance import versions; print(versions()['reprq'])", cwd=folder)
    assert recorded.strip() == version(), recorded


def main() -> None:
    """Build, check and use the wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        wheel = build(folder)
        check_content(wheel)
        use(wheel, folder)
        sys.stdout.write(f"{wheel.name}: complete, and it works in an empty environment\n")


if __name__ == "__main__":
    main()
