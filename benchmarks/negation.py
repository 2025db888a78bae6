"""python benchmarks/negation.py [CORPUS]: does the negation guard fire where it should?

Three measures of ``indexer.negation``: on the dev queries of data/queries.csv, against the wordings
nearest to each; on pairs that differ in one toggled polarity, made from the questions of
data/faq.csv; and, with the corpus, on public sentence pairs that do or do not mean the same. The
rules were written with split dev of the queries and dev of the pairs at hand, never test.
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus import read_pairs
from distill.encoder import Encoder
from distill.text import normalise
from indexer.evaluate import read_queries
from indexer.negation import contradiction, opposite, polarity
from indexer.table_import import read_table

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "negation.json"
PUBLIC = ("bq/dev", "bq/test", "lcqmc/dev", "lcqmc/test")


@dataclass(frozen=True)
class Toggle:
    """How a word is denied (能 → 不能) and asked (能 → 能不能); where it stands as that word.

    Not before 怎么, 多久 and the like: what 不会怎样 or 不要多久 ask makes no sense.
    """

    word: str
    denied: str
    asked: str
    where: str


TOGGLES = (
    Toggle("能", "不能", "能不能", r"(?<![不才只可功性技智万所])能(?![不否力量够])"),
    Toggle("可以", "不可以", "可不可以", r"(?<!不)可以(?![不怎])"),
    Toggle("有", "没有", "有没有", r"(?<![没只还所享拥])有(?![没什多哪啥效限人点时关些几无]|$)"),
    Toggle("支持", "不支持", "支不支持", r"(?<!不)支持(?!不)"),
    Toggle("收到", "没收到", "收没收到", r"(?<![没未有])收到(?!没)"),
    Toggle("会", "不会", "会不会", r"(?<![不机社学入])会(?![不员计话费怎如])"),
    Toggle("要", "不要", "要不要", r"(?<![不需主重只想还])要(?![不求么怎如多])"),
    Toggle("需要", "不需要", "需不需要", r"(?<!不)需要"),
    Toggle("是", "不是", "是不是", r"(?<![不还只但就可总])是(?![不什谁哪多怎如否啥因为])"),
    Toggle("取消", "不取消", "取不取消", r"(?<!不)取消(?!不)"),
)
# Questions for a yes or no: 能退吗 and 不能退吗 want to know the same, so the asking goes first.
_ASKING = re.compile("[吗么不]?[?!。]*$")
_ASKED = re.compile("(.{1,2})[不没]\\1")


def statements(questions: Iterable[str]) -> Iterator[tuple[Toggle, str, str, str]]:
    """Yield a toggle and three texts: a question's words as they affirm, deny and ask.

    One for each toggle whose word occurs in the question, which must not be A不A itself.
    """
    for question in questions:
        text = _ASKING.sub("", question)
        if not _ASKED.search(text):
            for toggle in TOGGLES:
                if found := re.search(toggle.where, text):
                    before, after = text[: found.start()], text[found.end() :]
                    forms = (toggle.word, toggle.denied, toggle.asked)
                    yield toggle, *(f"{before}{form}{after}" for form in forms)


def minimal_pairs(questions: Sequence[str]) -> dict[str, Any]:
    """Count how often a toggled polarity is seen, and how often its A不A form raises an alarm."""
    made, seen, alarms, missed, false = Counter(), Counter(), 0, [], []
    for toggle, affirmed, denied, asked in statements(questions):
        made[toggle.word] += 1
        if opposite(affirmed, denied):
            seen[toggle.word] += 1
        else:
            missed.append([affirmed, denied])
        for text in (affirmed, denied):
            if word := opposite(asked, text):
                alarms += 1
                false.append([word, asked, text])
    return {
        "pairs": made.total(),
        "detected": round(seen.total() / made.total(), 4),
        "detected_by_word": {word: [seen[word], made[word]] for word in made},
        "missed": missed,
        "asked_pairs": 2 * made.total(),
        "asked_alarms": alarms,
        "asked_alarm_list": false,
    }


def yes_or_no_pairs(questions: Sequence[str]) -> dict[str, Any]:
    """Count alarms on 能退吗 beside 不能退吗: the questions that ask by 吗 about a toggled word."""
    pairs = [
        (f"{affirmed}吗", f"{denied}吗")
        for question in questions
        if question.rstrip("?").endswith("吗")
        # These are what is asked about; in 有发票能保修吗 有 is a condition.
        for toggle, affirmed, denied, _ in statements([question])
        if toggle.word in ("能", "可以", "会", "支持")
    ]
    alarms = [[word, *pair] for pair in pairs if (word := opposite(*pair))]
    return {"pairs": len(pairs), "alarms": len(alarms), "alarm_list": alarms}


def nearest_wordings(
    encoder: Encoder, questions: Sequence[str], entries: Sequence[str]
) -> dict[str, Any]:
    """Count firings of dev queries on the nearest wording of the right and of a wrong entry."""
    queries = [q for q in read_queries(ROOT / "data" / "queries.csv", "dev") if q.entry_id]
    keys, stored = np.array(entries), encoder.encode(questions)
    right, wrong, on_top, misled, anywhere = [], [], 0, 0, 0
    for query, vector in zip(queries, encoder.encode([q.query for q in queries]), strict=True):
        cosines, text = stored @ vector, normalise(query.query)
        own = keys == query.entry_id
        best = int(np.where(own, cosines, -2).argmax())
        other = int(np.where(own, -2, cosines).argmax())
        misled += cosines[other] > cosines[best]
        anywhere += any(opposite(text, questions[row]) for row in np.flatnonzero(own))
        if word := opposite(text, questions[best]):
            right.append([word, text, questions[best]])
        if word := opposite(text, questions[other]):
            wrong.append([word, text, questions[other]])
            on_top += cosines[other] > cosines[best]
    return {
        "queries": len(queries),
        "fires_on_the_right_entry": len(right),
        "false_alarm_rate": round(len(right) / len(queries), 4),
        # An entry's wordings contradict one another now and then: ask about the nearest one only.
        "fires_on_any_wording_of_the_right_entry": anywhere,
        "fires_on_the_best_wrong_entry": len(wrong),
        "of_these_nearer_than_the_right_one": int(on_top),
        "queries_whose_wrong_entry_is_nearer": int(misled),
        "right_firings": right,
        "wrong_firings": wrong,
    }


def public_pairs(path: Path) -> dict[str, Any]:
    """Count firings on labelled sentence pairs: few where both mean the same, more elsewhere."""
    pairs = list(read_pairs([path]))
    fired, of = Counter(), Counter()
    for pair in pairs:
        label = "same" if pair.label == 1 else "different"
        of[label] += 1
        fired[label] += bool(opposite(normalise(pair.first), normalise(pair.second)))
    rates = {label: fired[label] / of[label] for label in of}
    return {
        "pairs": dict(of),
        "fires": dict(fired),
        "rates": {label: round(rate, 4) for label, rate in rates.items()},
        "times_as_often_on_different": round(rates["different"] / rates["same"], 2)
        if rates["same"]
        else None,
    }


def timing(queries: Sequence[str], questions: Sequence[str]) -> Mapping[str, float]:
    """Return microseconds on one core: to analyse a text, to compare two analysed ones."""
    polarity.cache_clear()
    started = time.perf_counter()
    asked = [polarity(text) for text in queries]
    stored = [polarity(text) for text in questions]
    analysed = time.perf_counter()
    for one in asked[:50]:
        for other in stored:
            contradiction(one, other)
    compared = time.perf_counter()
    texts, pairs = len(asked) + len(stored), min(50, len(asked)) * len(stored)
    return {
        "microseconds_to_analyse_a_text": round(1e6 * (analysed - started) / texts, 1),
        "microseconds_to_compare_two": round(1e6 * (compared - analysed) / pairs, 2),
    }


def main(corpus: Path | None) -> None:
    """Measure, print and write the result file."""
    encoder = Encoder.load(ROOT / "data" / "encoder")
    rows = read_table(ROOT / "data" / "faq.csv").rows
    wordings = [
        (normalise(text), row.key) for row in rows for text in (row.question, *row.variants)
    ]
    questions, entries = map(list, zip(*wordings, strict=True))
    queries = [normalise(q.query) for q in read_queries(ROOT / "data" / "queries.csv", "dev")]
    polarity(questions[0])  # loads the dictionary
    result = {
        "what": "indexer.negation.opposite: on dev queries of data/queries.csv and their nearest "
        "wordings by the encoder's cosine; on pairs made from data/faq.csv by toggling one "
        "polarity; on public sentence pairs (rules written with dev at hand, test untouched)",
        "encoder": encoder.fingerprint,
        "nearest_wordings": nearest_wordings(encoder, questions, entries),
        "minimal_pairs": minimal_pairs(questions),
        "yes_or_no_pairs": yes_or_no_pairs(questions),
        "timing": timing(queries, questions),
        "versions": {name: version(name) for name in ("numpy", "onnxruntime", "jieba")},
    }
    if corpus is None or not (corpus / "pairs").is_dir():
        print("no corpus given: the public sentence pairs are left out", file=sys.stderr)
    else:
        result["public_pairs"] = {
            name: public_pairs(corpus / "pairs" / f"{name}.tsv") for name in PUBLIC
        }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
