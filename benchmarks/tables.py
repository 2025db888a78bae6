"""python benchmarks/tables.py: writes the tables of README.md and docs/encoder.md from results/.

A table stands between <!-- NAME --> and <!-- /NAME -->; all else in the files stays as it is.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SETS = {"atec": "ATEC", "bq": "BQ", "lcqmc": "LCQMC", "pawsx": "PAWS-X", "stsb": "STS-B"}


def main() -> None:
    """Write all tables."""
    faq = json.loads((RESULTS / "faq.json").read_text(encoding="utf-8"))
    encoder = json.loads((RESULTS / "encoder.json").read_text(encoding="utf-8"))
    _fill(
        ROOT / "README.md",
        {
            "retrieval": _retrieval(faq),
            "decisions": _decisions(faq),
            "encoder": _encoder(encoder),
            "english": _english(faq, encoder),
        },
    )
    _fill(ROOT / "docs" / "encoder.md", {"spearman": _spearman(encoder)})


def _retrieval(faq: dict) -> str:
    labels = {
        "ours": "本项目",
        "ours_vectors_only": "只用向量",
        "ours_lexical_only": "只用字词",
        "bm25": "BM25",
        "character_tfidf": "字符 TF-IDF",
    }
    rows = []
    for name, label in labels.items():
        system = faq["systems"][name]
        overall = system["overall"]
        shares = " | ".join(
            f"{100 * overall[key]:.1f}" for key in ("recall_at_1", "recall_at_3", "mrr_at_10")
        )
        rows.append(f"| {label} | {shares} | {system['median_ms_a_query']:.2f} |")
    note = (
        f"示例 FAQ({faq['entries']} 个条目,{faq['questions']} 个问法)上的 test 部分,"
        f"{faq['in_scope']} 条库内提问,故意写得难:口语、错别字、谐音、繁体、先讲一大段经过……;"
        "训练时没有读过这两个文件,训练用的文本里也没有其中任何一条提问。"
    )
    head = "| % | Recall@1 | Recall@3 | MRR@10 | 每次检索 ms |\n|---|---|---|---|---|"
    return "\n".join([note, "", head, *rows])


def _decisions(faq: dict) -> str:
    overall = faq["systems"]["ours"]["overall"]
    labels = {
        "decision_accuracy": "决定正确",
        "answer_precision": "直接回答中答对的",
        "in_scope_served": "库内提问得到服务的",
        "out_of_scope_rejected": "库外提问被拒答的",
    }
    note = (
        f"直接回答 / 反问 / 拒答({faq['queries']} 条提问,其中 {faq['queries'] - faq['in_scope']} "
        "条库外;阈值只在 dev 部分选定):"
    )
    rows = [f"| {label} | {100 * overall[name]:.1f} % |" for name, label in labels.items()]
    return "\n".join([note, "", "| | |\n|---|---|", *rows])


def _encoder(encoder: dict) -> str:
    rows = [f"| {SETS[name]} | {value:.2f} |" for name, value in encoder["spearman"].items()]
    rows.append(f"| 编码器大小 | {encoder['bundle_bytes'] / 1e6:.2f} MB |")
    rows.append(
        f"| 一句话的编码时间 | {encoder['ours_ms']:.2f} ms(同一次运行中单线程,"
        f"比 BERT-base 快 {encoder['times_faster_than_bert_base']:.0f} 倍) |"
    )
    note = "编码器在五个公开测试集上的 Spearman × 100(从未用于训练或挑选):"
    return "\n".join([note, "", "| 测试集 | |\n|---|---|", *rows])


def _english(faq: dict, encoder: dict) -> str:
    ours, bm25, tfidf = (
        faq["systems"][name]["overall"] for name in ("ours", "bm25", "character_tfidf")
    )
    return (
        f"On the sample FAQ's test queries: Recall@1 {100 * ours['recall_at_1']:.1f} %, "
        f"BM25 {100 * bm25['recall_at_1']:.1f} %, character TF-IDF "
        f"{100 * tfidf['recall_at_1']:.1f} %. The encoder takes {encoder['ours_ms']:.2f} ms a "
        f"sentence on one thread, {encoder['times_faster_than_bert_base']:.0f} times faster than "
        f"BERT-base in the same run, and {encoder['bundle_bytes'] / 1e6:.2f} MB."
    )


def _spearman(encoder: dict) -> str:
    rows = [
        f"| {SETS[name]} | {value:.2f} | {PROBE[name]} | {encoder['pairs'][name]} |"
        for name, value in encoder["spearman"].items()
    ]
    note = (
        f"Encoder `{encoder['encoder']}`, Spearman × 100 on the test splits, which took no part in "
        "training or selection. The probe is the orientation that the run aimed at: 20 minutes on "
        "two cores, with 222 k more translation pairs and the dev splits among its pairs."
    )
    return "\n".join([note, "", "| set | ours | probe | pairs |\n|---|---|---|---|", *rows])


# Measured before this run, on the same test splits.
PROBE = {"atec": 35.71, "bq": 47.85, "lcqmc": 62.75, "pawsx": 5.54, "stsb": 62.70}


def _fill(path: Path, tables: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{path}: has no place for table {name}")
        text = pattern.sub(lambda _: f"<!-- {name} -->\n{table}\n<!-- /{name} -->", text)  # noqa: B023
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
