"""What does article.json say of the compressors? Two tables, and which claims of the method hold.

In: the result file, read by tables.py. Out: Markdown. What is not finished yet is a dash; a set of
which nothing is finished has no column.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from distill.compressors.methods import LABELS, METHODS, PAIRS
from markdown_table import table

SERVED = "ours_served"
FEW = ("100", "300", "1000")  # labelled rows
ALL = "全部"
NETWORKS = ("distilled_bilstm", "soft_labels", "cnn")  # taught, and no transformers

Figures = Mapping[str, Any]  # mean, sd, seeds
Found = dict[str, Figures]  # by label of the number of rows


def classification(article: Mapping) -> str:
    """Return accuracy by set, by number of labelled rows, and what a model costs."""
    sets, main = sets_of(article, LABELS), main_rows(article)
    columns = rows_found(article, LABELS)
    rows = []
    for name in METHODS:
        if LABELS not in METHODS[name].tasks or name not in article["quality"]:
            continue
        each = [_percent(accuracies(article, name, part).get(main)) for part in sets]
        means = [_value(average(article, name, column)) for column in columns]
        rows.append((_title(name), *each, *means, *_cost(article, name)))
    head = (
        "准确率 %",
        *(article["sets"][name]["title"] for name in sets),
        *(f"平均,{_rows(column)}" for column in columns),
        "参数,百万",
        "MB",
        "毫秒",
        "比教师快",
    )
    few, most = _seeds(article, LABELS)
    note = (
        f"各集一列是标注 {_rows(main)}时的准确率;「平均」是各集的平均,按标注行数。"
        f"{few if few == most else f'{few} 至 {most}'} 个种子的平均 ± 标准差,只有一个种子时不写 ±。"
        f"{_budget(article)}"
    )
    return f"{note}\n\n{table(head, rows)}\n\n{_served(article)}"


def matching(article: Mapping) -> str:
    """Return accuracy and rank correlation of pairs, and of the set that is not learnt from."""
    sets = sets_of(article, PAIRS)
    columns = [
        (part, label, prefix)
        for part in sets
        for label in rows_found(article, PAIRS)
        for prefix in ("", *(["lcqmc_"] if part == "bq" and label == _last(article) else []))
    ]
    columns.sort(key=lambda column: bool(column[2]))
    rows = []
    for name in METHODS:
        found = {part: accuracies(article, name, part) for part in sets}
        if not any(found.values()):
            continue
        cells = []
        for part, label, prefix in columns:
            # What is frozen learns nothing of any number of rows.
            frozen = not METHODS[name].trained and found[part]
            figures = next(iter(found[part].values())) if frozen else found[part].get(label)
            both = [(figures or {}).get(f"{prefix}{m}") for m in ("accuracy", "spearman")]
            cells.append(" / ".join(map(_percent, both)) if figures else "–")
        rows.append((_title(name), *cells, *_cost(article, name)[1:]))
    head = (
        "准确率 / Spearman,%",
        *(
            f"LCQMC,由 {article['sets'][part]['title']} 迁移"
            if prefix
            else f"{article['sets'][part]['title']},{_rows(label)}"
            for part, label, prefix in columns
        ),
        "MB",
        "毫秒",
        "比教师快",
    )
    note = (
        "阈值在 dev 上选定,LCQMC 用 BQ 的模型和阈值。教师和由它的层做成的学生把两句一起读,不能预先"
        "算好向量;其余(DSE、向量不动的、小网络、本项目)各读一句。编码器蒸馏时读过 BQ、ATEC 的训练"
        "句对。"
    )
    return f"{note}\n\n{table(head, rows)}"


def claims(article: Mapping) -> str:
    """Return what the method claims, what was found, and whether it holds."""
    return table(
        ("论断", "目标", "测得", "成立"),
        [(*row[:3], "是" if row[3] else "**否**") for row in _claims(article)],
    )


def sets_of(article: Mapping, task: str) -> list[str]:
    """Return the sets of a task of which something is finished."""
    begun = {part for found in article["quality"].values() for part in found}
    return [
        name for name, each in article["sets"].items() if each["task"] == task and name in begun
    ]


def accuracies(article: Mapping, method: str, part: str) -> Found:
    """Return a method's figures on a set by the number of rows; for labels those of accuracy."""
    found = article["quality"].get(method, {}).get(part, {})
    own = found.items()
    labels = article["sets"][part]["task"] == LABELS
    return {
        _label(article, part, rows): figures["accuracy"] if labels else figures
        for rows, figures in sorted(own, key=lambda each: int(each[0]))
    }


def average(article: Mapping, method: str, label: str) -> float | None:
    """Return mean accuracy over all sets that have so many rows; None if one is not finished."""
    wanted = [
        part
        for part in sets_of(article, LABELS)
        if any(label in accuracies(article, other, part) for other in METHODS)
    ]
    found = [accuracies(article, method, part).get(label) for part in wanted]
    return mean(figures["mean"] for figures in found) if found and all(found) else None


