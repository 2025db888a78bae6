"""What of a grid of measurements is done already? One file a cell, named by all its settings.

In: the settings of a cell, and what measures it. Out: its figures, computed once: a run that was
killed goes on where it stopped, and a changed setting, encoder or text is another cell.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from distill.files import write_whole

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Cells:
    """A folder of finished cells."""

    folder: Path

    def get(self, settings: Mapping[str, object], measure: Callable[[], Figures]) -> Figures:
        """Return a cell's figures; ``measure`` is called only if they are not there."""
        file = self._file(settings)
        if file.exists():
            return json.loads(file.read_text(encoding="utf-8"))["figures"]
        figures = dict(measure())
        self.folder.mkdir(parents=True, exist_ok=True)
        cell = {"settings": dict(settings), "figures": figures}
        write_whole(file, json.dumps(cell, ensure_ascii=False, indent=1, sort_keys=True).encode())
        return figures

    def _file(self, settings: Mapping[str, object]) -> Path:
        text = json.dumps(settings, ensure_ascii=False, sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"


def digest(*parts: object) -> str:
    """Return a short name of texts or numbers, to stand among the settings of a cell."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:12]
