"""python benchmarks/tables.py: writes the tables of README.md and the model card from results/.

A table stands between <!-- NAME --> and <!-- /NAME -->; all else in the files stays as it is, and
so does a table whose result file is not there yet.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import article_tables as article
import downstream_tables as downstream
import performance_tables as performance
from encoder_goals import goals
from markdown_table import table as _table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "docs" / "matching.md",
    ROOT / "docs" / "durability.md",
    ROOT / "docs" / "performance.md",
    ROOT / "data" / "encoder" / "MODEL_CARD.md",
    *ROOT.glob("docs/results.md"),  # once there is a result to write it from
)
RANKING = ("recall_at_1", "recall_at_3", "mrr_at_10")
SETS = {
    "atec": "ATEC",
    "bq": "BQ",
    "lcqmc": "LCQMC",
    "pawsx": "PAWS-X",
    "stsb": "STS-B",
    "afqmc": "AFQMC",
}
BERT_BASE = {
    "bert_base_pytorch": "BERT-base, PyTorch",
    "bert_base_onnxruntime": "BERT-base, onnxruntime",
    "bert_base_onnxruntime_int8": "BERT-base, onnxruntime int8",
}
# Of the published models, those that the README shows; the model card shows all.
WELL_KNOWN = (
    "BERT-base, first-last average",
    "SimBERT-base",
    "text2vec-base-chinese",
    "m3e-base",
    "bge-small-zh",
)


def main() -> None:
    """Write all tables."""
    for path in DOCUMENTS:
        path.write_text(fill(path.read_text(encoding="utf-8"), str(path)), encoding="utf-8")


def fill(text: str, place: str = "text") -> str:
    """Return a document with its tables made anew."""

    def remake(old: re.Match[str]) -> str:
        name = old[1]
        if name not in TABLES:
            raise SystemExit(f"{place}: there is no table {name}, only {', '.join(TABLES)}")
        make, *needed = TABLES[name]
        results = [read(result) for result in needed]
        if not all(results):
            return old[0]
        return f"<!-- {name} -->\n{make(*results)}\n<!-- /{name} -->"

    return re.sub(r"<!-- ([\w-]+) -->.*?<!-- /\1 -->", remake, text, flags=re.DOTALL)


def read(name: str) -> dict:
    """Return a result file, or nothing if it has not been made."""
    folder = RESULTS.parent if name == "published" else RESULTS
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _retrieval(faq: dict) -> str:
    labels = {
        "ours": "**本项目**",
        "ours_cosine_only": "只用编码器的余弦",
        "teacher_same_signals": "教师(1.18 亿参数)代替编码器",
        "teacher_cosine_only": "只用教师的余弦",
        "bm25_documents": "BM25,条目全文",
        "character_tfidf_documents": "字符 TF-IDF,条目全文",
        "bm25": "BM25",
        "character_tfidf": "字符 TF-IDF",
        "static": "静态词向量",
    }
    rows = []
    for name, label in labels.items():
        if system := faq["systems"].get(name):
            shares = [f"{100 * system['overall'][key]:.1f}" for key in RANKING]
            rows.append([label, *shares, f"{system['median_ms_a_query']:.2f}"])
    note = (
        f"示例 FAQ({faq['entries']} 个条目,{faq['questions']} 个问法)上的 test 部分,"
        f"{faq['in_scope']} 条库内提问,故意写得难:口语、错别字、谐音、繁体、先讲一大段经过……;"
        "编码器训练时没有读过这两个文件,训练用的文本里也没有其中任何一条提问;"
        "各信号的权重只在 dev 部分选定。「条目全文」指把条目的所有问法和答案连成一篇来检索。"
    )
    head = ("%", "Recall@1", "Recall@3", "MRR@10", "每次检索 ms")
    return f"{note}\n\n{_table(head, rows)}"


def _decisions(faq: dict) -> str:
    rows = []
    for row in faq["decisions"]:
        if row["negation_guard"]:
            test, goal = row["test"], row["goal"]
            wanted = f"{goal['precision']:.0%} / {goal['refusal']:.0%}"
            labelled = "dev 提问" if row["chosen_on"].startswith("dev") else "没有标注的提问"
            keys = (
                "answer_precision",
                "coverage",
                "in_scope_served",
                "out_of_scope_rejected",
                "decision_accuracy",
            )
            rows.append([labelled, wanted, *(f"{100 * test[key]:.1f}" for key in keys)])
    outside = faq["queries"] - faq["in_scope"]
    note = (
        f"直接回答 / 反问 / 拒答,test 部分 {faq['queries']} 条提问,其中 {outside} 条库外。目标是"
        "「直接回答的有多少要答对 / 库外的有多少要拒答」,默认 95 % / 90 %;阈值只按 dev 部分"
        "(或自带的库外提问清单)选定,test 部分只用来报告:"
    )
    head = (
        "阈值选自",
        "目标 %",
        "直接回答中答对",
        "库内直接回答",
        "库内得到服务",
        "库外拒答",
        "决定正确",
    )
    return f"{note}\n\n{_table(head, rows)}"


def _ablation(faq: dict) -> str:
    names = {
        "wording": "最近的问法(余弦)",
        "whole": "整个条目(余弦)",
        "characters": "字词",
        "coverage": "说到了多少",
        "sound": "读音",
        "answer": "答案(余弦)",
    }

    def row(name: str, label: str) -> list[str]:
        found = faq["ablation"][name]
        return [
            label,
            *(
                f"{100 * found[split][key]:.1f}"
                for split in ("dev", "test")
                for key in ("recall_at_1", "recall_at_3")
            ),
        ]

    rows = [row("all", "**全部**")]
    rows += [row(f"{name} alone", f"只用{label}") for name, label in names.items()]
    rows += [row(f"all but {name}", f"去掉{label}") for name, label in names.items()]
    head = ("%", "dev Recall@1", "dev Recall@3", "test Recall@1", "test Recall@3")
    return _table(head, rows)


def _other_faqs(faq: dict) -> str:
    labels = {
        "ours": "**本项目**",
        "ours_cosine_only": "只用编码器的余弦",
        "static": "静态词向量",
        "bm25": "BM25",
        "character_tfidf": "字符 TF-IDF",
    }
    sets = faq["other_faqs"]
    rows = [
        [
            label,
            *(
                " / ".join(
                    f"{100 * found['systems'][name][key]:.1f}"
                    for key in ("recall_at_1", "mrr_at_10")
                )
                for found in sets.values()
            ),
        ]
        for name, label in labels.items()
        if all(name in found["systems"] for found in sets.values())
    ]
    note = (
        "Recall@1 / MRR@10(%)。`derived` 由测试集的同义句对改成,一个条目只有一个问法,没有答案,"
        "且有未标注的近似问,只宜互相比较:"
    )
    head = ("", *(f"{name}({found['entries']} 条)" for name, found in sets.items()))
    return f"{note}\n\n{_table(head, rows)}"


def _scale(faq: dict) -> str:
    labels = {
        "encode": "编码",
        "rank": "排序(编码以外)",
        "cosine_only": "编码和只按余弦检索",
        "whole_query": "整个提问",
    }
    sizes = {
        name: "{} 个条目,各 {} 个问法".format(*name.split(" entries of ")) for name in faq["scale"]
    }
    rows = [
        [
            label,
            *(
                " / ".join(f"{ms:.2f}" for ms in found["ms_p50_p99"][name])
                for found in faq["scale"].values()
            ),
        ]
        for name, label in labels.items()
    ]
    rows.append(
        [
            "整个提问是只按余弦的几倍",
            *(f"{x['whole_query_against_cosine_only']:.2f}" for x in faq["scale"].values()),
        ]
    )
    note = "10000 个问法时的毫秒数,p50 / p99,一个进程里轮流测量:"
    return f"{note}\n\n{_table(('', *sizes.values()), rows)}"


def _taught(trained: Mapping) -> int:
    """Return how many vectors of the teacher were fitted, by the run or the one it went on from.

    They are of the same files: the larger number is of all.
    """
    begun = trained.get("begun_with", {})
    counts = trained["texts_with_teacher_vector"], begun.get("texts_with_teacher_vector", 0)
    return max(counts)


def _quality(quality: dict, published: dict) -> str:
    trained = quality["trained_on"]
    ours = f"{_taught(trained) / 1e4:.0f} 万个教师向量"
    if pairs := trained.get("labelled_pairs"):
        sets = "、".join(_train_splits(trained))
        ours += f",{pairs / 1e4:.0f} 万对标注句对(含 {sets} 的训练集)"
    static = quality["static"] or {"bytes": 0}
    labels = {
        "ours": ("**本项目**", f"{quality['bundle_bytes'] / 1e6:.1f} MB", ours),
        "static": ("静态词向量", f"{static['bytes'] / 1e6:.1f} MB", "教师对每个词的向量"),
        "character_tfidf": ("字符 TF-IDF", "–", "–"),
        "word_tfidf": ("词 TF-IDF", "–", "–"),
    }
    rows = [
        [label, size, *_scores(quality["spearman"][name]), trained_on]
        for name, (label, size, trained_on) in labels.items()
        if name in quality["spearman"]
    ]
    rows += [
        [model["model"], model["size"], *_scores(model["spearman"]), model["trained_on_zh"]]
        for model in published["models"]
        if model["model"] in WELL_KNOWN
    ]
    note = (
        "编码器在公开测试集上的 Spearman × 100(AFQMC 的测试标签没有公开,用 dev;都从未用于训练或"
        f"挑选)。后 {len(WELL_KNOWN)} 行是公布的数字,大小为参数个数;静态词向量用 model2vec 的方法:"
    )
    return f"{note}\n\n{_table(('', '大小', *SETS.values(), '训练用了'), rows)}"


def _speed(speed: dict) -> str:
    cases = [(1, 1), (1, 2), (64, 1), (64, 2)]
    rows = [
        [label, *(f"{milliseconds(speed, name, *case):.2f}" for case in cases)]
        for name, label in {"ours": "**本项目**", **BERT_BASE}.items()
    ]
    memory = speed["peak_memory_mb"]
    note = (
        f"编码 16 个字的句子,毫秒;本项目从文字算起,BERT-base 从 token 算起,轮流测量。"
        f"编码器 {speed['bundle_bytes'] / 1e6:.2f} MB(权重 int8;float32 为 "
        f"{speed['student_float32_bytes'] / 1e6:.1f} MB),只编码时内存峰值 "
        f"{memory['encode_only']:.0f} MB(BERT-base {memory['bert_base_pytorch']:.0f} MB):"
    )
    head = ("", *(f"{batch} 句,{threads} 线程" for batch, threads in cases))
    plot = "![质量与时间](docs/quality-speed.png)"
    return f"{note}\n\n{_table(head, rows)}\n\n{plot}"


def _english(faq: dict, speed: dict) -> str:
    ours, bm25, tfidf = (
        faq["systems"][name]["overall"] for name in ("ours", "bm25", "character_tfidf")
    )
    times = speed["times_faster"]
    pytorch, quantised = (
        times[f"than bert_base_{name}, 1 a call, 1 threads"]
        for name in ("pytorch", "onnxruntime_int8")
    )
    return (
        f"On the sample FAQ's test queries: Recall@1 {100 * ours['recall_at_1']:.1f} %, "
        f"BM25 {100 * bm25['recall_at_1']:.1f} %, character TF-IDF "
        f"{100 * tfidf['recall_at_1']:.1f} %. The encoder takes "
        f"{milliseconds(speed, 'ours', 1, 1):.2f} ms for a sentence of 16 characters on one "
        f"thread, {pytorch:.0f} times faster than BERT-base in PyTorch in the same run and "
        f"{quantised:.0f} times faster than its int8 form in onnxruntime, and "
        f"{speed['bundle_bytes'] / 1e6:.2f} MB."
    )


def _spearman(quality: dict) -> str:
    labels = {
        "ours": "ours, int8 weights",
        "ours_float32": "ours, float32",
        "static": "static, model2vec's method",
        "character_tfidf": "TF-IDF, characters and pairs",
        "word_tfidf": "TF-IDF, jieba words",
    }
    rows = [
        [label, *_scores(quality["spearman"][name])]
        for name, label in labels.items()
        if name in quality["spearman"]
    ]
    edges = quality["spearman_interval"]
    interval = [f"{edges[name][0]:.1f} … {edges[name][1]:.1f}" for name in SETS]
    rows.insert(1, ["its 95 % interval", *interval])
    rows.append(["pairs", *(f"{quality['pairs'][name]:,}" for name in SETS)])
    trained = quality["trained_on"]
    note = (
        f"Encoder `{quality['encoder']}`, {quality['bundle_bytes'] / 1e6:.2f} MB. Spearman × 100 "
        "on the test splits (AFQMC: dev, in the place of its unpublished test), which took no part "
        f"in training or selection. Trained on {_taught(trained):,} vectors of "
        f"the teacher ({quality['teacher']})"
    )
    if pairs := trained.get("labelled_pairs"):
        note += (
            f" and {pairs:,} labelled pairs, with train splits of "
            f"{', '.join(_train_splits(trained))} among them"
        )
    note += f". The interval is a bootstrap over pairs. TF-IDF: {quality['tfidf']}."
    if static := quality["static"]:
        same = static["teacher"] == quality["teacher"]
        note += (
            f" The static encoder holds {static['words']:,} words and characters as "
            f"{'the same teacher' if same else static['teacher']} reads them alone, in "
            f"{static['dimension']} dimensions."
        )
    return f"{note}\n\n{_table(('', *SETS.values()), rows)}"


def _published(published: dict) -> str:
    rows = [
        [model["model"], model["size"], *_scores(model["spearman"]), model["trained_on"]]
        + [model["source"]]
        for model in published["models"]
    ]
    head = ("model", "size", *SETS.values(), "trained on", "source")
    return f"{published['what']}.\n\n{_table(head, rows)}"


def _faq_retrieval(quality: dict) -> str:
    labels = {
        "ours": "ours, vectors alone",
        "ours_float32": "the same, float32",
        "static": "static, model2vec's method",
        "bm25": "BM25",
        "character_tfidf": "character TF-IDF",
    }
    rows = _retrieval_rows(quality, labels)
    for size in ("entries", "questions", "queries"):
        rows.append([size, *(f"{faq[size]:,}" for faq in quality["retrieval"].values())])
    note = (
        "Recall@1 / MRR@10 in %. A `derived` set is the positive pairs of that test split made "
        "into a FAQ; its distractors hold unjudged paraphrases, so its figures compare methods and "
        "are no accuracy. `sample` is data/queries.csv, split test."
    )
    return f"{note}\n\n{_table(('', *quality['retrieval']), rows)}"


def _timing(speed: dict) -> str:
    lengths = sorted({row["characters"] for row in speed["timings"]})
    systems = {"ours": "ours, from text", "ours_from_tokens": "ours, the graph alone", **BERT_BASE}
    rows = [
        [label, str(batch), str(threads)]
        + [f"{milliseconds(speed, name, batch, threads, length):.2f}" for length in lengths]
        for batch, threads in ((1, 1), (1, 2), (64, 1), (64, 2))
        for name, label in systems.items()
    ]
    memory = speed["peak_memory_mb"]
    note = (
        "Milliseconds a call, by characters of each text; the systems take turns in one process "
        f"({speed['processor']}, {speed['cores']} cores). BERT-base has random weights and is "
        f"given its tokens. Peak memory: {memory['encode_only']:.0f} MB for encoding alone, "
        f"{memory['bert_base_pytorch']:.0f} MB for BERT-base in PyTorch. Weights in float32: "
        f"{speed['student_float32_bytes'] / 1e6:.1f} MB; the bundle: "
        f"{speed['bundle_bytes'] / 1e6:.2f} MB."
    )
    head = ("system", "texts", "threads", *map(str, lengths))
    return f"{note}\n\n{_table(head, rows)}"


def milliseconds(speed: dict, system: str, batch: int, threads: int, characters: int = 16) -> float:
    """Return the median time of a call that encodes ``batch`` texts."""
    wanted = (system, batch, threads, characters)
    return next(
        row["median_ms"]
        for row in speed["timings"]
        if (row["system"], row["batch"], row["threads"], row["characters"]) == wanted
    )


def _keyword_weights(perturbation: dict) -> str:
    cosines = perturbation["mean_cosine_of_questions_sharing_the_word"]
    recalls = perturbation["recall_at_1_of_unrelated_queries"]
    rows = [
        ["mean cosine of two questions that share the word", *(f"{x:.3f}" for x in cosines)],
        ["Recall@1 of queries without it, %", *(f"{100 * x:.2f}" for x in recalls)],
    ]
    note = (
        f"{perturbation['what']}: {perturbation['question_pairs']} pairs of questions, "
        f"{perturbation['dev_queries']} dev queries. The worst single word costs the other queries "
        f"{perturbation['largest_loss_for_one_word_in_points']:.2f} points."
    )
    head = ("factor × IDF", *(f"{factor:g}" for factor in perturbation["factors"]))
    return f"{note}\n\n{_table(head, rows)}"


def _pooling(pooling: dict) -> str:
    sets = list(pooling["dev_pairs"])
    rows = [
        [row["teacher"], row["student"]]
        + [f"{_mean(row['teacher_spearman']):.2f}", f"{_mean(row['student_spearman']):.2f}"]
        + [f"{row['student_spearman'][name]:.2f}" for name in sets]
        for row in pooling["rows"]
    ]
    note = (
        f"{pooling['what']}: {pooling['texts']:,} texts, {pooling['config']['steps']} steps, no "
        "labelled pairs."
    )
    head = ("teacher's pooling", "student's", "teacher, mean", "student, mean")
    return f"{note}\n\n{_table((*head, *(SETS[name] for name in sets)), rows)}"


def _fine_tuning(finetune: dict) -> str:
    rows = []
    for name, label in (("searcher", "search"), ("vectors_only", "vectors alone")):
        measures = finetune["search"][name]
        for key, title in (("recall_at_1", "Recall@1"), ("mrr_at_10", "MRR@10")):
            rows.append([f"{title}, {label}, %", *(f"{100 * x:.1f}" for x in measures[key])])
    rows.append(
        ["LCQMC dev, Spearman × 100", *(f"{x:.2f}" for x in finetune["lcqmc_dev_spearman"])]
    )
    low, high = finetune["search"]["searcher"]["recall_at_1_gain_95_percent"]
    note = (
        f"Fine-tuned on {finetune['pairs']:,} pairs made of data/faq.csv, in "
        f"{finetune['seconds']} s on {finetune['threads']} threads; measured on the "
        f"{finetune['queries']} in-scope dev queries of data/queries.csv, none of them trained on. "
        f"Gain in Recall@1 of the search, 95 % interval: {100 * low:+.1f} … {100 * high:+.1f} "
        "points."
    )
    return f"{note}\n\n{_table(('', 'before', 'after'), rows)}"


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores)


def _retrieval_rows(quality: dict, labels: Mapping[str, str]) -> list[list[str]]:
    rows = []
    for name, label in labels.items():
        found = [faq["systems"].get(name) for faq in quality["retrieval"].values()]
        if all(found):
            shares = [f"{100 * x['recall_at_1']:.1f} / {100 * x['mrr_at_10']:.1f}" for x in found]
            rows.append([label, *shares])
    return rows


def _scores(spearman: Mapping[str, float]) -> list[str]:
    return [f"{spearman[name]:.2f}" if name in spearman else "–" for name in SETS]


def _train_splits(trained: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the test sets of which a train split was among the labelled pairs."""
    used = {file.split("/")[0] for file in trained["pairs_from"]}
    return [label for name, label in SETS.items() if name in used]


