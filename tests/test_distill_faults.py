"""Bad input and interrupted work: a command names the file and the remedy, and keeps what it has.

Every command is run as people run it. What must survive a kill is killed in a process of its own.
"""

import contextlib
import gzip
import itertools
import json
import lzma
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from distill.cli import main
from distill.text import NORMALISER, SEGMENTER
from tests.conftest import BUNDLE, ROOT

SENTENCES = [
    f"{verb}{noun}{end}"
    for verb in ("怎么申请", "如何取消", "能不能修改", "哪里查看")
    for noun in ("退货", "发票", "订单", "优惠券", "会员", "收货地址", "密码", "积分")
    for end in ("", "？")
]
PAIRS = "".join(f"{a}\t{a}？\t1\n{a}\t{b}\t0\n" for a, b in itertools.pairwise(SENTENCES))


def run(*command, given=None):
    return CliRunner().invoke(main, [str(word) for word in command], input=given)


def succeeds(*command):
    result = run(*command)
    assert result.exit_code == 0, (command, result.output, result.exception)
    return result.output


def fails(*command, says, given=None):
    """Run a command that must end in an error message, not in a traceback."""
    result = run(*command, given=given)
    assert isinstance(result.exception, SystemExit), (result.exception, result.output)
    assert result.exit_code == 1
    message = f"\n{result.output}".rpartition("\nError: ")[2]
    for part in [says] if isinstance(says, str) else says:
        assert part in message
    return message


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write(tmp_path_factory.mktemp("corpus") / "corpus.txt", "\n".join(SENTENCES))


# ---- what is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["idf", "vocabulary"])
@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("c.txt", b"", ["c.txt: holds no text", "fetch it again"]),
        ("c.txt", b"ok\nPK\x00\x01", ["c.txt:2:", "NUL", "iconv"]),
        ("c.txt", "好\n好\n".encode("gb18030"), ["c.txt:1:", "UTF-8", "iconv"]),
        ("c.txt.xz", lzma.compress("好\n".encode() * 50_000)[:-40], ["c.txt.xz:", "fetch it"]),
        ("c.docx", b"x", ["c.docx", "ends in .txt"]),
        ("c.txt", None, "c.txt: no such file"),
    ],
)
def test_a_faulty_corpus_leaves_nothing_behind(tmp_path, command, name, data, says):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    output = tmp_path / "out" / "made"
    output.parent.mkdir()
    fails(command, tmp_path / name, "-o", output, says=says)
    assert files_in(output.parent) == {}


def test_long_rows_are_counted_aloud(tmp_path):
    path = write(tmp_path / "c.txt", "怎么退货\n" + "长" * 3000 + "\n")
    result = run("idf", path, "--minimum", 1, "--workers", 1, "-o", tmp_path / "idf")
    assert "1 sentences" in result.output


def test_a_directory_that_is_not_there_is_named_before_the_work(corpus, tmp_path):
    for command in ("idf", "vocabulary"):
        fails(command, corpus, "-o", tmp_path / "no" / "made", says="mkdir -p")


@pytest.mark.parametrize("option", [("idf", "--minimum"), ("vocabulary", "--size")])
def test_a_number_that_makes_no_sense_is_refused(corpus, tmp_path, option):
    result = run(option[0], corpus, option[1], 0, "-o", tmp_path / "made")
    assert result.exit_code == 2
    assert option[1] in result.output


