"""How fast is a bundle beside BERT-base? In one process, by turns, so that noise hits all alike.

In: an encoder and some text. Out: a ``Timing`` for each system. BERT-base is given its tokens, and
random weights, which are as slow as trained ones. How good vectors are is not asked here.
"""

import functools
import itertools
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnxruntime import InferenceSession
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig, BertModel

from distill.bundle import MODEL, TOKENIZER
from distill.encoder import Encoder, open_session
from distill.tokens import tokenise

OURS, GRAPH = "ours", "ours_from_tokens"
TORCH, FLOAT32, INT8 = "bert_base_pytorch", "bert_base_onnxruntime", "bert_base_onnxruntime_int8"
SAMPLE = (
    "请问我上周在你们店里买的洗衣机一直没有发货能不能先帮我查一下物流到哪里了"
    "如果这两天还送不到我想申请退款另外优惠券过期了可以补发吗"
    "电子发票要怎么开公司抬头写错了能不能修改会员积分什么时候到账收货地址填错了怎么改"
)
_TEXTS = 64  # different texts, read one after the other where a call takes fewer
_SPAN = 0.02  # seconds a system has in each round; a call that takes longer is made once
_REST = 0.1  # seconds

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """How long a call takes that encodes ``batch`` texts of ``characters`` characters each."""

    system: str
    threads: int
    batch: int
    characters: int
    median_ms: float
    first_ms: float  # median of each round's first call, after others have filled the caches
    calls: int


class _LastStates(nn.Module):
    """BERT-base as both PyTorch and its ONNX exporter call it."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = BertModel(BertConfig(), add_pooling_layer=False)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class BertBase:
    """BERT-base with random weights; it reads two tokens more than a text has characters."""

    def __init__(self, directory: Path) -> None:
        """Make it, and its two ONNX forms in ``directory`` (550 MB)."""
        self._model = _LastStates().eval()
        self._files = {name: directory / f"{name}.onnx" for name in (FLOAT32, INT8)}
        self._sessions: dict[tuple[str, int], InferenceSession] = {}
        names = ("input_ids", "attention_mask")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shapes taken as constant; those are
            torch.onnx.export(
                self._model,
                (torch.ones(2, 8, dtype=torch.long),) * 2,
                str(self._files[FLOAT32]),
                input_names=list(names),
                output_names=["states"],
                dynamic_axes={name: {0: "b", 1: "t"} for name in (*names, "states")},
                opset_version=17,
                dynamo=False,
            )
        logging.disable(logging.WARNING)  # advice to prepare the graph first; it gains nothing
        try:
            quantize_dynamic(self._files[FLOAT32], self._files[INT8], weight_type=QuantType.QInt8)
        finally:
            logging.disable(logging.NOTSET)

    def calls(self, batch: int, characters: int, threads: int) -> Mapping[str, Call]:
        """Return what encodes such a batch in PyTorch and in onnxruntime, float32 and int8."""
        torch.set_num_threads(threads)
        ids = torch.randint(1000, 20_000, (batch, characters + 2))
        feed = {"input_ids": ids.numpy(), "attention_mask": np.ones(ids.shape, dtype=np.int64)}

        def in_torch() -> None:
            with torch.inference_mode():
                self._model(ids)  # no mask: nothing is padded, and PyTorch is faster so

        calls: dict[str, Call] = {TORCH: in_torch}
        for name in (FLOAT32, INT8):
            calls[name] = functools.partial(self._session(name, threads).run, None, feed)
        return calls

    def _session(self, name: str, threads: int) -> InferenceSession:
        if (name, threads) not in self._sessions:
            self._sessions[name, threads] = open_session(self._files[name], threads)
        return self._sessions[name, threads]


def measure(
    encoder: Encoder,
    bert: BertBase,
    stream: str,
    *,
    batch: int,
    characters: int,
    threads: int,
    rounds: int,
) -> list[Timing]:
    """Time all systems on texts cut from ``stream``; in each round each has its turn."""
    texts = cut(stream, characters, _TEXTS)
    groups = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    with ThreadPoolExecutor(threads) as pool:
        calls = _our_calls(encoder, groups, pool, threads)
        calls |= bert.calls(batch, characters, threads)
        for call in calls.values():
            call()
        seconds: dict[str, list[list[float]]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                seconds[name].append(turn(call))
    return [
        Timing(
            name,
            threads,
            batch,
            characters,
            median_ms=_median_ms(itertools.chain.from_iterable(turns)),
            first_ms=_median_ms(turn[0] for turn in turns),
            calls=sum(map(len, turns)),
        )
        for name, turns in seconds.items()
    ]


def cut(stream: str, characters: int, count: int) -> list[str]:
    """Return texts of exactly so many characters, one after another from the stream."""
    stream *= -(-characters * count // len(stream))
    return [stream[i * characters :][:characters] for i in range(count)]


def turn(call: Call, span: float = _SPAN) -> list[float]:
    """Return the seconds of each call that fits into ``span`` seconds; of one at least."""
    # Threads of the system before go on spinning for a while, on the cores that this one needs.
    time.sleep(_REST)
    seconds, end = [], time.perf_counter() + span
    while not seconds or time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return seconds


def _our_calls(
    encoder: Encoder, groups: Sequence[Sequence[str]], pool: ThreadPoolExecutor, threads: int
) -> dict[str, Call]:
    """Return what encodes the next group from its texts, and from its tokens: the graph alone."""
    session = open_session(encoder.bundle.path / MODEL)
    tokenizer = Tokenizer.from_file(str(encoder.bundle.path / TOKENIZER))
    longest = encoder.bundle.manifest.max_tokens

    def feed(text: str) -> Mapping[str, np.ndarray]:
        return vars(tokenise(tokenizer, [encoder.weigh(text)], longest))

    def run(feeds: Sequence[Mapping[str, np.ndarray]]) -> None:
        for each in feeds:
            session.run(["vector"], each)

    shares = [
        [list(map(feed, group[part::threads])) for part in range(threads)] for group in groups
    ]
    text_turns, token_turns = itertools.cycle(groups), itertools.cycle(shares)
    spread = pool.map if len(groups[0]) > 1 else map
    return {
        OURS: lambda: encoder.encode(next(text_turns), workers=threads),
        GRAPH: lambda: list(spread(run, next(token_turns))),
    }


def _median_ms(seconds: Iterable[float]) -> float:
    return round(1000 * statistics.median(seconds), 4)
