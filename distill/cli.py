"""The commands of `python -m distill`: a thin skin over the modules beside it.

torch and transformers are imported inside the commands that need them, so that --help is instant
and `encode` and `evaluate` work in a serving install.
"""

import dataclasses
import functools
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from distill.bundle import IDF, MANIFEST, TOKENIZER, Bundle, Manifest, file_sha256
from distill.classify_cli import classify
from distill.cluster_cli import cluster
from distill.commands import Commands, require_extra
from distill.compress_cli import compress
from distill.errors import TextError
from distill.files import write_whole

DEFAULT_ENCODER = Path("data/encoder")
RUN = "run.json"
_PATH = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)
_MOST_UNKNOWN = 0.05  # share of tokens in the texts to learn from
_EXTRA = ("torch", "transformers", "onnx", "pypinyin")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
        require_extra("distill", *_EXTRA)
        command(*args, **kwargs)

    return guarded


main.add_command(classify)
main.add_command(cluster)
main.add_command(compress)

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
@click.option(
    "--minimum",
    default=5,
    type=_COUNT,
    show_default=True,
    help="Leave out words in fewer sentences.",
)
@click.option(
    "--workers", default=os.cpu_count() or 1, type=_COUNT, show_default=True, help="Processes."
)
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
    ranked = sorted(table.frequency, key=table.idf)
    click.echo(f"{output}: {table.documents} sentences, {len(ranked)} words", err=True)
    for name, words in (("lightest", ranked[:20]), ("heaviest", ranked[:-21:-1])):
        line = "  ".join(f"{word} {table.idf(word):.2f}" for word in words)
        click.echo(f"{name}: {line}", err=True)


