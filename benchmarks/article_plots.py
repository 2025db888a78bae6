"""python benchmarks/article_plots.py: draws docs/article-*.png from results/article.json.

Quality against size and against milliseconds; quality against the number of labelled rows.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from article_tables import ALL, SERVED, accuracies, average, main_rows, sets_of
from distill.compressors.methods import LABELS, METHODS
from plots import OURS, SETTINGS, save
from tables import read

MARKS = {"teacher": "s", "small": "o", "layers": "^", "ours": "*"}
# No Chinese in pictures: not every machine has such letters.
NAMES = {
    "smp2017_ecdt": "SMP2017 intents",
    "tnews_fewclue": "TNEWS",
    "thucnews10_titles": "THUCNews titles",
    "online_shopping_cat": "shopping categories",
    "chnsenticorp_hotel": "hotel sentiment",
}
DRAWN = (
    "teacher", "teacher_frozen", "lstm", "distilled_bilstm", "soft_labels", "cnn", "pkd",
    "distilbert", "tinybert", "ours_frozen", "ours",
)  # fmt: skip


def main() -> None:
    """Draw what there is a result for."""
    plt.rcParams.update(SETTINGS)
    if article := read("article"):
        if article["models"]:
            save(costs(article), "article-costs")
        save(by_rows(article), "article-rows")


def costs(article: Mapping) -> plt.Figure:
    """Draw each method at its size, and at its time, and the quality it has.

    Hollow: the encoder as it is served, int8 and onnxruntime, whose vectors those of ours_frozen
    are.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    rows = main_rows(article)
    shown = [(name, name) for name in METHODS] + [(SERVED, "ours_frozen")]
    for label, name in shown:
        value, model = average(article, name, rows), article["models"].get(label)
        if value is None or not model:
            continue
        fill = "none" if label == SERVED else "full"
        for axes, key in zip(panels, ("megabytes", "ms"), strict=True):
            axes.plot(
                model[key],
                100 * value,
                _mark(name),
                color=_colour(name),
                label=label,
                fillstyle=fill,
            )
    for axes, label in zip(
        panels, ("MB, float32, whole vocabulary", "ms for one text"), strict=True
    ):
        axes.set(xscale="log", xlabel=label)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_ylabel(f"mean accuracy %, {rows} labelled rows")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", frameon=False)
    return figure


def by_rows(article: Mapping) -> plt.Figure:
    """Draw accuracy over the number of labelled rows, a panel a set."""
    sets = sets_of(article, LABELS)
    figure, grid = plt.subplots(2, 3, figsize=(9, 5.2), layout="constrained")
    panels = grid.flatten()
    for axes in panels[len(sets) :]:
        axes.set_axis_off()
    for axes, part in zip(panels, sets, strict=False):
        for name in DRAWN:
            found = accuracies(article, name, part)
            if not found:
                continue
            whole = article["sets"][part]["train"]
            points = [(whole if label == ALL else int(label), f) for label, f in found.items()]
            axes.errorbar(
                [rows for rows, _ in points],
                [100 * figures["mean"] for _, figures in points],
                [100 * figures["sd"] for _, figures in points],
                fmt=f"-{_mark(name)}",
                color=_colour(name),
                label=name,
                linewidth=2 if name == "ours" else 1,
                markersize=4,
            )
        axes.set(xscale="log", title=NAMES.get(part, part))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_ylabel("accuracy %")
    handles, names = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles, names, loc="center", frameon=False, ncols=2)
    return figure


def _mark(method: str) -> str:
    return MARKS[METHODS[method].kind]


def _colour(method: str) -> object:
    if METHODS[method].kind == "ours":
        return OURS if method == "ours" else "#e67e22"
    return plt.get_cmap("tab20")(list(METHODS).index(method) % 20)


if __name__ == "__main__":
    main()
