"""python benchmarks/plots.py [RUN/log.csv …]: draws docs/*.png from the result files.

Quality against time: the mean Spearman of ATEC, BQ, LCQMC and STS-B over the milliseconds that one
text takes. Training curves: of the logs, where each run went on from the best step of the one
before; they are kept joined as results/training.csv.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from tables import SETS, milliseconds, read

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LOG = ROOT / "benchmarks" / "results" / "training.csv"
JUDGED = ("atec", "bq", "lcqmc", "stsb")
OURS, OTHERS, PLAIN = "#c0392b", "#6b7778", "#2c6fbb"
LINE = 1.1  # points of Spearman that a label is high
SETTINGS = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 150,
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.columnspacing": 1.2,
    "grid.alpha": 0.3,
}


def main(logs: Sequence[Path]) -> None:
    """Draw what there are results for."""
    plt.rcParams.update(SETTINGS)
    if logs:
        rows = join(list(map(_rows, logs)))
        with LOG.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    if LOG.exists():
        save(_training(_rows(LOG)), "training")
    quality, speed, published = (read(name) for name in ("quality", "speed", "published"))
    if quality and speed:
        save(_quality_speed(quality, speed, published), "quality-speed")


def join(runs: Sequence[Sequence[Mapping[str, str]]]) -> list[dict[str, str]]:
    """Return the rows of all runs with the number of the run, and steps counted through.

    A run but the last ends at its best step, from which the next went on.
    """
    joined, before = [], 0
    for number, rows in enumerate(runs, 1):
        best = max(int(row["step"]) for row in rows)
        if number < len(runs):
            best = int(max(rows, key=lambda row: float(row["dev"]))["step"])
        joined += [
            {"run": str(number), **row, "step": str(before + int(row["step"]))}
            for row in rows
            if int(row["step"]) <= best
        ]
        before += best
    return joined


def _rows(log: Path) -> list[dict[str, str]]:
    with log.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _training(rows: Sequence[Mapping[str, str]]) -> plt.Figure:
    """Draw losses by kind of step, and dev Spearman by set, over steps."""
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    steps = columns["step"]
    runs = columns["run"]
    ends = [step for step, run, after in zip(steps, runs, runs[1:], strict=False) if run < after]
    figure, (dev, losses) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    for name, values in columns.items():
        if name.startswith("loss_"):
            losses.plot(steps, values, label=name.removeprefix("loss_"), linewidth=1.2)
        elif name.startswith("dev_"):
            label = SETS.get(name.removeprefix("dev_").split("/")[0], name)
            dev.plot(steps, values, label=label, linewidth=1.2)
    dev.plot(steps, columns["dev"], "k", label="mean", linewidth=2)
    dev.set(title="Dev splits", xlabel="step", ylabel="Spearman × 100")
    losses.set(title="Loss by kind of step", xlabel="step")
    losses.set_yscale("log", base=2)
    losses.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for axes in (dev, losses):
        for end in ends:
            axes.axvline(end, color=OTHERS, linewidth=0.8, linestyle=":")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False, ncols=5)
    return figure


def _quality_speed(quality: dict, speed: dict, published: dict) -> plt.Figure:
    """Draw each method at the time it takes and the quality it has, with its size."""
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    times = quality["one_text_ms"] | {"ours": milliseconds(speed, "ours", 1, 1)}
    static = quality["static"] or {"bytes": 0}
    names = {
        "ours": ("ours", quality["bundle_bytes"], OURS),
        "static": ("static encoder", static["bytes"], PLAIN),
        "character_tfidf": ("character TF-IDF", 0, PLAIN),
        "word_tfidf": ("word TF-IDF", 0, PLAIN),
    }
    for name, (label, size, colour) in names.items():
        if name in times:
            label += f", {size / 1e6:.1f} MB" if size else ""
            value = _mean(quality["spearman"][name])
            axes.plot(times[name], value, "o", color=colour)
            _label(axes, times[name], value, label, colour)
    bert = milliseconds(speed, "bert_base_onnxruntime", 1, 1)
    axes.axvline(bert, color=OTHERS, linewidth=0.8, linestyle=":")
    lowest = 0.0
    models = [model for model in published["models"] if model["bert_base"]]
    for model in sorted(models, key=lambda model: _mean(model["spearman"])):
        value = _mean(model["spearman"])
        lowest = max(value, lowest + LINE)  # labels of near equals stand above one another
        axes.plot(bert, value, "o", color=OTHERS)
        _label(axes, bert, lowest, model["model"], OTHERS, left=True)
    axes.set(
        xscale="log",
        xlabel="milliseconds for one text of 16 characters, one thread",
        ylabel="mean Spearman × 100, ATEC BQ LCQMC STS-B",
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.12, y=0.08)
    axes.set_title("Quality and time (grey: published figures at BERT-base's time, 409 MB)")
    return figure


def _label(
    axes: plt.Axes, x: float, y: float, text: str, colour: str, *, left: bool = False
) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(-7 if left else 7, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        color=colour,
    )


def _mean(spearman: Mapping[str, float]) -> float:
    return sum(spearman[name] for name in JUDGED) / len(JUDGED)


def save(figure: plt.Figure, name: str) -> None:
    """Write a picture into docs/."""
    # No version of matplotlib in the file: the same data is the same picture.
    figure.savefig(DOCS / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
    print(f"docs/{name}.png")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
