"""The shipped rules with a part taken out or another number, to see what it buys."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from exporter.rule_files import folder

Edits = Iterable[tuple[str, str]]
"""Regular expressions and their replacements, in session-ends.yml."""
BURSTS_COUNT: Final = (
    (r"- max_over_time\(system_code:session_ends:increase90s\[(211|811|3511)s\]\)", "+ 1e9"),
)
SLICES_IN_FULL: Final = ((r"- \(2 \+ \(3\.5 \*", "- (1e12 + (3.5 *"),)
ABLATION: Final[dict[str, Edits]] = {
    "ours": (),
    "a window's burst counts": BURSTS_COUNT,
    "slices count in full": SLICES_IN_FULL,
    "an hour remembers": ((r"> 0\.(266666666667|2) \* system_code", "> 0 * system_code"),),
    "no confirmation in 5m": (
        (r"> 4 \* system_code:session_ends:share \+ 0\.01", "> 0 * system_code:session_ends:share"),
    ),
    "factor 4": ((r"\+ 3 (\* \(system_code:session_ends:share)", r"+ 4 \1"),),
    "no root term": ((r"\+ 4 (\* sqrt\(.*increase(5m|15m|1h)\)\))", r"+ 0 \1"),),
    "no part of all ends": (
        (
            r"\+ on \(system\) group_left \(\) (0\.015|0\.01|0\.005) \*",
            "+ on (system) group_left () 0 *",
        ),
    ),
    "no window of an hour": ((r"(?m)^( +)1\.25$", r"\g<1>1e12"),),
    "stopped: one look back": (
        (
            r'(?m)< 0\.07[^\n<]*increase1h\{outcome="success"\} offset (30m|1h|90m) - [\d.]+$',
            "< 1e12",
        ),
        (
            r'(?m)< 0\.15[^\n<]*increase1h\{outcome="success"\} offset (30m|1h|90m)$',
            "< 1e12",
        ),
    ),
    "stopped: confirmed at 99.9 %": ((r"< 0\.15 /", "< 0.999 /"),),
}


def changed(target: Path, edits: Edits) -> Path:
    """Writes the rules with all edits to the folder, and returns it."""
    for path in folder().glob("*.yml"):
        text = path.read_text()
        if path.name == "session-ends.yml":
            for pattern, replacement in edits:
                text, count = re.subn(pattern, replacement, text)
                assert count, f"{pattern}: not in {path}"
        (target / path.name).write_text(text)
    return target
