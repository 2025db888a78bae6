"""The commands of `python -m distill`: a thin skin over the modules beside it.

torch and transformers are imported inside the commands that need them, so that --help is instant
and `encode` and `evaluate` work in a serving install.
"""

import dataclasses
import functools
import importlib.util
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from distill.bundle import IDF, TOKENIZER, Manifest, file_sha256
from distill.errors import DistillError

DEFAULT_ENCODER = Path("data/encoder")
RUN = "run.json"
_PATH = click.Path(path_type=Path)
_EXTRA = ("torch", "transformers", "onnx", "pypinyin")


class _Group(click.Group):
    """Turns expected errors into one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click knows: the reader of our output has seen enough
            raise
        except (DistillError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Distil a small sentence encoder from a large teacher, and use it.

    \b
    Example:
      python -m distill encode --encoder data/encoder -o vectors.npy < sentences.txt
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


def _needs_training_extra(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def guarded(*args: object, **kwargs: object) -> None:
        missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
        if missing:
            raise click.ClickException(
                f"this command needs {', '.join(missing)}: pip install -e '.[distill]'"
            )
        command(*args, **kwargs)

    return guarded


_exclude = click.option(
    "--exclude",
    "excluded",
    multiple=True,
    type=_PATH,
    help="File whose sentences are held out; a directory means its test*, dev* and queries*.",
)


@main.command()
@click.argument("corpus", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Where to write the table.")
@click.option("--minimum", default=5, show_default=True, help="Leave out words in fewer sentences.")
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, help="Processes.")
@_exclude
def idf(
    corpus: tuple[Path, ...], output: Path, minimum: int, workers: int, excluded: tuple[Path, ...]
) -> None:
    """Count in how many sentences of a corpus each word occurs.

    \b
    Example:
      python -m distill idf corpus/*.txt.xz -o idf.tsv.gz
    """
    from distill.corpus import HeldOut, read_sentences
    from distill.idf import count_words

    _require_directory(output)
    sentences = tqdm(
        read_sentences(corpus, HeldOut.read(excluded)), unit=" sentences", file=sys.stderr
    )
    table = count_words(sentences, minimum=minimum, workers=workers)
    table.save(output)
    by_count = sorted(table.frequency, key=table.frequency.__getitem__)
    click.echo(f"{output}: {table.documents} sentences, {len(by_count)} words", err=True)
    click.echo(f"lightest: {' '.join(by_count[:-21:-1])}", err=True)
    click.echo(f"heaviest: {' '.join(by_count[:20])}", err=True)


@main.command()
@click.argument("corpus", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Where to write tokenizer.json.")
@click.option("--size", default=10_000, show_default=True, help="Tokens in the vocabulary.")
@_exclude
def vocabulary(
    corpus: tuple[Path, ...], output: Path, size: int, excluded: tuple[Path, ...]
) -> None:
    """Learn the student's own vocabulary from a corpus.

    \b
    Example:
      python -m distill vocabulary corpus/*.txt.xz --size 10000 -o tokenizer.json
    """
    from distill.corpus import HeldOut, read_sentences
    from distill.tokens import train_tokenizer

    _require_directory(output)
    tokenizer = train_tokenizer(read_sentences(corpus, HeldOut.read(excluded)), size)
    tokenizer.save(str(output))
    click.echo(f"{output}: {tokenizer.get_vocab_size()} tokens", err=True)


@main.command()
@click.argument("corpus", nargs=-1, required=True, type=_PATH)
@click.option("--teacher", required=True, help="Path or hub name of a transformer checkpoint.")
@click.option(
    "--pooling",
    type=click.Choice(["own", "cls", "mean", "idf"]),
    help="Default: the model's own if it has one, else idf.",
)
@click.option("--idf", "idf_file", type=_PATH, help="Word counts, for pooling idf.")
@click.option("-o", "--output", required=True, type=_PATH, help="Directory of the shards.")
@click.option("--shard-size", default=8192, show_default=True, help="Rows a shard.")
@click.option("--bfloat16", is_flag=True, help="Compute in bfloat16: faster where the CPU has it.")
@_exclude
@_needs_training_extra
def teach(
    corpus: tuple[Path, ...],
    teacher: str,
    pooling: str | None,
    idf_file: Path | None,
    output: Path,
    shard_size: int,
    bfloat16: bool,
    excluded: tuple[Path, ...],
) -> None:
    """Compute the teacher's vectors once, into shards that a killed run goes on from.

    A row of one column is read by teacher and student alike; of two columns (a translation), the
    student reads the first and the teacher the second.

    \b
    Example:
      python -m distill teach --teacher bert-base-chinese --idf idf.tsv.gz corpus.txt -o shards/
    """
    from distill.corpus import HeldOut, read_translations
    from distill.idf import WordIdf
    from distill.shards import ShardPlan, corpus_digest, write_shards
    from distill.teacher import load_teacher
    from distill.weights import Weighting

    weighting = Weighting(WordIdf.load(idf_file)) if idf_file else None
    pairs = list(read_translations(corpus, HeldOut.read(excluded)))
    if not pairs:
        raise click.ClickException("the corpus holds no sentence that is not excluded")
    model = load_teacher(teacher, pooling, weighting, bfloat16=bfloat16)
    plan = ShardPlan(
        teacher=Path(teacher).name,
        pooling=pooling or "default",
        corpus_sha256=corpus_digest(pairs),
        rows=len(pairs),
        shard_size=shard_size,
    )
    with tqdm(total=len(pairs), unit=" rows", file=sys.stderr) as bar:
        computed = write_shards(output, plan, pairs, model.encode, bar.update)
    click.echo(f"{output}: {len(pairs)} rows, {computed} of them computed now", err=True)


@main.command()
@click.option("--shards", required=True, type=_PATH, help="Teacher's vectors, from `teach`.")
@click.option("--idf", "idf_file", required=True, type=_PATH, help="Word counts, from `idf`.")
@click.option("--tokenizer", required=True, type=_PATH, help="From `vocabulary`.")
@click.option("--pairs", multiple=True, type=_PATH, help="Labelled pairs or triplets to train on.")
@click.option("--copies", multiple=True, type=_PATH, help="Sentences to learn typos from.")
@click.option("--dev", multiple=True, type=_PATH, help="Labelled pairs that select the best step.")
@click.option("--config", "config_file", type=_PATH, help="JSON of settings; see config.py.")
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, help="Processes.")
@click.option("-o", "--output", required=True, type=_PATH, help="Directory of the run.")
@_exclude
@_needs_training_extra
def train(
    shards: Path,
    idf_file: Path,
    tokenizer: Path,
    pairs: tuple[Path, ...],
    copies: tuple[Path, ...],
    dev: tuple[Path, ...],
    config_file: Path | None,
    workers: int,
    output: Path,
    excluded: tuple[Path, ...],
) -> None:
    """Train a student on the teacher's vectors; the same command goes on after a kill.

    \b
    Example:
      python -m distill train --shards shards/ --idf idf.tsv.gz --tokenizer tokenizer.json -o run/
    """
    from distill.config import TrainConfig
    from distill.corpus import HeldOut
    from distill.dataset import read_training_data
    from distill.shards import read_plan
    from distill.train import train as run

    config = TrainConfig.load(config_file) if config_file else TrainConfig()
    record = {
        "config": dataclasses.asdict(config),
        "teacher": dataclasses.asdict(read_plan(shards)),
        # Names only: where a corpus lies on the training machine is nobody's business.
        "pairs_from": ["/".join(path.parts[-2:]) for path in pairs],
        "copies_from": ["/".join(path.parts[-2:]) for path in copies],
        "selected_by": ["/".join(path.parts[-2:]) for path in dev],
        "sha256": {IDF: file_sha256(idf_file), TOKENIZER: file_sha256(tokenizer)},
    }
    _require_same_run(output, record)
    data = read_training_data(
        config,
        shards=shards,
        idf=idf_file,
        tokenizer=tokenizer,
        pairs=pairs,
        copies=copies,
        dev=dev,
        held_out=HeldOut.read(excluded),
        workers=workers,
    )
    record |= {
        "vocabulary": data.vocabulary,
        "texts_with_teacher_vector": len(data.vectors.texts),
        "labelled_pairs": len(data.pairs.labels) if data.pairs else 0,
        "noised_copies": len(data.copies.labels) if data.copies else 0,
    }
    output.mkdir(parents=True, exist_ok=True)
    for source, name in ((idf_file, IDF), (tokenizer, TOKENIZER)):
        if source.resolve() != (output / name).resolve():
            shutil.copyfile(source, output / name)
    (output / RUN).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def report(row: dict[str, float]) -> None:
        click.echo("  ".join(f"{key} {value:.4g}" for key, value in row.items()), err=True)

    run(config, data, output, report)
    click.echo(f"next: python -m distill export {output} -o data/encoder", err=True)


@main.command()
@click.argument("run", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="The bundle; replaced if there.")
@click.option("--name", default="", help="A name for the manifest.")
@click.option("--float32", is_flag=True, help="Keep float32 weights (4 times the size).")
@_needs_training_extra
def export(run: Path, output: Path, name: str, float32: bool) -> None:
    """Turn a training run into a bundle, checked against torch before it is put in place.

    \b
    Example:
      python -m distill export run/ -o data/encoder
    """
    from distill.config import TrainConfig
    from distill.export import export as write
    from distill.train import best_metrics, load_best
    from distill.weights import DEFAULT_SMOOTHING

    try:
        record = json.loads((run / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"{run}: not a training run ({error}). Make one: python -m distill train … -o {run}"
        ) from error
    config = TrainConfig.from_json(json.dumps(record["config"]), str(run / RUN))
    manifest = Manifest(
        dimension=config.student.dimension,
        max_tokens=config.student.max_tokens,
        smoothing=DEFAULT_SMOOTHING,
        name=name,
        teacher=record["teacher"]["teacher"],
        training=record,
        metrics=best_metrics(run),
    )
    student = load_best(run, config, record["vocabulary"])
    report = write(student, run, output, manifest, int8=not float32)
    click.echo(
        f"{output}: {report.bundle.size / 1e6:.2f} MB, fingerprint {report.bundle.fingerprint}; "
        f"ONNX - torch {report.largest_difference:.1e}, alone - in a batch "
        f"{report.batch_difference:.1e}, int8 cosine ≥ {report.int8_cosine:.4f}",
        err=True,
    )


@main.command()
@click.argument("pairs", nargs=-1, required=True, type=_PATH)
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, type=_PATH)
@click.option("--json", "json_file", type=_PATH, help="Write the figures here too.")
def evaluate(pairs: tuple[Path, ...], encoder: Path, json_file: Path | None) -> None:
    """Print Spearman's correlation (× 100) of cosines with the labels of sentence pairs.

    \b
    Example:
      python -m distill evaluate --encoder data/encoder lcqmc/test.tsv
    """
    from distill.corpus import read_pairs
    from distill.encoder import Encoder
    from distill.evaluate import evaluate_pairs

    if json_file:
        _require_directory(json_file)
    model = Encoder.load(encoder)
    scores = {}
    for path in pairs:
        rows = list(read_pairs([path]))
        scores[str(path)] = round(evaluate_pairs(model, rows), 2)
        click.echo(f"{scores[str(path)]:6.2f}  {len(rows):6d} pairs  {path}")
    if json_file:
        result = {"fingerprint": model.fingerprint, "spearman": scores}
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")


@main.command()
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, type=_PATH)
@click.option("-o", "--output", type=_PATH, help="Write a .npy file instead of standard output.")
def encode(encoder: Path, output: Path | None) -> None:
    """Encode sentences from standard input, one a line, as float32 (n, d) of unit length.

    \b
    Example:
      echo 怎么退货 | python -m distill encode -o vectors.npy
    """
    from distill.encoder import Encoder
    from distill.text import normalise

    if output is None and sys.stdout.isatty():
        raise click.ClickException("vectors are binary: give -o vectors.npy")
    model = Encoder.load(encoder)
    try:
        lines = sys.stdin.buffer.read().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"standard input is not UTF-8 ({error})") from error
    if not lines[-1].strip():
        lines.pop()  # what stands behind the last line break
    for number, line in enumerate(lines, 1):
        if not normalise(line):
            raise click.ClickException(
                f"standard input, line {number}: empty. Remove it: a vector needs a text"
            )
    vectors = model.encode(lines)
    if output is None:
        np.save(sys.stdout.buffer, vectors)
    else:
        with output.open("wb") as file:
            np.save(file, vectors)
        click.echo(f"{output}: {vectors.shape[0]} × {vectors.shape[1]} float32", err=True)


def _require_directory(output: Path) -> None:
    """Refuse before hours of work what would fail after them."""
    if not output.parent.is_dir():
        raise click.ClickException(
            f"{output}: no such directory. Make it: mkdir -p {output.parent}"
        )


def _require_same_run(output: Path, record: dict[str, object]) -> None:
    """Refuse to go on with a run on other inputs: its checkpoint would not fit them."""
    if not (output / RUN).exists():
        return
    begun = json.loads((output / RUN).read_text(encoding="utf-8"))
    differing = [key for key, value in record.items() if begun.get(key) != value]
    if differing:
        raise click.ClickException(
            f"{output}: was begun with another {', '.join(differing)}. Give an empty -o directory, "
            f"or the inputs it was begun with"
        )