def _durability(faults: dict) -> str:
    """Return what the kills of ``faults.py`` led to."""
    names = {
        "build": "建库",
        "import": "导入",
        "publish": "改一个条目",
        "weight": "改一个权重",
        "log": "写日志",
    }
    rows = [
        [
            names[action],
            *(str(found[k]) for k in ("kills", "acknowledged", "committed_unsaid", "run_again")),
        ]
        for action, found in faults["actions"].items()
    ]
    heads = ["被杀时正在", "次数", "回报过的写入", "已提交、未及回报", "重跑到同样结果"]
    return (
        f"`benchmarks/faults.py`:随机时刻 SIGKILL {faults['kills']} 次,每次打开、检查、重算全部向量"
        f"来比。回报过的写入 {faults['acknowledged_writes']} 次,丢失 {faults['lost_writes']} 次;"
        f"不完整的版本 {faults['broken_revisions']} 个。\n\n" + _table(heads, rows)
    )


def _build(measured: dict) -> str:
    """Return what a large import takes."""
    alone = measured["encoding_alone"]
    return (
        f"`benchmarks/build.py`:导入 {measured['questions']} 个问题({measured['texts']} 条文字),"
        f"内存峰值 {measured['peak_mb']} MB,处理器时间 {measured['processor_seconds']} 秒,"
        f"是只编码同样文字({alone['processor_seconds']} 秒)的 "
        f"{measured['times_encoding_alone']} 倍。其间另一个进程写日志,最长等了 "
        f"{measured['longest_log_wait_seconds']} 秒({measured['cores']} 核,开始时负载已有 "
        f"{measured['load_average_before']})。"
    )


