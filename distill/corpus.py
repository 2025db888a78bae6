"""Which text may be trained on? Reading corpora, and keeping held-out sentences away from them.

In: files as they lie on disk (.txt, .tsv, .csv, each also .xz). Out: sentences, translations or
labelled pairs, without any sentence that stands in a held-out file.
"""

import csv
import io
import lzma
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.errors import CorpusError

# A directory given as held out stands for the files in it that evaluate or select.
HELD_OUT_NAMES = ("test", "dev", "queries")


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two sentences and how alike they are, from 0 (unrelated) to 1 (the same meaning)."""

    first: str
    second: str
    label: float


@dataclass(frozen=True)
class HeldOut:
    """The sentences that nothing may be trained on, as ``dedup_key``s."""

    keys: frozenset[str] = frozenset()

    @classmethod
    def read(cls, paths: Iterable[Path]) -> "HeldOut":
        """Collect every cell of these files; a directory means its test*, dev* and queries*."""
        keys = set()
        for path in paths:
            for file in _evaluation_files(path):
                for row in read_rows(file):
                    # A FAQ's cell may hold several questions.
                    keys.update(dedup_key(part) for cell in row for part in cell.split("##"))
        keys.discard("")
        return cls(frozenset(keys))

    def holds(self, *texts: str) -> bool:
        """Say whether any of these texts is held out."""
        return any(dedup_key(text) in self.keys for text in texts)


NOTHING = HeldOut()


def dedup_key(text: str) -> str:
    """Return a text's letters and digits only, after NFKC and lower-casing."""
    text = unicodedata.normalize("NFKC", text).lower()
    return "".join(c for c in text if c.isalnum())


def corpus_files(paths: Iterable[Path]) -> list[Path]:
    """List the files meant by ``paths``, directories read whole; raises CorpusError if none."""
    files = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.rglob("*") if _kind(p))
        else:
            files.append(path)
    if not files:
        raise CorpusError(f"{', '.join(map(str, paths))}: holds no .txt, .tsv or .csv file")
    return files


def read_sentences(paths: Iterable[Path], held_out: HeldOut = NOTHING) -> Iterator[str]:
    """Yield the first column of each row, except what is held out; duplicates are kept."""
    for path in corpus_files(paths):
        for row in read_rows(path):
            if row[0] and not held_out.holds(row[0]):
                yield row[0]


def read_translations(
    paths: Iterable[Path], held_out: HeldOut = NOTHING
) -> Iterator[tuple[str, str]]:
    """Yield (student's side, teacher's side): columns 1 and 2, or a sentence for both sides."""
    seen = set()
    for path in corpus_files(paths):
        for row in read_rows(path):
            student, teacher = row[0], row[1] if len(row) > 1 else row[0]
            # The rule asks for the student's language; the teacher's costs nothing to check.
            if not student or not teacher or held_out.holds(student, teacher):
                continue
            if (mark := hash((student, teacher))) not in seen:
                seen.add(mark)
                yield student, teacher


def read_pairs(paths: Iterable[Path], held_out: HeldOut = NOTHING) -> Iterator[LabelledPair]:
    """Yield ``s1⇥s2⇥label`` rows, ``s1⇥s2`` as a positive, ``anchor⇥positive⇥negative`` as two.

    Labels above 1 are taken as the 0–5 scale of STS-B. A row with a held-out sentence is dropped.
    """
    for path in corpus_files(paths):
        rows = [row for row in read_rows(path) if len(row) >= 2 and all(row[:3])]
        if not rows:
            raise CorpusError(f"{path}: no row of the form s1⇥s2⇥label or anchor⇥positive⇥negative")
        labels = [_number(row[2]) if len(row) > 2 else 1.0 for row in rows]
        triplets = all(label is None for label in labels[:10])
        scale = 1.0 if triplets or max(x for x in labels if x is not None) <= 1 else 5.0
        for row, label in zip(rows, labels, strict=True):
            if triplets:
                if len(row) > 2 and not held_out.holds(*row[:3]):
                    yield LabelledPair(row[0], row[1], 1.0)
                    yield LabelledPair(row[0], row[2], 0.0)
            elif label is not None and not held_out.holds(*row[:2]):
                yield LabelledPair(row[0], row[1], label / scale)


def read_rows(path: Path) -> Iterator[Sequence[str]]:
    """Yield the stripped cells of each non-empty line; raises CorpusError naming file and line."""
    kind = _kind(path)
    if kind is None:
        raise CorpusError(f"{path}: a corpus file ends in .txt, .tsv or .csv (or these with .xz)")
    opener = lzma.open if path.suffix == ".xz" else open
    number = 0
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            lines = csv.reader(file) if kind == ".csv" else (line.split("\t") for line in file)
            for number, cells in enumerate(lines, 1):  # noqa: B007
                cells = [" ".join(cell.split()) for cell in cells]  # a quoted cell may break lines
                if any(cells):
                    yield cells
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file") from error
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, csv.Error) as error:
        raise CorpusError(f"{path}:{number + 1}: cannot be read as UTF-8 text ({error})") from error


def _evaluation_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [p for p in corpus_files([path]) if p.name.startswith(HELD_OUT_NAMES)]
    if not files:
        raise CorpusError(
            f"{path}: holds no file named {', '.join(n + '*' for n in HELD_OUT_NAMES)}"
        )
    return files


def _kind(path: Path) -> str | None:
    name = path.name.removesuffix(".xz")
    return next((end for end in (".txt", ".tsv", ".csv") if name.endswith(end)), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