def rows_found(article: Mapping, task: str) -> list[str]:
    """Return the numbers of rows of which something is finished, fewest first."""
    found = {
        label
        for part in sets_of(article, task)
        for method in METHODS
        for label in accuracies(article, method, part)
    }
    return sorted(found, key=lambda label: (label == ALL, int(label) if label != ALL else 0))


def main_rows(article: Mapping) -> str:
    """Return the number of rows that is compared set by set."""
    columns = rows_found(article, LABELS)
    return "1000" if "1000" in columns else columns[-1]


def _claims(article: Mapping) -> Iterator[tuple[str, str, str, bool]]:
    sets, columns = sets_of(article, LABELS), rows_found(article, LABELS)
    for label in columns:
        shares = {}
        for part in sets:
            both = [accuracies(article, name, part).get(label) for name in ("ours", "teacher")]
            if all(both):
                shares[article["sets"][part]["title"]] = both[0]["mean"] / both[1]["mean"]
        if shares:
            found = ",".join(f"{title} {100 * share:.1f}" for title, share in shares.items())
            holds = min(shares.values()) >= 0.97
            yield f"微调后的准确率占教师的,{_rows(label)}", "每集 ≥ 97 %", found, holds
    for label in columns:
        ours = average(article, "ours", label)
        others = {name: average(article, name, label) for name in NETWORKS}
        others = {name: value for name, value in others.items() if value is not None}
        if ours is not None and others:
            best = max(others, key=others.get)
            found = f"{100 * ours:.1f},{METHODS[best].title} {100 * others[best]:.1f}"
            yield (
                f"高于每个不用 transformer 的学生,{_rows(label)}",
                "更高",
                found,
                ours > others[best],
            )
        plain = average(article, "lstm", label)
        if label in FEW and ours is not None and plain is not None:
            found, gap = f"{100 * ours:.1f},{100 * plain:.1f}", 100 * (ours - plain)
            yield f"高于没有教师的 BiLSTM,{_rows(label)}", "≥ 5 个百分点", found, gap >= 5
    if SERVED in article["models"]:
        times = article["models"][SERVED]["times_faster"]
        yield (
            "一次一条,服务时的编码器(int8,onnxruntime)比教师(PyTorch)快",
            "≥ 40 倍",
            f"{times:.0f} 倍",
            times >= 40,
        )


def _label(article: Mapping, part: str, rows: str) -> str:
    return ALL if int(rows) == article["sets"][part]["train"] and rows not in FEW else rows


def _rows(label: str) -> str:
    return "全部行" if label == ALL else f"{label} 行"


def _last(article: Mapping) -> str:
    return rows_found(article, PAIRS)[-1]


def _title(method: str) -> str:
    title = METHODS[method].title
    paper = f" ({METHODS[method].paper})" if METHODS[method].paper else ""
    return f"**{title}**" if METHODS[method].kind == "ours" else f"{title}{paper}"


def _cost(article: Mapping, method: str) -> Sequence[str]:
    if method not in article["models"]:
        return ("–",) * 4
    model = article["models"][method]
    count, words = model["parameters"], model["parameters"] - model["parameters_without_words"]
    return (
        f"{(count - words) / 1e6:.1f} + 词表 {words / 1e6:.1f}",
        f"{model['megabytes']:.1f}",
        f"{model['ms']:.2f}",
        f"{model['times_faster']:.1f}",
    )


def _percent(figures: Figures | None) -> str:
    if not figures:
        return "–"
    spread = f" ± {100 * figures['sd']:.1f}" if figures["seeds"] > 1 else ""
    return f"{100 * figures['mean']:.1f}{spread}"


def _value(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _seeds(article: Mapping, task: str) -> tuple[int, int]:
    counts = [
        figures["seeds"]
        for method in METHODS
        for part in sets_of(article, task)
        for figures in accuracies(article, method, part).values()
    ]
    return min(counts), max(counts)


def _budget(article: Mapping) -> str:
    budget = article["budget"]
    return (
        f"每种方法都是 {budget['steps']} 步,每步 {budget['batch']} 条,dev 上最好的一步留下,"
        f"test 只读一次。教师:{article['teacher']['name']},词向量不参与训练,"
        "由它的层做成的学生共用这张词表。"
        "毫秒:PyTorch,float32,一个线程,16 个字的一条,从文字算起;各模型轮流,每轮连着读 0.1 秒,"
        "取全部的中位数。"
    )


def _served(article: Mapping) -> str:
    served = article["models"].get(SERVED)
    if not served:
        return ""
    return (
        f"服务时的编码器(onnxruntime,int8 权重):{served['megabytes']:.1f} MB,一条 "
        f"{served['ms']:.2f} 毫秒,比教师快 {served['times_faster']:.0f} 倍。"
        f"轮到它时读的第一条,缓存还被别的模型占着,要 {served['first_ms']:.1f} 毫秒,"
        f"比教师的第一条快 {served['first_times_faster']:.0f} 倍。"
    )
