"""Frame rate and action of a trial, which the ASF/AMC files do not contain."""

import csv
import dataclasses
import pathlib
import re

from tfds_builders.formats import text


@dataclasses.dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        fps: Frames per second.
        action: The motion; "" where unknown.
    """

    fps: float
    action: str = ""


# The rate of most of the database (2,109 of 2,435 trials); the others are 60.
UNLISTED = Trial(fps=120.0)

# The trials of verified frame rate, with the action in a few words after the database's index.
LISTED = {
    name: Trial(fps=120.0, action=action)
    for action, names in {
        "jump": ["01_01", "02_04"],
        "climb": [f"01_{trial:02}" for trial in range(2, 15)],
        "walk": ["02_01", "02_02"],
        "run": ["02_03"],
        "punch": ["02_05"],
        "bend over": ["02_06"],
        "swordplay": ["02_07", "02_08", "02_09"],
        "wash self": ["02_10"],
        "walk on uneven terrain": ["03_01", "03_02", "03_03", "03_04"],
    }.items()
    for name in names
}


_HEADER = ("trial", "fps", "action")


def key(subject: str, trial: str) -> str:
    """Returns the name of a trial in lists: "02_01", also of subject 2 and trial 1."""
    return f"{int(subject):02}_{int(trial):02}"


def _split(line: str, delimiter: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]


def read_trials(path: pathlib.Path) -> dict[str, Trial]:
    """Reads a user's list of trials, as spreadsheet programs write it.

    Args:
        path: A CSV file with the columns `trial`, `fps` and, if wanted, `action`, in any order and
            with any others; one line for each trial: `09_01,120,run` or `9_1; 120; run`. Fields are
            separated by commas, semicolons or tabs.

    Returns:
        The trials by name, with zeros: "09_01".

    Raises:
        ValueError: If the file has another header, a line is not of this form, or two lines of a
            trial differ; names the line.
    """
    lines = [(at, line) for at, line in enumerate(text.read(path).split("\n"), 1) if line.strip()]
    if lines and lines[0][1].lower().startswith("sep="):  # Excel's own
        del lines[0]
    at, header = lines.pop(0) if lines else (1, "")
    for delimiter in ",;\t":
        columns = [field.lower() for field in _split(header, delimiter)]
        if all(columns.count(name) == 1 for name in _HEADER[:2]):
            break
    else:
        raise ValueError(f"{path}, line {at}: expected trial,fps,action, found {header[:80]!r}")
    trials: dict[str, Trial] = {}
    for at, line in lines:
        if not line.strip(f"{delimiter} \t"):
            continue  # a row of empty cells
        fields = dict(zip(columns, _split(line, delimiter), strict=False))
        name = re.fullmatch(r"(\d+)_(\d+)", fields["trial"])
        rate = fields.get("fps", "")
        fps = text.number(rate.replace(",", ".") if delimiter == ";" else rate)
        if not name or not fps > 0 or len(fields) < len(columns):
            raise ValueError(
                f"{path}, line {at}: expected a trial, its frames per second and its action, such "
                f"as 09_01,120,run; found {line[:80]!r}"
            )
        trial = Trial(fps=fps, action=fields.get("action", ""))
        if trials.setdefault(key(*name.groups()), trial) != trial:
            raise ValueError(f"{path}, line {at}: {fields['trial']} a second time, and different")
    return trials
