import csv
import importlib.machinery
import importlib.util
import lzma
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import jieba
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distill.dictionary import Dictionary, WordCounts
from distill.errors import DistillError
from distill.text import normalise
from tests.conftest import ROOT

DICTIONARY = Dictionary.load()
SOME_WORDS = Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").split("\n")
SOME_WORDS = [line.split(" ")[0] for line in SOME_WORDS[:-1:50]]


@pytest.fixture(scope="module")
def oracle():
    jieba.setLogLevel(60)
    tokenizer = jieba.Tokenizer()
    return lambda text: list(tokenizer.cut(text, HMM=False))


MIXED = st.lists(
    st.one_of(
        st.sampled_from(SOME_WORDS),
        st.text(alphabet="的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年退货花呗"),
        st.text(alphabet="abcdXYZ0189+#&._%-"),
        st.text(alphabet=" \t\r\n，。?!、😀繁體龘𠮷é①"),
        st.characters(min_codepoint=0x4DF0, max_codepoint=0x9FFF),
        st.characters(),
    ),
    max_size=12,
).map("".join)


@given(text=MIXED)
@example(text="\r\n")
def test_any_text_is_cut_as_jieba_cuts_it(oracle, text):
    assert DICTIONARY.cut(text) == oracle(text)


def test_the_sample_questions_are_cut_as_jieba_cuts_them(oracle):
    for name in ("faq.csv", "queries.csv"):
        with (ROOT / "data" / name).open(encoding="utf-8-sig", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                for text in (cell, normalise(cell)):
                    assert DICTIONARY.cut(text) == oracle(text)


@pytest.mark.corpus
def test_corpus_sentences_are_cut_as_jieba_cuts_them(oracle, corpus):
    files = sorted((corpus / "mono").glob("*.txt.xz"))
    for path in files:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in islice(lines, 20_000 // len(files)):
                assert DICTIONARY.cut(line) == oracle(line)


def test_of_equally_likely_paths_the_one_with_the_longer_first_word_is_taken():
    dictionary = Dictionary(WordCounts.of({"退": 2, "退货": 2, "货款": 2, "款": 2}))
    assert dictionary.cut("退货款") == ["退货", "款"]


def test_threads_that_come_first_together_all_cut_alike():
    def load_and_cut(_):
        return Dictionary.load().cut("如何开具电子发票")

    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(words) for words in pool.map(load_and_cut, range(4))}) == 1


@pytest.mark.parametrize("other", ["other", None])
def test_another_jieba_or_none_is_refused_with_the_command_that_installs_it(
    monkeypatch, tmp_path, other
):
    spec = None
    if other:
        (tmp_path / "dict.txt").write_text("退货 3 v\n", encoding="utf-8")
        spec = importlib.machinery.ModuleSpec("jieba", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(DistillError, match="pip install jieba==0.42.1"):
        Dictionary.load()


def test_encoding_takes_little_memory_and_no_jieba():
    code = (
        "import sys; from distill.encoder import Encoder; from pathlib import Path;"
        "Encoder.load(Path('data/encoder')).encode(['怎么退货']);"
        "assert 'jieba' not in sys.modules;"
        "print(open('/proc/self/status').read())"
    )
    status = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) / 1024 <= 160, "MB at the peak"


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\t\n"), min_size=1, max_size=8)


@given(st.dictionaries(WORDS, st.integers(1, 2**32 - 1)), WORDS)
def test_counts_are_kept_as_a_dict_keeps_them(plain, absent):
    counts = WordCounts.of(plain)
    assert counts == plain
    assert plain == counts
    assert pickle.loads(pickle.dumps(counts)) == counts
    assert (len(counts), list(counts), counts.total) == (
        len(plain),
        sorted(plain),
        sum(plain.values()),
    )
    for word in (*plain, *(word[:-1] for word in plain), absent, absent + "x", ""):
        assert (word in counts, counts.get(word, 7)) == (word in plain, plain.get(word, 7))
    if absent not in plain:
        with pytest.raises(KeyError):
            counts[absent]


def test_what_stands_behind_a_count_is_ignored_and_the_last_count_of_a_word_is_kept():
    counts = WordCounts.parse("退货 3 v\n货 5\n退货 4 n\n".encode(), b" ")
    assert counts == {"退货": 4, "货": 5}
    assert counts.total == 12


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("退货\t3\n退", "the last line does not end"),
        ("退货\t3\n退\n", "line 2 holds no count"),
        ("退货\t3\n\t4\n", "line 2 holds no word"),
        ("退货\t3\n\n", "line 2 holds no count"),
        ("退货\t\n", "line 1 holds no count"),
        ("退货\t0\n", "line 1 holds no count from 1"),
        ("退货\t-1\n", "line 1 holds no count from 1"),
        ("退货\t3x\n", "line 1 holds no count from 1"),
        (f"退货\t{2**32}\n", "line 1 holds no count from 1"),
        (f"退货\t{2**64 + 1}\n", "line 1 holds no count from 1"),
        (b"\xe9\n\t3\n", "invalid continuation byte"),
    ],
)
def test_lines_of_another_kind_are_refused(lines, message):
    with pytest.raises(ValueError, match=message):
        WordCounts.parse(lines if isinstance(lines, bytes) else lines.encode())
