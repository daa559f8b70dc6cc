"""Frame rate and action of a trial, which the ASF/AMC files do not contain."""

import csv
import dataclasses
import pathlib


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


def read_trials(path: pathlib.Path) -> dict[str, Trial]:
    """Reads a user's list of trials.

    Args:
        path: A CSV file with the header `trial,fps,action`, one line for each trial:
            `09_01,120,run`.

    Returns:
        The trials by name.

    Raises:
        ValueError: If the file has another header or a line is not of this form; names the line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if (header := next(rows, [])) != ["trial", "fps", "action"]:
            raise ValueError(
                f"{path}, line 1: expected trial,fps,action, found {','.join(header)!r}"
            )
        trials = {}
        for row in rows:
            try:
                name, fps, action = row
                trials[name] = Trial(fps=float(fps), action=action)
                if not 0 < trials[name].fps < 1000:
                    raise ValueError
            except ValueError:
                raise ValueError(
                    f"{path}, line {rows.line_num}: expected a trial, its frames per second and "
                    f"its action, such as 09_01,120,run; found {','.join(row)!r}"
                ) from None
    return trials