@contextlib.contextmanager
def full_disk(size):
    """A limit on the size of a file stands for a disk that is full after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "command",
    [
        ("idf", "corpus.txt", "--minimum", 1, "--workers", 1, "-o"),
        ("vocabulary", "corpus.txt", "-o"),
        ("encode", "--encoder", BUNDLE, "-o"),
        ("evaluate", "--encoder", BUNDLE, "pairs.tsv", "--json"),
    ],
)
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "corpus.txt", "\n".join(SENTENCES))
    write(tmp_path / "pairs.tsv", PAIRS)
    output = write(tmp_path / "out" / "made", "of yesterday")
    with full_disk(40):
        fails(*command, output, says=[str(output), "cannot be written"], given="怎么退货\n")
    assert files_in(output.parent) == {"made": b"of yesterday"}


def test_no_room_to_read_a_corpus_twice_names_the_place(tmp_path, monkeypatch):
    monkeypatch.setattr("distill.tokens._IN_MEMORY", 10)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write(tmp_path / "corpus.txt", "\n".join(SENTENCES))
    with full_disk(40):
        fails("vocabulary", tmp_path / "corpus.txt", "-o", tmp_path / "made", says=["TMPDIR"])
    assert set(files_in(tmp_path)) == {"corpus.txt"}


# ---- the encoder ------------------------------------------------------------------------------


def without(name):
    return lambda bundle: (bundle / name).unlink()


def damaged(name):
    def damage(directory):
        data = bytearray((directory / name).read_bytes())
        for place in range(len(data) // 2, len(data) // 2 + min(99, len(data) // 4)):
            data[place] ^= 1  # more than one: it may lie in padding
        (directory / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (shutil.rmtree, "这里没有编码器"),
        (without("manifest.json"), "这里没有编码器"),
        (without("tokenizer.json"), "tokenizer.json: 没有这个文件"),
        (damaged("model.onnx"), "model.onnx: 校验和不对"),
        (damaged("idf.tsv.gz"), "idf.tsv.gz: 校验和不对"),
        (lambda bundle: write(bundle / "manifest.json", '{"format"'), "manifest.json: 无法读取"),
        (lambda bundle: write(bundle / "manifest.json", "[]"), "manifest.json: 编码器的格式"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "encode"])
def test_a_bundle_that_is_not_whole_is_not_used(tmp_path, command, fault, says):
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    fault(tmp_path / "bundle")
    pairs = [write(tmp_path / "p.tsv", PAIRS)] if command == "evaluate" else []
    output = [] if command == "evaluate" else ["-o", tmp_path / "v.npy"]
    fails(
        *(command, "--encoder", tmp_path / "bundle", *pairs, *output),
        says=[str(tmp_path / "bundle"), says],
        given="怎么退货\n",
    )
    assert not (tmp_path / "v.npy").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("甲\t乙\t1\n丙\t丁\t好\n", ["p.tsv:2:", "no label", "0 to 1"]),
        ("甲\t乙\t1\n丙\t丁\t1\n", ["p.tsv: all labels are equal", "Leave it out"]),
        ("甲\n乙\n", ["p.tsv: no row of the form"]),
        ("甲\t乙\t1\n\u200b\t丁\t0\n", ["p.tsv", "nothing to encode"]),
        ("", ["p.tsv: holds no text"]),
    ],
)
def test_a_bad_pair_file_is_named_before_any_is_scored(tmp_path, text, says):
    good, bad = write(tmp_path / "good.tsv", PAIRS), write(tmp_path / "p.tsv", text)
    scores = tmp_path / "scores.json"
    fails("evaluate", "--encoder", BUNDLE, good, bad, "--json", scores, says=says)
    assert not scores.exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("怎么退货\n\n好\n".encode(), "standard input, line 2"),
        ("怎么退货".encode("gb18030"), "not UTF-8"),
    ],
)
def test_encode_says_which_line_it_cannot_encode(tmp_path, given, says):
    output = tmp_path / "v.npy"
    output.write_bytes(b"of yesterday")
    fails("encode", "--encoder", BUNDLE, "-o", output, says=says, given=given)
    assert output.read_bytes() == b"of yesterday"
    fails("encode", "--encoder", BUNDLE, "-o", tmp_path / "no" / "v", says="mkdir -p", given="好")


# ---- teachers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random BERT of one layer on disk, with a vocabulary of the sentences' characters."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("bert") / "tiny"
    characters = sorted(set("".join(SENTENCES)))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    write(path / "vocab.txt", "\n".join(vocabulary))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(path)
    transformers.BertTokenizerFast(vocab=str(path / "vocab.txt")).save_pretrained(path)
    return path


def weights_of_another(bert):
    from safetensors.torch import load_file, save_file

    file = bert / "model.safetensors"
    renamed = {f"other.{name}": tensor for name, tensor in load_file(file).items()}
    save_file(renamed, file, metadata={"format": "pt"})


def weights_not_finite(bert):
    from safetensors.torch import load_file, save_file

    tensors = load_file(bert / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"][3] = float("nan")
    save_file(tensors, bert / "model.safetensors", metadata={"format": "pt"})


def with_slow_tokenizer(bert):
    import transformers

    shutil.rmtree(bert)
    config = transformers.CanineConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config.num_hash_buckets = 16
    transformers.CanineModel(config).save_pretrained(bert)
    transformers.CanineTokenizer().save_pretrained(bert)


def without_tokenizer(bert):
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (bert / name).unlink()


def with_larger_vocabulary(bert):
    file = bert / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] |= {"新": 100, "字": 101}
    write(file, json.dumps(tokenizer))


def with_pooling(text):
    return lambda bert: write(bert / "modules.json", text)


def emptied(bert):
    shutil.rmtree(bert)
    bert.mkdir()


def cut_short(name, kept):
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:kept])


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (shutil.rmtree, "no such directory"),
        (emptied, "it holds no config.json"),
        (without("config.json"), "it holds no config.json"),
        (without("model.safetensors"), "no file named model.safetensors"),
        (cut_short("model.safetensors", 1000), "SafetensorError"),
        (cut_short("model.safetensors", -1000), "SafetensorError"),
        (weights_of_another, "its weights lack"),  # transformers would make random ones up
        (weights_not_finite, "not finite"),
        (cut_short("config.json", 20), "config.json"),
        (cut_short("tokenizer.json", 20), "JSONDecodeError"),
        (lambda bert: write(bert / "tokenizer.json", "{}"), "KeyError"),
        (without_tokenizer, "tokenizer.json or vocab.txt is missing"),
        (with_larger_vocabulary, "do not belong together"),
        (with_slow_tokenizer, "CanineTokenizer is no fast tokenizer"),
        (with_pooling("{"), "--pooling cls, mean or idf"),
        (with_pooling("[1]"), "--pooling cls, mean or idf"),
        (with_pooling('[{"type": "a.Pooling", "path": "1"}]'), "--pooling cls, mean or idf"),
        (with_pooling('[{"type": "a.Dense", "path": "1"}]'), "--pooling cls, mean or idf"),
        (with_pooling("[]"), "--pooling cls, mean or idf"),
    ],
)
def test_a_teacher_that_is_no_model_is_refused(bert, corpus, tmp_path, fault, says):
    broken = shutil.copytree(bert, tmp_path / "teacher")
    fault(broken)
    pooling = [] if (broken / "modules.json").exists() else ["--pooling", "mean"]
    fails(
        *("teach", corpus, "--teacher", broken, *pooling, "-o", tmp_path / "shards"),
        says=[f"teacher {broken}", says, "ive "],
    )
    assert not (tmp_path / "shards").exists()


@pytest.mark.torch
def test_a_file_is_no_teacher(bert, corpus, tmp_path):
    fails(
        *("teach", corpus, "--teacher", bert / "config.json", "-o", tmp_path / "shards"),
        says=["config.json: cannot be loaded", "a file, not a directory", "Give "],
    )


# ---- teacher's vectors ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(bert, corpus, tmp_path_factory):
    """What the commands make of the corpus: idf, tok, shards, and a run of 20 steps."""
    path = tmp_path_factory.mktemp("made")
    write(path / "pairs" / "dev.tsv", PAIRS)
    config = {
        "student": {"embedding": 16, "hidden": 16, "dimension": 16},
        **{"steps": 20, "evaluate_every": 10, "batch": 16, "pair_batch": 8, "threads": 1},
    }
    write(path / "config.json", json.dumps(config))
    succeeds("idf", corpus, "--minimum", 1, "--workers", 1, "-o", path / "idf")
    succeeds("vocabulary", corpus, "--size", 300, "-o", path / "tok")
    succeeds(*teach(bert, corpus, path, "shards"))
    succeeds(*train(path))
    return path


def teach(bert, corpus, path, output, *options):
    return (
        *("teach", corpus, "--teacher", bert, "--pooling", "idf", "--idf", path / "idf"),
        *("--shard-size", 16, *options, "-o", path / output),
    )


def train(path, output="run", **changed):
    """Return the command that trains on what lies in ``path``; ``changed`` are other options."""
    options = {name: path / name for name in ("shards", "idf")} | {"tokenizer": path / "tok"}
    options |= {"config": path / "config.json", "dev": path / "pairs" / "dev.tsv"} | changed
    words = itertools.chain.from_iterable((f"--{name}", value) for name, value in options.items())
    return ("train", *words, "--workers", 1, "-o", path / output)


@pytest.fixture
def copy(made, tmp_path):
    """A copy of everything made, to be damaged."""
    return shutil.copytree(made, tmp_path / "copy")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--perturbations", 1), "another perturbations"),
        (("--prefix", "query: "), "another prefix"),
        (("--per-file", 20), "another corpus_sha256, rows"),
        (("--pooling", "mean"), "another pooling"),
        (("--shard-size", 5), "another shard_size"),
    ],
)
def test_teach_does_not_mix_two_runs(bert, corpus, copy, options, says):
    before = files_in(copy / "shards")
    fails(*teach(bert, corpus, copy, "shards", *options), says=[says, "Give an empty -o"])
    assert files_in(copy / "shards") == before


@pytest.mark.torch
def test_teach_does_not_mix_two_teachers_or_tables_of_one_name(bert, corpus, copy, tmp_path):
    from safetensors.torch import load_file, save_file

    before = files_in(copy / "shards")
    other = shutil.copytree(bert, tmp_path / bert.name)
    tensors = load_file(other / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"][3] += 0.5
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    fails(*teach(other, corpus, copy, "shards"), says="another teacher_sha256. Give an empty")
    few = write(tmp_path / "few.txt", "\n".join(SENTENCES[:9]))
    succeeds("idf", few, "--minimum", 1, "--workers", 1, "-o", copy / "idf")
    fails(*teach(bert, corpus, copy, "shards"), says="another idf_sha256. Give an empty")
    assert files_in(copy / "shards") == before


@pytest.mark.torch
def test_a_torn_shard_is_refused_by_train_and_mended_by_teach(bert, corpus, copy):
    before = files_in(copy / "shards")
    damaged("00002.npz")(copy / "shards")
    fails(*train(copy, "other"), says=["00002.npz: missing, torn", "python -m distill teach"])
    assert "16 of them computed now" in succeeds(*teach(bert, corpus, copy, "shards"))
    assert files_in(copy / "shards") == before


@pytest.mark.torch
def test_a_text_of_which_the_teacher_sees_nothing_stops_nobody(bert, copy, tmp_path):
    """BERT's tokenizer drops a lone accent; its row is as good as any other's."""
    odd = write(tmp_path / "odd.txt", "怎么申请退货\n\u0301\n如何取消订单\n")
    assert "3 rows" in succeeds(*teach(bert, odd, copy, "odd"))


@pytest.mark.torch
def test_a_killed_teach_goes_on_to_the_same_bytes(bert, made, tmp_path):
    texts = [f"{a}{b}" for a in SENTENCES for b in SENTENCES[:9]]
    corpus = write(tmp_path / "corpus.txt", "\n".join(texts))
    shutil.copy(made / "idf", tmp_path / "idf")
    small = ("--shard-size", 2)
    killed = teach(bert, corpus, tmp_path, "killed", *small)
    kill(killed, once=lambda: (tmp_path / "killed" / "00003.npz").exists())
    finished = len(list((tmp_path / "killed").glob("*.npz")))
    assert 4 <= finished < len(texts) // 2
    counted = succeeds(*killed)
    assert f"{len(texts)} rows" in counted
    assert f" {len(texts)} of them" not in counted
    succeeds(*teach(bert, corpus, tmp_path, "whole", *small))
    assert files_in(tmp_path / "killed") == files_in(tmp_path / "whole")


def kill(command, *, once, limit=600):
    """Start a command in a process of its own and kill it as soon as ``once()``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distill", *map(str, command)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # As many threads as this process, so that sums round alike.
        env=os.environ | {"OMP_NUM_THREADS": str(threads())},
    )
    deadline = time.monotonic() + limit
    while not once():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def threads():
    import torch

    return torch.get_num_threads()