@main.command()
@click.argument("corpus", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Where to write tokenizer.json.")
@click.option(
    "--size", default=10_000, type=_COUNT, show_default=True, help="Tokens in the vocabulary."
)
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
    write_whole(output, tokenizer.to_str(pretty=True).encode())
    click.echo(f"{output}: {tokenizer.get_vocab_size()} tokens", err=True)


@main.command()
@click.argument("corpus", nargs=-1, required=True, type=_PATH)
@click.option("--teacher", required=True, help="Path or hub name of a transformer checkpoint.")
@click.option(
    "--pooling",
    type=click.Choice(["own", "cls", "mean", "first-last", "idf"]),
    help="Default: the model's own if it has one, else idf.",
)
@click.option("--idf", "idf_file", type=_PATH, help="Word counts, for idf and perturbations.")
@click.option(
    "--perturbations",
    default=0,
    type=click.IntRange(min=0),
    show_default=True,
    help="Store this many vectors a text with perturbed word weights beside the plain one.",
)
@click.option("--prefix", default="", help='Put before each text, as "query: " for E5 models.')
@click.option("--monolingual", is_flag=True, help="Teacher and student both read column one.")
@click.option(
    "--per-file", type=_COUNT, help="Take at most this many rows of each file, at random."
)
@click.option("-o", "--output", required=True, type=_PATH, help="Directory of the shards.")
@click.option("--shard-size", default=8192, type=_COUNT, show_default=True, help="Rows a shard.")
@click.option("--bfloat16", is_flag=True, help="Compute in bfloat16: faster where the CPU has it.")
@_exclude
@_needs_training_extra
def teach(
    corpus: tuple[Path, ...],
    teacher: str,
    pooling: str | None,
    idf_file: Path | None,
    perturbations: int,
    prefix: str,
    monolingual: bool,
    per_file: int | None,
    output: Path,
    shard_size: int,
    bfloat16: bool,
    excluded: tuple[Path, ...],
) -> None:
    """Compute the teacher's vectors once, into shards that a killed run goes on from.

    A row of one column is read by teacher and student alike; of two columns (a translation), the
    student reads the first and the teacher the second. Several processes or GPUs share the work
    under `torchrun`.

    \b
    Example:
      python -m distill teach --teacher bert-base-chinese --idf idf.tsv.gz corpus.txt -o shards/
      torchrun --nproc-per-node 2 -m distill teach --teacher … corpus.txt -o shards/
    """
    from distill.corpus import HeldOut, read_translations
    from distill.idf import WordIdf
    from distill.processes import Process
    from distill.shards import ShardPlan, corpus_digest, write_shards
    from distill.teacher import load_teacher
    from distill.weights import Weighting

    process = Process.current()
    weighting = Weighting(WordIdf.load(idf_file)) if idf_file else None
    model = load_teacher(
        teacher,
        pooling,
        weighting,
        perturbations=perturbations,
        prefix=prefix,
        bfloat16=bfloat16,
        device=process.device,
    )
    pairs = list(
        read_translations(
            corpus, HeldOut.read(excluded), monolingual=monolingual, per_file=per_file
        )
    )
    plan = ShardPlan(
        teacher=Path(teacher).name,
        teacher_sha256=model.sha256,
        pooling=model.pooling,
        prefix=prefix,
        idf_sha256=file_sha256(idf_file) if idf_file else "",
        perturbations=perturbations,
        corpus_sha256=corpus_digest(pairs),
        rows=len(pairs),
        shard_size=shard_size,
    )
    mine, rest = len(pairs) // process.count, process.number > 0
    with tqdm(total=mine, unit=" rows", file=sys.stderr, disable=rest) as bar:
        computed = write_shards(
            output,
            plan,
            pairs,
            model.encode,
            bar.update,
            part=process.number,
            parts=process.count,
        )
    click.echo(f"{output}: {len(pairs)} rows, {computed} of them computed now", err=True)


@main.command()
@click.option("--shards", multiple=True, required=True, type=_PATH, help="From `teach`.")
@click.option("--idf", "idf_file", required=True, type=_PATH, help="Word counts, from `idf`.")
@click.option("--tokenizer", required=True, type=_PATH, help="From `vocabulary`.")
@click.option(
    "--pairs",
    multiple=True,
    type=_PATH,
    help="Labelled pairs or triplets to train on; a file given twice counts twice.",
)
@click.option("--dev", multiple=True, type=_PATH, help="Labelled pairs that select the best step.")
@click.option("--config", "config_file", type=_PATH, help="JSON of settings; see config.py.")
@click.option(
    "--init",
    type=_PATH,
    help="Begin with the best student of this run, or that of this bundle; a bilstm may be wider.",
)
@click.option(
    "--workers", default=os.cpu_count() or 1, type=_COUNT, show_default=True, help="Processes."
)
@click.option("-o", "--output", required=True, type=_PATH, help="Directory of the run.")
@_exclude
@_needs_training_extra
def train(
    shards: tuple[Path, ...],
    idf_file: Path,
    tokenizer: Path,
    pairs: tuple[Path, ...],
    dev: tuple[Path, ...],
    config_file: Path | None,
    init: Path | None,
    workers: int,
    output: Path,
    excluded: tuple[Path, ...],
) -> None:
    """Train a student on the teacher's vectors; the same command goes on after a kill.

    Several processes or GPUs share each batch under `torchrun`.

    \b
    Example:
      python -m distill train --shards shards/ --idf idf.tsv.gz --tokenizer tokenizer.json -o run/
    """
    from distill.config import TrainConfig
    from distill.corpus import HeldOut
    from distill.dataset import TrainingData, read_training_data
    from distill.idf import WordIdf
    from distill.processes import Process
    from distill.shards import read_plan
    from distill.train import train as run

    config = TrainConfig.load(config_file) if config_file else TrainConfig()
    WordIdf.load(idf_file)
    _require_shards_of(idf_file, shards)
    _require_vocabulary(tokenizer, shards[0])
    record = {
        "config": dataclasses.asdict(config),
        "teacher": [dataclasses.asdict(read_plan(directory)) for directory in shards],
        # Names only: where a corpus lies on the training machine is nobody's business.
        "pairs_from": ["/".join(path.parts[-2:]) for path in pairs],
        "selected_by": ["/".join(path.parts[-2:]) for path in dev],
        "sha256": {
            IDF: file_sha256(idf_file),
            TOKENIZER: file_sha256(tokenizer),
            **{"/".join(path.parts[-2:]): file_sha256(path) for path in (*pairs, *dev)},
        },
    }
    if init:
        record["begun_with"] = _beginning(init, tokenizer)
    _require_same_run(output, record)
    first = Process.current(config.threads).number == 0
    prepared = output / "data"
    if first and not (prepared / "data.json").exists():
        output.mkdir(parents=True, exist_ok=True)
        _write_record(output, record)  # before the data: it says what the data was made from
    while (data := TrainingData.load(prepared)) is None:
        if not first:
            time.sleep(1)  # until the first process has prepared the data for all
            continue
        read_training_data(
            config,
            shards=shards,
            idf=idf_file,
            tokenizer=tokenizer,
            pairs=pairs,
            dev=dev,
            held_out=HeldOut.read(excluded),
            workers=workers,
        ).save(prepared)
    if first:
        record |= {
            "vocabulary": data.vocabulary,
            "texts_with_teacher_vector": len(data.vectors.texts),
            "of_them_as_customers_type": int((data.vectors.noised.lengths > 0).sum()),
            "labelled_pairs": len(data.pairs.labels) if data.pairs else 0,
        }
        for source, name in ((idf_file, IDF), (tokenizer, TOKENIZER)):
            if source.resolve() != (output / name).resolve():
                shutil.copyfile(source, output / name)
        _write_record(output, record)

    with tqdm(total=config.steps, unit=" steps", file=sys.stderr, disable=not first) as bar:

        def progress(step: int, loss: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

        def report(row: dict[str, float]) -> None:
            bar.write("  ".join(f"{key} {value:.4g}" for key, value in row.items()), sys.stderr)

        run(config, data, output, report, progress, init=init)
    if first:
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

    try:
        record = json.loads((run / RUN).read_text(encoding="utf-8"))
        settings, vocabulary = json.dumps(record["config"]), record["vocabulary"]
        teacher, sums = record["teacher"][0]["teacher"], record["sha256"]
        changed = [name for name in (IDF, TOKENIZER) if file_sha256(run / name) != sums[name]]
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise click.ClickException(
            f"{run}: not a training run, or not a whole one ({type(error).__name__}: {error}). "
            f"Make one, or go on with it: python -m distill train … -o {run}"
        ) from error
    if changed:
        raise click.ClickException(
            f"{run / changed[0]}: is not the one that was trained with. Run the same "
            f"`python -m distill train` again: it puts it back"
        )
    config = TrainConfig.from_json(settings, str(run / RUN))
    manifest = Manifest(
        dimension=config.student.dimension,
        max_tokens=config.student.max_tokens,
        smoothing=config.smoothing,
        name=name,
        teacher=teacher,
        training=record,
        metrics=best_metrics(run),
    )
    student = load_best(run, config, vocabulary)
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
@click.option("-o", "--output", required=True, type=_PATH, help="The new bundle.")
@click.option("--general", multiple=True, type=_PATH, help="Sentences whose vectors should stay.")
@click.option(
    "--dev",
    multiple=True,
    type=_PATH,
    help="Labelled pairs that select the best epoch; default: a part of PAIRS, held out.",
)
@click.option(
    "--evaluate",
    "evaluated",
    multiple=True,
    type=_PATH,
    help="Labelled pairs to report Spearman's correlation on, before and after.",
)
@click.option("--config", "config_file", type=_PATH, help="JSON of settings; see config.py.")
@click.option("--name", default="", help="A name for the manifest.")
@click.option("--float32", is_flag=True, help="Keep float32 weights (4 times the size).")
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, help="Processes.")
@_exclude
@_needs_training_extra
def finetune(
    pairs: tuple[Path, ...],
    encoder: Path,
    output: Path,
    general: tuple[Path, ...],
    dev: tuple[Path, ...],
    evaluated: tuple[Path, ...],
    config_file: Path | None,
    name: str,
    float32: bool,
    workers: int,
    excluded: tuple[Path, ...],
) -> None:
    """Train a bundle's student on with your own pairs, into a new bundle.

    PAIRS are s1⇥s2⇥label lines, as `python -m indexer pairs` writes them; - is standard input.
    What is measured before and after goes to standard output.

    \b
    Example:
      python -m indexer pairs | python -m distill finetune - -o build/tuned
      python -m indexer refresh --encoder build/tuned
    """
    from distill.config import FinetuneConfig
    from distill.corpus import HeldOut, read_pairs
    from distill.encoder import Encoder
    from distill.evaluate import evaluate_pairs
    from distill.export import export as write
    from distill.export import load_student
    from distill.finetune import finetune as run
    from distill.finetune import tuned_manifest
    from distill.finetune_data import read_finetune_data

    config = FinetuneConfig.load(config_file) if config_file else FinetuneConfig()
    old = Encoder.load(encoder)
    _require_replaceable(output, encoder)
    judged = {path: list(read_pairs([path])) for path in evaluated}
    data = read_finetune_data(
        config,
        old.bundle,
        pairs,
        dev=dev,
        general=general,
        excluded=HeldOut.read(excluded),
        workers=workers,
    )
    click.echo(
        f"{len(data.labels)} pairs to train on, {len(data.held_out)} texts held out", err=True
    )

    def report(row: dict[str, float]) -> None:
        click.echo("  ".join(f"{key} {value:.4g}" for key, value in row.items()), err=True)

    tuned = run(config, load_student(old.bundle), data, report)
    files = {"pairs_from": pairs, "general_from": general, "selected_by": dev}
    record = {
        "config": dataclasses.asdict(config),
        "pairs": len(data.labels),
        **{key: ["/".join(path.parts[-2:]) for path in paths] for key, paths in files.items()},
    }
    manifest = tuned_manifest(old.bundle, tuned, record, name)
    write(tuned.student, old.bundle.path, output, manifest, int8=not float32)
    new = Encoder.load(output)
    click.echo(f"{'':32}  before   after")
    for measure, before in tuned.before.items():
        click.echo(f"{measure:32}  {before:6.2f}  {tuned.after[measure]:6.2f}")
    for path, rows in judged.items():
        before, after = (evaluate_pairs(model, rows) for model in (old, new))
        click.echo(f"{'Spearman ' + str(path):32}  {before:6.2f}  {after:6.2f}")
    for what, cosines in tuned.moved.items():
        lowest = np.quantile(cosines, 0.05)
        click.echo(
            f"cosine to the vectors before, {what}: mean {cosines.mean():.3f}, "
            f"95 % above {lowest:.3f}"
        )
    click.echo(
        f"{output}: epoch {tuned.epoch}, {new.bundle.size / 1e6:.2f} MB, "
        f"fingerprint {new.fingerprint}",
        err=True,
    )
    click.echo(f"next: python -m indexer refresh --encoder {output}", err=True)


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
    sets = {path: list(read_pairs([path])) for path in pairs}  # all, before the first is encoded
    for path, rows in sets.items():
        if len({pair.label for pair in rows}) < 2:
            raise click.ClickException(
                f"{path}: all labels are equal, so nothing correlates with them. Leave it out"
            )
    scores = {}
    for path, rows in sets.items():
        try:
            scores[str(path)] = round(evaluate_pairs(model, rows), 2)
        except TextError as error:
            raise click.ClickException(f"{path}: {error}") from error
        click.echo(f"{scores[str(path)]:6.2f}  {len(rows):6d} pairs  {path}")
    if json_file:
        result = {"fingerprint": model.fingerprint, "spearman": scores}
        write_whole(json_file, json.dumps(result, ensure_ascii=False, indent=1).encode())


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
    if output:
        _require_directory(output)
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
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        write_whole(output, buffer.getvalue())
        click.echo(f"{output}: {vectors.shape[0]} × {vectors.shape[1]} float32", err=True)


@main.command()
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, type=_PATH)
@click.option("--threads", default=2, type=_COUNT, show_default=True, help="For every system.")
@click.option("--rounds", default=5, type=_COUNT, show_default=True, help="Turns of each system.")
@click.option("--json", "json_file", type=_PATH, help="Write the figures here too.")
@_needs_training_extra
def bench(encoder: Path, threads: int, rounds: int, json_file: Path | None) -> None:
    """Time a bundle beside BERT-base with random weights: texts of 16 characters, 1 and 64 a call.

    \b
    Example:
      python -m distill bench --encoder data/encoder
    """
    from distill.encoder import Encoder
    from distill.speed import OURS, SAMPLE, BertBase, measure

    if json_file:
        _require_directory(json_file)
    model = Encoder.load(encoder)
    with tempfile.TemporaryDirectory() as directory:
        click.echo("making BERT-base …", err=True)
        bert = BertBase(Path(directory))
        timings = [
            timing
            for batch in (1, 64)
            for timing in measure(
                model,
                bert,
                SAMPLE,
                batch=batch,
                characters=16,
                threads=threads,
                rounds=rounds if batch == 1 else -(-rounds // 2),  # these take much longer
            )
        ]
    ours = {timing.batch: timing.median_ms for timing in timings if timing.system == OURS}
    for timing in timings:
        times = timing.median_ms / ours[timing.batch]
        click.echo(
            f"{timing.batch:2d} a call  {timing.median_ms:9.3f} ms  {times:6.1f} ×  {timing.system}"
        )
    if json_file:
        result = {
            "fingerprint": model.fingerprint,
            "cores": os.cpu_count(),
            "timings": [dataclasses.asdict(timing) for timing in timings],
        }
        write_whole(json_file, json.dumps(result, indent=1).encode())


def _require_directory(output: Path) -> None:
    """Refuse before hours of work what would fail after them."""
    if not output.parent.is_dir():
        raise click.ClickException(
            f"{output}: no such directory. Make it: mkdir -p {output.parent}"
        )


def _write_record(output: Path, record: dict[str, object]) -> None:
    write_whole(output / RUN, json.dumps(record, indent=1).encode())


def _beginning(init: Path, tokenizer: Path) -> dict[str, object]:
    """Tell what a run began with: a run of ours or a bundle, of the same vocabulary."""
    if (init / MANIFEST).exists():
        bundle = Bundle.open(init)
        vocabulary = bundle.manifest.sha256[TOKENIZER]
        begun = bundle.manifest.training
        config = begun.get("config", {})
        found = {"fingerprint": bundle.fingerprint, "metrics": bundle.manifest.metrics}
    else:
        from distill.train import best_metrics

        try:
            begun = json.loads((init / RUN).read_text(encoding="utf-8"))
            config, vocabulary = begun["config"], begun["sha256"][TOKENIZER]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise click.ClickException(
                f"{init}: neither a training run nor a bundle ({type(error).__name__}: {error}). "
                f"Give one to --init, or leave it out"
            ) from error
        found = {"metrics": best_metrics(init)}
    if vocabulary != file_sha256(tokenizer):  # as many tokens, perhaps, but others
        raise click.ClickException(
            f"{tokenizer}: is not the vocabulary that {init} was trained with. Give that one: "
            f"--tokenizer {init / TOKENIZER}"
        )
    counted = ("texts_with_teacher_vector", "labelled_pairs")
    return {"config": config, **found, **{name: begun[name] for name in counted if name in begun}}


def _require_replaceable(output: Path, encoder: Path) -> None:
    """Refuse to put a bundle in the place of the one it is made from, or of anything else."""
    if output.resolve() == encoder.resolve():
        raise click.ClickException(f"{output}: is what is fine-tuned. Give another -o")
    if output.exists() and not (output / MANIFEST).is_file():
        raise click.ClickException(f"{output}: is there and is no bundle. Give another -o")


def _require_same_run(output: Path, record: dict[str, object]) -> None:
    """Refuse to go on with a run on other inputs: its checkpoint would not fit them.

    A run of which nothing is finished may begin anew, with a faulty file mended.
    """
    if not (output / "data" / "data.json").exists() and not any(output.glob("*.pt")):
        return
    try:
        begun = dict(json.loads((output / RUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise click.ClickException(
            f"{output / RUN}: is missing or damaged ({error}), so nobody knows what the run was "
            f"begun with. Give an empty -o directory"
        ) from error
    differing = [key for key, value in record.items() if begun.get(key) != value]
    if differing:
        raise click.ClickException(
            f"{output}: was begun with another {', '.join(differing)}. Give an empty -o directory, "
            f"or the inputs it was begun with"
        )


def _require_shards_of(idf_file: Path, directories: Iterable[Path]) -> None:
    """Refuse teacher's vectors pooled by other word weights than the student's would be."""
    from distill.shards import read_plan

    for directory in directories:
        plan = read_plan(directory)
        weighted = plan.pooling == "idf" or plan.perturbations
        if weighted and plan.idf_sha256 != file_sha256(idf_file):
            raise click.ClickException(
                f"{directory}: was made with another IDF table than {idf_file}. Give the one it "
                f"was made with, or make shards with this one: python -m distill teach "
                f"--idf {idf_file} … -o ANOTHER"
            )


def _require_vocabulary(file: Path, shards: Path) -> None:
    """Refuse a tokenizer without padding and unknown token, or one that knows too little."""
    from tokenizers import Tokenizer

    from distill.shards import read_shards
    from distill.text import normalise
    from distill.tokens import PADDING, UNKNOWN, tokenise
    from distill.weights import WeightedText

    remedy = f"Learn one: python -m distill vocabulary CORPUS -o {file}"
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing narrower
        raise click.ClickException(f"{file}: not a tokenizer ({error}). {remedy}") from error
    missing = [name for name in (PADDING, UNKNOWN) if tokenizer.token_to_id(name) is None]
    if missing:
        raise click.ClickException(f"{file}: lacks the token {' and '.join(missing)}. {remedy}")
    if tokenizer.padding or tokenizer.truncation:
        raise click.ClickException(f"{file}: pads or cuts texts by itself. {remedy}")
    sample = " ".join(normalise(text) for text in next(read_shards(shards)).texts[:4000])
    weights = np.ones(len(sample), dtype=np.float32)
    ids = tokenise(tokenizer, [WeightedText(sample, (), weights)], len(sample)).input_ids
    unknown = float((ids == tokenizer.token_to_id(UNKNOWN)).mean())
    if unknown > _MOST_UNKNOWN:
        raise click.ClickException(
            f"{file}: does not know {unknown:.0%} of the tokens in {shards}. "
            f"Learn a vocabulary from that corpus: python -m distill vocabulary CORPUS -o {file}"
        )
