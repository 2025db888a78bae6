"""The commands of `python -m distill classify`: a thin skin over the classifier's modules.

torch is imported for --fine-tune only; predict and evaluate need a serving install and no more.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from distill.classification_scores import Scores
from distill.classifier import ENCODER, Classifier, Head, replacing, save
from distill.classifier_training import (
    FittedHead,
    LabelledVectors,
    fit_head,
    fit_once,
    label_numbers,
    parts_of,
    remarks,
)
from distill.commands import require_extra
from distill.encoder import Encoder
from distill.errors import CorpusError, TrainingError
from distill.files import write_whole
from distill.spreadsheet import csv_bytes
from distill.text import normalise
from distill.text_table import in_lines, read_texts, require_text

_PATH = click.Path(path_type=Path)
_encoder = click.option(
    "--encoder", default=Path("data/encoder"), show_default=True, type=_PATH, help="Its bundle."
)
_encoding = click.option("--encoding", help="Of the tables, if it is not recognised, e.g. big5.")


@click.group()
def classify() -> None:
    """Give short texts one of a few labels: topics, intents, sentiment.

    \b
    Example:
      python -m distill classify train 文本.csv -o build/labels
      python -m distill classify predict build/labels 新文本.csv -o 结果.csv
    """


@classify.command()
@click.argument("table", type=_PATH)
@_encoder
@click.option("-o", "--output", required=True, type=_PATH, help="Directory of the classifier.")
@click.option("--dev", type=_PATH, help="Table that selects; default: a fifth of TABLE, held out.")
@click.option("--fine-tune", is_flag=True, help="Train the encoder too (minutes; needs torch).")
@click.option("--balanced", is_flag=True, help="Rare labels count as much as frequent ones.")
@click.option("--float32", is_flag=True, help="Keep a fine-tuned encoder's weights in float32.")
@click.option("--seed", default=7, show_default=True, help="Of drawing and fine-tuning.")
@_encoding
def train(
    table: Path,
    encoder: Path,
    output: Path,
    dev: Path | None,
    fine_tune: bool,
    balanced: bool,
    float32: bool,
    seed: int,
    encoding: str | None,
) -> None:
    """Learn from a csv with the columns 文本,标签 (text,label).

    \b
    Example:
      python -m distill classify train 文本.csv -o build/labels
      python -m distill classify train 文本.csv --fine-tune -o build/labels
    """
    require_extra("tasks", "sklearn")
    if fine_tune:
        require_extra("distill", "torch", "transformers", "onnx", "pypinyin")
    learned = read_texts(table, labelled=True, encoding=encoding)
    selecting = read_texts(dev, labelled=True, encoding=encoding) if dev else None
    parts = parts_of(learned, selecting, seed)
    names, texts, dev_texts = parts.names, parts.texts, parts.dev_texts
    for remark in remarks(learned):
        click.echo(remark, err=True)
    click.echo(
        f"{len(names)} 种标签; {len(texts)} 条用于学习, {len(dev_texts)} 条用于挑选"
        f"{'' if dev else ' (从表里留出)'}",
        err=True,
    )
    model = Encoder.load(encoder)
    with replacing(output) as making:
        every = _encoded(model, [*texts, *dev_texts])
        here = LabelledVectors(every[: len(texts)], parts.labels)
        there = LabelledVectors(every[len(texts) :], parts.dev_labels)
        fitted = fit_head(names, here, there, balanced=balanced)
        record: dict[str, object] = {
            "rows": len(learned.rows),
            "selected_on": len(dev_texts),
            "balanced": balanced,
            "strength": fitted.strength,
        }
        if fine_tune:
            head, scores, step, fingerprint = _fine_tuned(
                model, fitted, (texts, here.labels), (dev_texts, there.labels),
                making / ENCODER, balanced=balanced, seed=seed, int8=not float32,
            )  # fmt: skip
            record |= {"seed": seed, "step": step, "frozen": _figures(fitted.dev)}
        else:
            head, scores, fingerprint = fitted.head, fitted.dev, model.fingerprint
            if not dev:  # what was held out has chosen; now it teaches too
                whole = LabelledVectors(every, np.concatenate([here.labels, there.labels]))
                head = fit_once(names, whole, fitted.strength, balanced=balanced)
        record["dev"] = _figures(scores)
        save(making, head, fingerprint, record, fine_tuned=fine_tune)
    click.echo(scores.as_text())
    click.echo(f"{output}: 已写入", err=True)
    click.echo(
        f"下一步: python -m distill classify predict {output} 新文本.csv -o 结果.csv", err=True
    )


@classify.command()
@click.argument("model", type=_PATH)
@click.argument("table", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="The csv to write.")
@_encoder
@_encoding
def predict(model: Path, table: Path, output: Path, encoder: Path, encoding: str | None) -> None:
    """Append the likeliest label and its probability to each row of a csv (or line of a txt).

    \b
    Example:
      python -m distill classify predict build/labels 新文本.csv -o 结果.csv
    """
    if output.exists() and output.resolve() == table.resolve():
        raise click.ClickException(f"{output}: 就是要读的文件。怎么办: 换一个 -o")
    classifier = Classifier.load(model, encoder)
    given = read_texts(table, encoding=encoding)
    speaking = [bool(normalise(row.text)) for row in given.rows]
    texts = [row.text for row, speaks in zip(given.rows, speaking, strict=True) if speaks]
    if not texts:
        raise CorpusError(f"{table}: 每一行的文本都是空的。怎么办: 检查「文本」列")
    found = iter(classifier.head.probabilities(_encoded(classifier.encoder, texts)))
    header = given.header or ("文本",)
    rows = [(*header, "预测标签", "概率")]
    for row, speaks in zip(given.rows, speaking, strict=True):
        cells = (*row.cells[: len(header)], *[""] * (len(header) - len(row.cells)))
        label = probability = ""
        if speaks:
            values = next(found)
            label, probability = classifier.head.labels[values.argmax()], f"{values.max():.4f}"
        rows.append((*cells, label, probability))
    write_whole(output, csv_bytes(rows))
    click.echo(f"{output}: {len(rows) - 1} 行", err=True)
    if silent := [row.line for row, speaks in zip(given.rows, speaking, strict=True) if not speaks]:
        click.echo(f"{in_lines(silent)}没有文本, 标签留空", err=True)


@classify.command()
@click.argument("model", type=_PATH)
@click.argument("table", type=_PATH)
@click.option("--json", "json_file", type=_PATH, help="Write the figures here too.")
@_encoder
@_encoding
def evaluate(
    model: Path, table: Path, json_file: Path | None, encoder: Path, encoding: str | None
) -> None:
    """Say how often a classifier is right on a labelled table, for each label, and its confusions.

    \b
    Example:
      python -m distill classify evaluate build/labels 检验.csv --json 结果.json
    """
    classifier = Classifier.load(model, encoder)
    given = read_texts(table, labelled=True, encoding=encoding)
    require_text(given)
    numbers = label_numbers(given, classifier.head.labels)
    predicted = classifier.head.predict(_encoded(classifier.encoder, given.texts))
    scores = Scores.of(classifier.head.labels, numbers, predicted)
    click.echo(scores.as_text())
    if json_file:
        text = json.dumps(scores.as_json(), ensure_ascii=False, indent=1) + "\n"
        write_whole(json_file, text.encode())


def _encoded(encoder: Encoder, texts: list[str]) -> np.ndarray:
    with tqdm(total=len(texts), unit=" texts", file=sys.stderr, leave=False) as bar:
        return encoder.encode(texts, progress=bar.update)


def _figures(scores: Scores) -> dict[str, float]:
    return {"accuracy": round(scores.accuracy, 4), "macro_f1": round(scores.macro_f1, 4)}


def _fine_tuned(
    encoder: Encoder,
    fitted: FittedHead,
    train: tuple[list[str], np.ndarray],
    dev: tuple[list[str], np.ndarray],
    output: Path,
    *,
    balanced: bool,
    seed: int,
    int8: bool,
) -> tuple[Head, Scores, int, str]:
    """Fine-tune, write the encoder to ``output``; return head, scores as served, step, encoder."""
    from distill.classifier_finetune import finetune_classifier, tokenised
    from distill.config import ClassifierConfig
    from distill.export import export, load_student

    tuned = finetune_classifier(
        ClassifierConfig(seed=seed),
        load_student(encoder.bundle),
        fitted.head,
        tokenised(encoder.bundle, *train),
        tokenised(encoder.bundle, *dev),
        balanced=balanced,
        report=lambda row: click.echo(
            "  ".join(f"{key} {value:.4g}" for key, value in row.items()), err=True
        ),
    )
    if tuned.step == 0:
        raise TrainingError(
            f"微调没有一次比不动编码器更好 (准确率 {100 * fitted.dev.accuracy:.1f} %), "
            f"什么也没有写。怎么办: 去掉 --fine-tune, 或多给一些文本"
        )
    old = encoder.bundle.manifest
    manifest = replace(
        old,
        name=f"{old.name}-classifier",
        training={**old.training, "classifier": {"from": encoder.fingerprint, "step": tuned.step}},
        metrics=_figures(tuned.dev),
    )
    export(tuned.student, encoder.bundle.path, output, manifest, int8=int8)
    served = Encoder.load(output)
    predicted = tuned.head.predict(_encoded(served, dev[0]))
    scores = Scores.of(tuned.head.labels, dev[1], predicted)
    return tuned.head, scores, tuned.step, served.fingerprint
