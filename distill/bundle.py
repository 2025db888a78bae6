"""What is an encoder on disk? A directory of four files that are checked before use.

``model.onnx`` token ids, mask, weights → unit vector; ``tokenizer.json``; ``idf.tsv.gz``;
``manifest.json``: everything else that decides a vector, checksums, and where it all came from.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from distill.errors import BundleError
from distill.text import NORMALISER, SEGMENTER

FORMAT = 1
MODEL, TOKENIZER, IDF, MANIFEST = "model.onnx", "tokenizer.json", "idf.tsv.gz", "manifest.json"
_PARTS = (MODEL, TOKENIZER, IDF)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What decides a vector (dimension … sha256), and a record of how it was made (the rest)."""

    format: int = FORMAT
    dimension: int
    max_tokens: int
    smoothing: float
    normaliser: str = NORMALISER
    segmenter: str = SEGMENTER
    sha256: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    teacher: str = ""
    training: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there, whole, and readable by this version."""

    path: Path
    manifest: Manifest
    fingerprint: str  # equal fingerprints give equal vectors; 16 hexadecimal digits

    @classmethod
    def open(cls, path: Path) -> "Bundle":
        """Check a bundle and return it; raises BundleError, naming what is wrong and the remedy."""
        remedy = (
            "怎么办: 换一个完整的编码器目录 (命令行: --encoder 目录), "
            "或恢复自带的: git checkout -- data/encoder"
        )
        manifest_file = path / MANIFEST
        try:
            values = json.loads(manifest_file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BundleError(f"{path}: 这里没有编码器。{remedy}") from error
        except (OSError, ValueError) as error:
            raise BundleError(f"{manifest_file}: 无法读取 ({error})。{remedy}") from error
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            found = values.get("format") if isinstance(values, dict) else None
            raise BundleError(
                f"{manifest_file}: 编码器的格式是 {found}, 本版本只读格式 {FORMAT}。"
                f"怎么办: 重新导出: python -m distill export RUN -o {path}"
            )
        try:
            manifest = Manifest(**values)
        except TypeError as error:
            raise BundleError(f"{manifest_file}: 内容不对 ({error})。{remedy}") from error
        for ours, theirs, what in (
            (NORMALISER, manifest.normaliser, "文字规范化"),
            (SEGMENTER, manifest.segmenter, "分词器"),
        ):
            if ours != theirs:
                raise BundleError(
                    f"{manifest_file}: 是用{what} {theirs} 做的, 这里装的是 {ours}, 权重对不上。"
                    f"怎么办: 安装那个版本, 或重新导出: python -m distill export RUN -o {path}"
                )
        for name in _PARTS:
            file = path / name
            if not file.exists():
                raise BundleError(f"{file}: 没有这个文件。{remedy}")
            if file_sha256(file) != manifest.sha256.get(name):
                raise BundleError(f"{file}: 校验和不对, 文件已损坏。{remedy}")
        return cls(path, manifest, _fingerprint(manifest))

    @property
    def size(self) -> int:
        """Return the size of its files in bytes."""
        return sum((self.path / name).stat().st_size for name in (*_PARTS, MANIFEST))


def seal(path: Path, manifest: Manifest) -> Bundle:
    """Write the manifest of a directory that holds the other files, and open it as a bundle."""
    sums = {name: file_sha256(path / name) for name in _PARTS}
    values = dataclasses.asdict(dataclasses.replace(manifest, sha256=sums))
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    (path / MANIFEST).write_text(text, encoding="utf-8")
    return Bundle.open(path)


def _fingerprint(manifest: Manifest) -> str:
    decisive = dataclasses.asdict(manifest)
    for record in ("name", "teacher", "training", "metrics"):
        del decisive[record]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the checksum of a file as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
