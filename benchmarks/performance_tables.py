"""What do load.json, soak.json and scale.json say? As tables of docs/performance.md.

In: result files, read by tables.py. Out: Markdown.
"""

from collections.abc import Mapping, Sequence

from markdown_table import table

STAGES = {
    "ask, reply": "回答的组装",
    "revision": "有没有新版本",
    "normalise": "清洗文字",
    "segment": "切词",
    "weigh": "权重",
    "tokenise": "分成 token",
    "encoder": "编码器(onnxruntime)",
    "vectors": "向量:扫描、逐问法、整条目",
    "characters and sounds": "字词和读音的倒排",
    "signals, order": "六个信号合成、排序",
    "calibration": "可信度",
    "negation": "否定",
    "decision": "决定",
    "log queue": "排进日志队列",
}


def stages(load: Mapping) -> str:
    """Return where the time of an answer goes."""
    ask = load["ask"]
    spent = ask["stages_us"]
    total = sum(spent.values())
    rows = [(STAGES[name], f"{value:.0f}", f"{value / total:.0%}") for name, value in spent.items()]
    note = (
        f"进程内 ask,{ask['asked']} 条各不相同的提问,一个线程,记忆关闭:"
        f"p50 {ask['p50_ms']:.2f} ms,p99 {ask['p99_ms']:.2f} ms。"
        "其中各步的处理器时间(微秒,含测量本身):"
    )
    return f"{note}\n\n{table(('步骤', 'µs', '占'), rows)}"


def http(load: Mapping) -> str:
    """Return requests a second, and those of the same server with BERT-base."""
    ours = load["http"]
    rows: list[Sequence[str]] = [
        _row(f"本项目,{name.split()[0]} 个连接", seen)
        for name, seen in ours.items()
        if name.endswith("connections")
    ]
    rows.append(_row("同样 1000 条再问一遍,8 个连接", ours["asked_again"]))
    helped = load["workers"]
    rows += [
        _row(f"--workers {helped['workers']},{name.split()[0]} 个连接", seen)
        for name, seen in helped.items()
        if name.endswith("connections")
    ]
    bert = load.get("bert", {})
    for name in ("onnxruntime", "pytorch"):
        if name in bert:
            rows.append(_row(f"BERT-base({name},float32),8 个连接", bert[name]))
    times = [
        f"{helped['8 connections']['requests_per_second'] / bert[name]['requests_per_second']:.0f}"
        for name in ("onnxruntime", "pytorch")
        if name in bert
    ]
    faster = ""
    if len(times) == 2:
        faster = (
            f"8 个连接时每秒请求数是 BERT-base 的 {times[0]} 倍(onnxruntime)、"
            f"{times[1]} 倍(PyTorch)。"
        )
    asked = sum(seen["requests"] for name, seen in ours.items() if name.endswith("connections"))
    note = (
        f"从启动到第一个回答 {ours['start_seconds']:.1f} 秒;问过 {asked} 次、打开过各个页面以后,"
        f"常驻内存 {ours['memory_mb']:.0f} MB;有 --workers {helped['workers']} 时"
        f"所有进程一共 {helped['memory_mb']:.0f} MB。{faster}"
    )
    head = ("POST /api/v1/ask", "请求/秒", "p50 ms", "p99 ms", "请求数")
    return f"{note}\n\n{table(head, rows)}"


def soak(found: Mapping) -> str:
    """Return what a long run saw."""
    return (
        f"{found['asks']} 次提问,{found['threads']} 个线程,{found['seconds']:.0f} 秒,其间 "
        f"{found['weight_changes']} 次改权重(每 {found['seconds_between_changes']:g} 秒一次):"
        f"错误 {found['errors']},混了两个版本的回答 {found['mixed']}"
        f"(在 {found['canaries']} 次查验中),内存增加 {found['memory_growth_mb']:.1f} MB。"
    )


def sizes(scale: Mapping) -> str:
    """Return what growing numbers of questions cost, of the vectors alone and of the product."""
    parts = {"vectors": _vectors, "product": _product}
    return "\n\n".join(part(scale) for name, part in parts.items() if name in scale)


def _vectors(scale: Mapping) -> str:
    found = scale["vectors"]
    rows = [
        (
            f"{int(count):,}",
            {"scan": "全部扫描", "cells": "分格"}[seen["kind"]],
            f"{seen['build_seconds']:.1f}",
            f"{seen['vectors_mb']:.0f} + {seen['index_mb']:.0f}",
            f"{seen['search_ms']['p50']:.2f}",
            f"{seen['search_ms']['p99']:.2f}",
            f"{seen['peer_ms']['p50']:.2f}",
            f"{100 * seen['recall_at_10']:.1f}",
        )
        for count, seen in found.items()
    ]
    asked = next(iter(found.values()))["queries"]
    note = (
        f"只是向量(`VectorIndex`):各不相同的真实句子,{asked} 条别的句子来查,对照是同一次运行里 "
        f"FAISS 对全部 float32 向量的扫描;开始时负载 {_loads(found)}:"
    )
    head = (
        "向量",
        "索引",
        "建立 s",
        "向量 + 索引 MB",
        "p50 ms",
        "p99 ms",
        "对照 p50 ms",
        "Recall@10 %",
    )
    return f"{note}\n\n{table(head, rows)}"


def _product(scale: Mapping) -> str:
    found = scale["product"]
    rows = [
        (
            f"{int(count):,}",
            f"{seen['load_seconds']:.1f}",
            f"{seen['memory_mb']:.0f}",
            f"{seen['ask_ms']['p50']:.2f}",
            f"{seen['ask_ms']['p99']:.2f}",
            f"{seen['ask_processor_ms']:.2f}",
        )
        for count, seen in found.items()
    ]
    note = (
        "整个产品(一个条目五个问法,答案四句话,一个线程,记忆关闭,没有网页);"
        f"开始时负载 {_loads(found)}:"
    )
    head = ("问法", "载入 s", "内存 MB", "ask p50 ms", "ask p99 ms", "其中处理器 ms")
    return f"{note}\n\n{table(head, rows)}"


def _loads(found: Mapping) -> str:
    return "、".join(f"{seen['load_average_before']:g}" for seen in found.values())


def _row(name: str, seen: Mapping) -> Sequence[str]:
    return (
        name,
        f"{seen['requests_per_second']:.0f}",
        f"{seen['p50_ms']:.1f}",
        f"{seen['p99_ms']:.1f}",
        str(seen["requests"]),
    )
