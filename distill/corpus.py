"""Which text may be trained on? Reading corpora, and keeping held-out sentences away from them.

In: files as they lie on disk (.txt, .tsv, .csv, each also .xz). Out: sentences, translations or
labelled pairs, without any sentence that stands in a held-out file.
"""

import csv
import functools
import io
import logging
import lzma
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from distill.errors import CorpusError
from distill.text import normalise

# A directory given as held out stands for the files in it that evaluate or select.
HELD_OUT_NAMES = ("test", "dev", "queries")

STANDARD_INPUT = Path("-")  # tab-separated lines; can be read once

LONGEST_SENTENCE = 2000  # characters; what is longer is no sentence, and left out
LONGEST_LINE = 1_000_000  # characters; what is longer is no table, and never read whole

_log = logging.getLogger(__name__)


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
    """List the files meant by ``paths``, directories read whole.

    Raises CorpusError if there is none, or one of another kind: before hours of work on the others.
    """
    paths, files = list(paths), []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.rglob("*") if _kind(p))
        elif path != STANDARD_INPUT and not path.exists():
            raise CorpusError(f"{path}: no such file")
        else:
            _require_kind(path)
            files.append(path)
    if not files:
        raise CorpusError(f"{_names(paths)}: holds no .txt, .tsv or .csv file")
    return files


def read_sentences(paths: Iterable[Path], held_out: HeldOut = NOTHING) -> Iterator[str]:
    """Yield the first column of each row, except what is held out; duplicates are kept.

    What is longer than ``LONGEST_SENTENCE`` is left out, and counted in the log. Raises CorpusError
    if nothing is left.
    """
    paths, found = list(paths), False
    for path in corpus_files(paths):
        too_long = 0
        for row in read_rows(path):
            if len(row[0]) > LONGEST_SENTENCE:
                too_long += 1
            elif _says_something(row[0]) and not held_out.holds(row[0]):
                found = True
                yield row[0]
        _report_too_long(path, too_long)
    if not found:
        raise _nothing_left(paths)


