"""The command `python -m distill compress`: a thin skin over the compressors.

torch is imported when the command runs only.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from distill.bundle import IDF
from distill.classification_scores import Scores
from distill.classifier import ENCODER, Head, replacing, save
from distill.classifier_training import label_numbers, parts_of
from distill.commands import require_extra
from distill.compressors.examples import CHARACTERS, Examples, Problem
from distill.compressors.methods import LABELS, METHODS, Method
from distill.encoder import Encoder
from distill.errors import TrainingError
from distill.idf import WordIdf
from distill.text_table import read_texts, require_text
from distill.weights import Weighting

if TYPE_CHECKING:
    from distill.compressors.compress import Compressed, Materials

_PATH = click.Path(path_type=Path)
_NAMES = [name for name, method in METHODS.items() if LABELS in method.tasks]
_SERVED = ("lstm", "distilled_bilstm", "soft_labels")  # their network is the encoder's


@click.command()
@click.argument("method", type=click.Choice(_NAMES), metavar="METHOD")
@click.argument("table", type=_PATH)
@click.option("--teacher", required=True, help="A BERT-family model, by path or name.")
@click.option("--prefix", default="", help='Before each text the teacher reads, e.g. "query: ".')
@click.option("--encoder", default=Path("data/encoder"), show_default=True, type=_PATH)
@click.option("--dev", type=_PATH, help="Table that selects; default: a fifth of TABLE, held out.")
@click.option("--test", type=_PATH, help="Table that is read once, at the end.")
@click.option("-o", "--output", type=_PATH, help="Directory of a classifier to write.")
@click.option("--steps", default=300, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=7, show_default=True)
@click.option("--encoding", help="Of the tables, if it is not recognised, e.g. big5.")
def compress(
    method: str,
    table: Path,
    teacher: str,
    prefix: str,
    encoder: Path,
    dev: Path | None,
    test: Path | None,
    output: Path | None,
    steps: int,
    seed: int,
    encoding: str | None,
) -> None:
    """Compress a teacher for one task, another way than ours, to see which suits it.

    METHOD is one of those below; TABLE a csv with the columns 文本,标签 (text,label). Students that
    are built as our encoder is can be written with -o, and serve as `classify train`'s do.

    \b
    Example:
      python -m distill compress soft_labels 文本.csv --teacher bert-base-chinese --test 检验.csv
      python -m distill compress distilled_bilstm 文本.csv --teacher build/teacher -o build/labels
    """
    require_extra("distill", "torch", "transformers", "onnx")
    require_extra("tasks", "sklearn")
    chosen = METHODS[method]
    if output and method not in _SERVED:
        raise click.ClickException(
            f"{chosen.title}: 它的模型不能由编码器的运行环境来用, 只能比较。"
            f"怎么办: 去掉 -o, 或换成 {', '.join(_SERVED)}"
        )
    learned = read_texts(table, labelled=True, encoding=encoding)
    selecting = read_texts(dev, labelled=True, encoding=encoding) if dev else None
    parts = parts_of(learned, selecting, seed)
    reported = read_texts(test, labelled=True, encoding=encoding) if test else None
    if reported:
        require_text(reported)
        numbers = label_numbers(reported, parts.names)
    problem = Problem(
        Examples.of(parts.texts, parts.labels),
        Examples.of(parts.dev_texts, parts.dev_labels),
        len(parts.names),
    )
    materials = _materials(Encoder.load(encoder), teacher, prefix)
    if output:
        with replacing(output) as making:
            made = _made(chosen, problem, materials, steps, seed)
            _write(making, made, chosen, parts.names, materials, teacher)
    else:
        made = _made(chosen, problem, materials, steps, seed)
    if made.model:
        count = sum(p.numel() for p in made.model.parameters())
        click.echo(f"{count / 1e6:.1f} 百万参数, float32 {4 * count / 1e6:.1f} MB", err=True)
    if made.best.step == 0 and chosen.trained:
        click.echo("训练没有一次比开始时更好", err=True)
    shown, right = (
        (Examples.of(reported.texts, numbers), numbers)
        if reported
        else (problem.dev, problem.dev.labels)
    )
    predicted = made.scores(shown).argmax(axis=1)
    click.echo(Scores.of(parts.names, right, predicted).as_text())
    if output:
        click.echo(f"{output}: 已写入", err=True)
        click.echo(
            f"下一步: python -m distill classify predict {output} 新文本.csv -o 结果.csv", err=True
        )


def _materials(encoder: Encoder, teacher: str, prefix: str) -> "Materials":
    from distill.compressors.compress import OUR_VECTORS, Materials
    from distill.compressors.transformer import Checkpoint, TransformerModel

    weighting = Weighting(
        WordIdf.load(encoder.bundle.path / IDF), encoder.bundle.manifest.smoothing
    )
    checkpoint = Checkpoint.load(teacher, weighting, prefix)

    def embed(source: str, texts: Sequence[str]) -> np.ndarray:
        if source == OUR_VECTORS:
            return encoder.encode(texts)
        return TransformerModel(checkpoint, 2, source).vectors(texts)

    return Materials(encoder.bundle, checkpoint, embed)


def _made(
    method: Method, problem: Problem, materials: "Materials", steps: int, seed: int
) -> "Compressed":
    from distill.compressors.compress import Tutor
    from distill.compressors.compress import compress as make
    from distill.compressors.training import Budget

    budget = Budget(steps=steps, seed=seed)

    @cache
    def tutor() -> Tutor:
        click.echo("先微调教师 …", err=True)
        made = make(METHODS["teacher"], problem, materials, budget, tutor)
        click.echo(f"教师: dev 准确率 {100 * made.best.dev:.1f} %", err=True)
        return Tutor(made.model, made.scores)

    return make(method, problem, materials, budget, tutor)


def _write(
    making: Path,
    made: "Compressed",
    method: Method,
    names: Sequence[str],
    materials: "Materials",
    teacher: str,
) -> None:
    """Write the student as an encoder and what stands on it as a head: a classifier's directory."""
    from distill.compressors.small import SCALE, SmallModel, shape
    from distill.export import export

    assert isinstance(made.model, SmallModel)
    if made.best.step == 0:
        raise TrainingError("训练没有一次比随机的权重更好, 什么也没有写。怎么办: 多给一些文本")
    bundle = materials.bundle
    record = {"method": method.name, "step": made.best.step, "teacher": Path(teacher).name}
    vocabulary = made.model.network.embedding.num_embeddings
    manifest = replace(
        bundle.manifest,
        max_tokens=CHARACTERS,  # no more of a text was ever read
        name=method.name,
        teacher=Path(teacher).name if method.taught else "",
        training={
            "config": {"student": asdict(shape(bundle))},
            "vocabulary": vocabulary,
            "compressed": record,
        },
        metrics={"accuracy": round(made.best.dev, 4)},
    )
    report = export(made.model.network, bundle.path, making / ENCODER, manifest, int8=False)
    weights = (SCALE * made.model.head.weight).detach().numpy().copy()
    head = Head(tuple(names), weights, made.model.head.bias.detach().numpy().copy())
    record |= {"dev": {"accuracy": round(made.best.dev, 4)}}
    save(making, head, report.bundle.fingerprint, record, fine_tuned=True)