# ---- training ---------------------------------------------------------------------------------


@pytest.mark.torch
def test_train_refuses_shards_of_another_idf_table(copy):
    few = write(copy / "few.txt", "\n".join(SENTENCES[:9]))
    succeeds("idf", few, "--minimum", 1, "--workers", 1, "-o", copy / "idf")
    fails(
        *train(copy, "other"),
        says=["shards: was made with another IDF table", "python -m distill teach --idf"],
    )
    assert not (copy / "other").exists()


@pytest.mark.torch
def test_train_takes_any_idf_table_where_the_teacher_used_none(bert, corpus, copy):
    other = ("teach", corpus, "--teacher", bert, "--pooling", "mean", "-o", copy / "mean")
    succeeds(*other)
    succeeds(*train(copy, "other", shards=copy / "mean"))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (without("idf"), ["idf: 不是 IDF 表", "python -m distill idf"]),
        (cut_short("idf", -9), ["idf: 不是 IDF 表", "python -m distill idf"]),
        (without("tok"), ["tok: not a tokenizer", "python -m distill vocabulary"]),
        (lambda made: write(made / "tok", "[UNK]"), ["tok: not a tokenizer", "vocabulary"]),
        (lambda made: write(made / "tok", "{}"), ["tok: not a tokenizer", "vocabulary"]),
        (without("shards/plan.json"), ["shards: holds no teacher shards", "distill teach"]),
        (without("shards/00000.npz"), ["00000.npz: missing", "distill teach"]),
        (without("shards/00003.npz"), ["00003.npz: missing", "distill teach"]),
        (cut_short("config.json", 5), ["config.json: not JSON"]),
        (without("pairs/dev.tsv"), ["dev.tsv"]),
        (lambda made: write(made / "pairs" / "dev.tsv", "甲\t乙\t1\n"), ["all labels are equal"]),
        (lambda made: write(made / "pairs" / "dev.tsv", "甲\t乙\n丙\t丁\t0\n"), ["dev.tsv:1:"]),
    ],
)
def test_train_names_the_file_at_fault_and_goes_on_once_it_is_mended(made, copy, fault, says):
    fault(copy)
    fails(*train(copy, "other"), says=says)
    shutil.copytree(made, copy, dirs_exist_ok=True)
    succeeds(*train(copy, "other"))