def read_translations(
    paths: Iterable[Path],
    held_out: HeldOut = NOTHING,
    *,
    monolingual: bool = False,
    per_file: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield (student's side, teacher's side): columns 1 and 2, or a sentence for both sides.

    ``monolingual`` takes column 1 for both. ``per_file`` takes at most that many rows of a file,
    drawn by their text, so that no large file drowns the others. Long rows and an empty result are
    treated as by ``read_sentences``.
    """
    paths, seen = list(paths), set()
    for path in corpus_files(paths):
        rows, too_long = [], 0
        for row in read_rows(path):
            student = row[0]
            teacher = row[1] if len(row) > 1 and not monolingual else student
            if max(len(student), len(teacher)) > LONGEST_SENTENCE:
                too_long += 1
                continue
            # The rule asks for the student's language; the teacher's costs nothing to check.
            usable = _says_something(student) and _says_something(teacher)
            if not usable or held_out.holds(student, teacher):
                continue
            if (mark := hash((student, teacher))) not in seen:
                seen.add(mark)
                rows.append((student, teacher))
        _report_too_long(path, too_long)
        if per_file is not None and len(rows) > per_file:
            rows = sorted(rows, key=_draw)[:per_file]
        yield from rows
    if not seen:
        raise _nothing_left(paths)


def read_pairs(paths: Iterable[Path], held_out: HeldOut = NOTHING) -> Iterator[LabelledPair]:
    """Yield ``s1⇥s2⇥label`` rows, ``s1⇥s2`` as a positive, ``anchor⇥positive⇥negative`` as two.

    A file keeps to one of these forms; above labels, its first line may name the columns. Labels
    run from 0 to 1 or, where one is above 1, from 0 to 5 as in STS-B. A row with a held-out
    sentence is dropped. Raises CorpusError for a row of another form, naming its line, and if no
    pair is left or none is labelled above 0.
    """
    paths, found, alike = list(paths), False, False
    for path in corpus_files(paths):
        for texts, label in _labelled_rows(path):
            alike = alike or label > 0
            if held_out.holds(*texts):
                continue
            found = True
            yield LabelledPair(texts[0], texts[1], label)
            if len(texts) > 2:
                yield LabelledPair(texts[0], texts[2], 0.0)
    if not found:
        raise _nothing_left(paths)
    if not alike:
        raise CorpusError(
            f"{_names(paths)}: all labels are equal (0), so nothing says which sentences are "
            f"alike. Label such pairs 1"
        )


def read_rows(path: Path) -> Iterator[Sequence[str]]:
    """Yield the stripped cells of each non-empty line; raises CorpusError naming file and line.

    Memory is bounded whatever the file holds. A file without any such line raises as well.
    """
    return (cells for _, cells in _numbered_rows(path))


def _numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's first line, from 1, and its cells."""
    _require_kind(path)
    found = False
    try:
        with (
            _open(path) as raw,
            # Bytes that are no UTF-8 come through escaped, so that their line can be named.
            io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file,
        ):
            lines = _lines(path, file)
            rows = csv_rows(path, lines) if _kind(path) == ".csv" else _tab_rows(lines)
            for number, cells in rows:
                cells = [" ".join(cell.split()) for cell in cells]  # a quoted cell may break lines
                if any(cells):
                    found = True
                    yield number, cells
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error
    if not found:
        raise CorpusError(f"{path}: holds no text. Leave it out, or fetch it again")


def _open(path: Path) -> BinaryIO:
    if path == STANDARD_INPUT:
        return io.BytesIO(sys.stdin.buffer.read())
    return lzma.open(path, "rb") if path.suffix == ".xz" else path.open("rb")


def _lines(path: Path, file: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines that are UTF-8, hold no NUL and are not longer than ``LONGEST_LINE``."""
    number = 0
    try:
        # A longer line comes in pieces, the first of which is refused.
        for line in iter(functools.partial(file.readline, LONGEST_LINE), ""):
            number += 1
            if len(line) == LONGEST_LINE:
                raise CorpusError(
                    f"{path}:{number}: a line of {LONGEST_LINE:,} characters or more is no "
                    f"sentence. Give one sentence a line"
                )
            if "\0" in line:
                raise CorpusError(
                    f"{path}:{number}: cannot be read as text, it holds a NUL byte. Leave the file "
                    f"out, or convert it if it is UTF-16: iconv -f UTF-16 -t UTF-8"
                )
            if not line.isascii():
                line.encode("utf-8")  # refuses the escaped bytes
            yield line
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"{path}:{number}: cannot be read as UTF-8 text (byte "
            f"0x{ord(error.object[error.start]) - 0xDC00:02x} at character {error.start + 1}). "
            f"Convert it: iconv -f GB18030 -t UTF-8"
        ) from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise CorpusError(
            f"{path}:{number + 1}: cannot be read ({error}). The file is damaged: fetch it again"
        ) from error


def _tab_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    return enumerate((line.split("\t") for line in lines), 1)


def csv_rows(
    path: Path, lines: Iterable[str], delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's first line, from 1, and its cells; raises CorpusError."""
    # Strict: a quote left open would swallow the rows behind it.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CorpusError(
                f"{path}:{number}: 不是表格 ({error})。怎么办: 检查这一行起的引号是否配对"
            ) from error
        if cells is None:
            return
        yield number, cells


def _labelled_rows(path: Path) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield two texts and their label, or the three texts of a triplet and 1."""
    numbers, rows = zip(*_numbered_rows(path), strict=True)
    width = min(3, max(map(len, rows)))
    if width < 2:
        raise CorpusError(f"{path}: no row of the form s1⇥s2⇥label or anchor⇥positive⇥negative")
    labels = [_label(row[2]) if len(row) > 2 else None for row in rows]
    labelled = any(label is not None for label in labels[:10])
    scale = 5.0 if max((x for x in labels if x is not None), default=0) > 1 else 1.0
    too_long = 0
    for number, row, label in zip(numbers, rows, labels, strict=True):
        texts = tuple(row[: 2 if labelled else width])
        if len(row) < width or not all(row[:width]):
            raise CorpusError(
                f"{path}:{number}: {width} columns must be filled as in the other rows, "
                f"found {row[:width]}"
            )
        if labelled and label is None and number == numbers[0]:
            continue  # the names of the columns
        if labelled and (label is None or not 0 <= label <= 5):
            raise CorpusError(
                f"{path}:{number}: {row[2]!r} is no label. Give a number from 0 to 1, or to 5"
            )
        if max(map(len, texts)) > LONGEST_SENTENCE:
            too_long += 1
            continue
        yield texts, label / scale if labelled else 1.0
    _report_too_long(path, too_long)


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
    if path == STANDARD_INPUT:
        return ".tsv"
    name = path.name.removesuffix(".xz")
    return next((end for end in (".txt", ".tsv", ".csv") if name.endswith(end)), None)


def _require_kind(path: Path) -> None:
    if _kind(path) is None:
        raise CorpusError(
            f"{path}: a corpus file ends in .txt, .tsv or .csv (or these with .xz). Rename it"
        )


def _label(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _says_something(text: str) -> bool:
    """Say whether anything of a text is left to encode; mostly told without normalising it."""
    return bool(text) and (text.isprintable() or bool(normalise(text)))


def _report_too_long(path: Path, rows: int) -> None:
    if rows:
        _log.warning(
            "%s: left out %d rows of more than %d characters: no sentences",
            *(path, rows, LONGEST_SENTENCE),
        )


def _nothing_left(paths: Sequence[Path]) -> CorpusError:
    return CorpusError(
        f"{_names(paths)}: nothing is left to read: every row is empty, too long or excluded. "
        f"Give more files, or fewer --exclude"
    )


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _draw(row: tuple[str, str]) -> int:
    """Return the same pseudo-random number for the same row, in every process."""
    return zlib.crc32(f"{row[0]}\t{row[1]}".encode())