TABLES = {
    "retrieval": (_retrieval, "faq"),
    "decisions": (_decisions, "faq"),
    "quality": (_quality, "quality", "published"),
    "ablation": (_ablation, "faq"),
    "other-faqs": (_other_faqs, "faq"),
    "scale": (_scale, "faq"),
    "speed": (_speed, "speed"),
    "english": (_english, "faq", "speed"),
    "spearman": (_spearman, "quality"),
    "published": (_published, "published"),
    "faq-retrieval": (_faq_retrieval, "quality"),
    "timing": (_timing, "speed"),
    "keyword-weights": (_keyword_weights, "perturbation"),
    "pooling": (_pooling, "pooling"),
    "durability": (_durability, "faults"),
    "build": (_build, "build"),
    "fine-tuning": (_fine_tuning, "finetune"),
    "stages": (performance.stages, "load"),
    "http": (performance.http, "load"),
    "soak": (performance.soak, "soak"),
    "sizes": (performance.sizes, "scale"),
    "classification": (article.classification, "article"),
    "matching": (article.matching, "article"),
    "claims": (article.claims, "article"),
    "goals": (goals, "quality", "speed"),
    "linear": (downstream.linear, "downstream"),
    "clustering": (downstream.clustering, "downstream"),
    "evaluators": (downstream.printed, "evaluators"),
}


if __name__ == "__main__":
    main()