def tokenizer_of(words, **parts):
    return {
        "model": {
            **{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
            **{"max_input_chars_per_word": 64, "vocab": {w: i for i, w in enumerate(words)}},
        },
        "added_tokens": [],
        **parts,
    }


@pytest.mark.torch
@pytest.mark.parametrize(
    ("tokenizer", "says"),
    [
        (tokenizer_of(["[UNK]", "怎"]), "lacks the token [PAD]"),
        (tokenizer_of(["a", "怎"]), "lacks the token [PAD] and [UNK]"),
        (tokenizer_of(["[PAD]", "[UNK]", "怎", "么"]), "of the tokens in"),
        (
            {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []},
            "lacks the token [PAD] and [UNK]",
        ),
        (
            tokenizer_of(
                ["[PAD]", "[UNK]"],
                truncation={
                    **{"direction": "Right", "max_length": 4},
                    **{"strategy": "LongestFirst", "stride": 0},
                },
            ),
            "cuts texts by itself",
        ),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(copy, tokenizer, says):
    write(copy / "tok", json.dumps(tokenizer))
    fails(*train(copy, "other"), says=["tok: ", says, "python -m distill vocabulary"])
    assert not (copy / "other").exists()


def with_record(change):
    def fault(run):
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        change(record)
        write(run / "run.json", json.dumps(record))

    return fault


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (without("run.json"), ["run.json: is missing or damaged", "Give an empty -o"]),
        (cut_short("run.json", 30), ["run.json: is missing or damaged", "Give an empty -o"]),
        (lambda run: write(run / "run.json", "7"), ["run.json: is missing or damaged"]),
        (with_record(lambda r: r["config"].update(steps=21)), ["another config", "Give an empty"]),
        (with_record(lambda r: r["sha256"].clear()), ["another sha256", "Give an empty"]),
        (cut_short("checkpoint.pt", 2000), ["checkpoint.pt: is damaged", "Delete it"]),
        (cut_short("checkpoint.pt", -9), ["checkpoint.pt: is damaged", "Delete it"]),
        (damaged("checkpoint.pt"), ["checkpoint.pt: is damaged", "Delete it"]),
        (cut_short("best.pt", 0), ["best.pt: is damaged", "Delete"]),
        (cut_short("data/vectors.npy", 200), ["data"]),
        (cut_short("data/data.json", 9), ["data"]),
    ],
)
def test_train_does_not_go_on_with_a_damaged_run(copy, fault, says):
    fault(copy / "run")
    before = files_in(copy / "run")
    fails(*train(copy), says=[str(copy / "run"), *says])
    assert files_in(copy / "run") == before


def without_checkpoints(run):
    for path in run.glob("*.pt"):
        path.unlink()


def stopped_while_preparing(run):
    without_checkpoints(run)
    without("data/data.json")(run)
    cut_short("data/vectors.npy", 200)(run)


@pytest.mark.torch
@pytest.mark.parametrize(
    "fault",
    [
        without("checkpoint.pt"),
        without_checkpoints,
        stopped_while_preparing,
        without("best.pt"),
    ],
)
def test_what_a_run_lacks_is_made_again(made, copy, fault):
    fault(copy / "run")
    succeeds(*train(copy))
    assert_same_weights(copy / "run", made / "run")


@pytest.mark.torch
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (without("best.pt"), ["best.pt: no trained student", "python -m distill train"]),
        (cut_short("best.pt", 900), ["best.pt: is damaged"]),
        (without("run.json"), ["not a training run", "python -m distill train"]),
        (cut_short("run.json", 30), ["not a training run", "python -m distill train"]),
        (with_record(lambda r: r.pop("vocabulary")), ["not a whole one", "distill train"]),
        (without("tokenizer.json"), ["tokenizer.json", "python -m distill train"]),
        (damaged("idf.tsv.gz"), ["idf.tsv.gz: is not the one", "python -m distill train"]),
    ],
)
def test_export_leaves_the_old_bundle_where_the_run_is_not_whole(copy, fault, says):
    fault(copy / "run")
    write(copy / "bundle" / "manifest.json", "the old one")
    fails("export", copy / "run", "-o", copy / "bundle", says=[str(copy / "run"), *says])
    assert files_in(copy / "bundle") == {"manifest.json": b"the old one"}


