"""What of a grid of measurements is done already? One file a cell, named by all its settings.

In: the settings of a cell, and what measures it. Out: its figures, computed once: a run that was
killed goes on where it stopped, and a changed setting, encoder or text is another cell.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.files import write_whole

Figures = Mapping[str, float]
Cell = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Cells:
    """A folder of finished cells; ``others`` were finished elsewhere."""

    folder: Path
    others: Sequence[Cell] = ()

    def get(self, settings: Mapping[str, object], measure: Callable[[], Figures]) -> Figures:
        """Return a cell's figures; ``measure`` is called only if they are not there."""
        found = self.find(settings)
        if found is not None:
            return found
        figures = dict(measure())
        self.folder.mkdir(parents=True, exist_ok=True)
        cell = {"settings": dict(settings), "figures": figures}
        text = json.dumps(cell, ensure_ascii=False, indent=1, sort_keys=True)
        write_whole(self.folder / f"{name_of(settings)}.json", text.encode())
        return figures

    def find(self, settings: Mapping[str, object]) -> Figures | None:
        """Return a cell's figures if it is finished."""
        file = self.folder / f"{name_of(settings)}.json"
        if file.exists():
            return json.loads(file.read_text(encoding="utf-8"))["figures"]
        same = (cell["figures"] for cell in self.others if cell["settings"] == settings)
        return next(same, None)

    def all(self) -> list[Cell]:
        """Return every finished cell once: ``settings`` and ``figures``."""
        files = sorted(self.folder.glob("*.json"))
        here = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        named = {name_of(cell["settings"]): cell for cell in (*self.others, *here)}
        return list(named.values())


def name_of(settings: Mapping[str, object]) -> str:
    """Return the name of a cell."""
    text = json.dumps(settings, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def means(figures: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Return mean, sample standard deviation and number of cells that differ in the seed only."""
    return {
        name: {
            "mean": round(float(np.mean(values)), 4),
            "sd": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else 0.0,
            "seeds": len(values),
        }
        for name in figures[0]
        if (values := [each[name] for each in figures])
    }


def digest(*parts: object) -> str:
    """Return a short name of texts or numbers, to stand among the settings of a cell."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
