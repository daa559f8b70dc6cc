"""Runs tests with the lowest and the newest versions of the dependencies.

    python tests/versions.py                          a set of tests that reaches every dependency
    python tests/versions.py lowest -- tests          all, with the lowest versions
    python tests/versions.py newest --python=3.14     another Python
    python tests/versions.py lock                     writes requirements-lock.txt

Each end has an environment of its own in a temporary folder. The newest versions run with
deprecation warnings as errors. A release runs it; it needs uv (`pip install uv`) and Python 3.11
and 3.13.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
LOCK = ROOT / "requirements-lock.txt"
ENDS = {"lowest": ("3.11", "lowest-direct"), "newest": ("3.13", "highest")}
TESTS = (
    *("cli", "data", "detectors", "evaluation", "export", "keypoints", "lifting", "motion"),
    *("runtime", "tfds_builders", "weights", "config_test.py", "main_test.py"),
)
# Of this repository; what is deprecated inside of other packages is theirs to mend.
STRICT = (
    "-o",
    "filterwarnings=error::DeprecationWarning:(repose_jax|tfds_builders|benchmarks|configs)\n"
    "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning",  # as in pyproject.toml
)


def uv(*arguments: str) -> None:
    """Runs uv in the folder of the repository; ends the program if uv fails, which says why."""
    if status := subprocess.run(["uv", *arguments], cwd=ROOT).returncode:
        sys.exit(status)


def run(end: str, version: str, tests: list[str]) -> int:
    """Runs tests in a new environment.

    Args:
        end: "lowest" or "newest".
        version: of Python.
        tests: arguments of pytest.

    Returns:
        The exit status of pytest.
    """
    with tempfile.TemporaryDirectory(prefix=f"{end}_") as folder:
        python = f"{folder}/bin/python"
        uv("venv", "--quiet", f"--python={version}", folder)
        resolution = f"--resolution={ENDS[end][1]}"
        install = ("pip", "install", "--quiet", f"--python={python}", resolution)
        uv(*install, "--requirement=requirements-dev.txt")
        uv("pip", "list", f"--python={python}")
        strict = STRICT if end == "newest" else ()
        command = [python, "-m", "pytest", *strict, *tests]
        environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
        return subprocess.run(command, cwd=ROOT, env=environment).returncode


def lock() -> None:
    """Writes the newest version of every package that the tests use, for Python 3.11 and later."""
    options = ["--universal", "--python-version=3.11", "--no-annotate"]
    options += ["--no-header", "--quiet", f"--output-file={LOCK.name}", "--upgrade"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
        constraints.write("backports-strenum<1.3\n")  # newer ones refuse Python 3.11
        constraints.flush()
        options.append(f"--constraints={constraints.name}")
        uv("pip", "compile", *options, "requirements-dev.txt")
    text = "# Written by `python tests/versions.py lock`.\n" + LOCK.read_text(encoding="utf-8")
    LOCK.write_text(text, encoding="utf-8")


def main() -> int:
    """Runs one end or both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("end", nargs="?", choices=(*ENDS, "lock"), help="default: both ends")
    parser.add_argument("--python", help="version of Python")
    parser.add_argument("tests", nargs="*", help="arguments of pytest, after --")
    args = parser.parse_args()
    if args.end == "lock":
        lock()
        return 0
    tests = args.tests or [f"tests/{name}" for name in TESTS]
    ends = [args.end] if args.end else [*ENDS]
    return max(run(end, args.python or ENDS[end][0], tests) for end in ends)


if __name__ == "__main__":
    sys.exit(main())