@pytest.mark.torch
def test_a_loss_that_is_no_number_stops_before_it_is_learnt(copy):
    import torch

    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    # Steps so large that float32 does not hold the weights for long.
    config |= {"learning_rate": 1e37, "warmup": 0.9, "evaluate_every": 1}
    write(copy / "config.json", json.dumps(config))
    fails(*train(copy, "other"), says=["step ", "learning_rate", "checkpoint", str(copy / "other")])
    state = torch.load(copy / "other" / "checkpoint.pt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in state["student"].values())


@pytest.mark.torch
def test_a_killed_training_ends_where_an_unbroken_one_does(copy):
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config |= {"steps": 600, "evaluate_every": 20, "threads": 1}
    write(copy / "config.json", json.dumps(config))
    log = copy / "killed" / "log.csv"
    kill(train(copy, "killed"), once=lambda: log.exists() and log.read_bytes().count(b"\n") >= 4)
    assert 4 <= log.read_bytes().count(b"\n") < 31
    succeeds(*train(copy, "killed"))
    succeeds(*train(copy, "whole"))
    assert_same_weights(copy / "killed", copy / "whole")
    assert not list((copy / "killed").rglob("*.part"))


def assert_same_weights(run, other):
    import torch

    for name in ("checkpoint.pt", "best.pt"):
        ours, theirs = (torch.load(path / name, weights_only=True) for path in (run, other))
        assert ours["step"] == theirs["step"]
        for key, tensor in ours["student"].items():
            assert torch.allclose(tensor, theirs["student"][key], atol=1e-6), key


@pytest.mark.torch
def test_a_full_disk_keeps_the_last_checkpoint(copy, monkeypatch):
    import torch

    whole, calls = torch.save, []

    def save(state, file, *rest):
        calls.append(file)
        if len(calls) == 3:
            # What torch.save raises there; it has no narrower class.
            raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")
        whole(state, file, *rest)

    monkeypatch.setattr(torch, "save", save)
    fails(*train(copy, "other"), says=[str(copy / "other"), "cannot be written", "same command"])
    assert torch.load(copy / "other" / "checkpoint.pt", weights_only=True)["step"] == 10
    assert not list((copy / "other").glob("*.part"))


@pytest.mark.torch
def test_a_full_disk_while_preparing_names_the_run(copy):
    with full_disk(3000):
        fails(*train(copy, "other"), says=[str(copy / "other"), "cannot be written"])
    succeeds(*train(copy, "other"))


@pytest.mark.torch
def test_a_full_disk_leaves_the_old_bundle(copy):
    write(copy / "bundle" / "manifest.json", "the old one")
    with full_disk(4000):
        fails("export", copy / "run", "-o", copy / "bundle", says="")
    assert files_in(copy / "bundle") == {"manifest.json": b"the old one"}
    assert not list(copy.glob(".bundle*"))


# ---- word weights -----------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("64\tjieba-0.1-other\t{normaliser}", "由 jieba-0.1-other"),
        ("64\t{segmenter}\tnfd-0", "nfd-0"),
        ("64", "不知哪个分词器"),  # as tables once began
        ("", "不是 IDF 表"),
    ],
)
def test_a_table_of_another_segmenter_is_refused(corpus, bert, copy, head, says):
    """Its words would not be the words that texts are cut into."""
    rows = gzip.decompress((copy / "idf").read_bytes()).partition(b"\n")[2]
    head = head.format(segmenter=SEGMENTER, normaliser=NORMALISER)
    (copy / "idf").write_bytes(gzip.compress(head.encode() + b"\n" + rows))
    for command in (teach(bert, corpus, copy, "other"), train(copy, "other")):
        fails(*command, says=["idf: ", says, "python -m distill idf"])
    assert not (copy / "other").exists()
