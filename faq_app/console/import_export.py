"""导入、导出: a FAQ table comes in after a look at what it would change, and goes out without loss.

In: an uploaded file. Out: its columns to be corrected, a preview, failed rows to download, and a
new revision; or the whole FAQ as csv or xlsx.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, LONG, download, explained
from faq_app.console.effect import insist_view
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import imports
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.errors import Cancelled, IndexerError
from indexer.table_columns import ASSIGNABLE

_NOTES = 5  # what was noticed while reading; a large file may have one for every row
_EXCERPT = 80  # characters of a row or an answer
_MODES = [("文件里没有的条目停用", "replace"), ("文件里没有的条目不动", "append")]


def build(
    desk: Desk, show: Callable[..., Any], filters: Sequence[Any], listing: Sequence[Any]
) -> None:
    """Put both into the surrounding page; ``show`` fills ``listing`` after an import."""
    files = imports.Imports(desk)

    @explained
    def read(file: str | None, mode: str) -> tuple[Any, ...]:
        if not file:
            return "", gr.skip(), gr.skip(), gr.skip(), *(gr.skip() for _ in ASSIGNABLE)
        columns = imports.columns_of(Path(file))
        names = [
            (f"{column + 1}. {name.strip()[:20] or '(无名)'}", column)
            for column, name in enumerate(columns.header)
        ]
        boxes = [
            gr.Dropdown(choices=names, value=list(columns.fields.get(field, ())))
            for field in ASSIGNABLE
        ]
        return *_read(files, file, mode, None), gr.Accordion(visible=True), *boxes

    @explained
    def read_again(file: str | None, mode: str, *chosen: list[int]) -> tuple[Any, ...]:
        if not file:
            raise ValueError("还没有选文件")
        return _read(files, file, mode, _assigned(chosen))

    def import_file(
        request: gr.Request,
        file: str,
        mode: str,
        corrected: bool,
        chosen: Sequence[list[int]],
        insist: bool,
    ) -> tuple[Any, ...]:
        user = require(request, "publisher")
        tell = stop.telling(request, "正在计算向量")
        assigned = _assigned(chosen) if corrected else None
        try:
            done = files.run(Path(file), mode, user.name, assigned, insist, tell)
        except Cancelled:
            return parts.cancelled("什么也没有导入"), gr.skip(), gr.skip()
        except TooMuchBroken as error:
            return insist_view(error), gr.skip(), gr.skip()
        said = f"已导入, 已发布第 {done.revision} 版, 新算了 {done.encoded} 个向量。"
        more = "要退回, 到「版本」里回到上一版。"
        return parts.done(said + more), gr.Button(visible=False), gr.Button(visible=False)

    @explained
    def imported(
        request: gr.Request, file: str, mode: str, corrected: bool, *chosen: list[int]
    ) -> tuple[Any, ...]:
        return import_file(request, file, mode, corrected, chosen, insist=False)

    @explained
    def imported_still(
        request: gr.Request, file: str, mode: str, corrected: bool, *chosen: list[int]
    ) -> tuple[Any, ...]:
        return import_file(request, file, mode, corrected, chosen, insist=True)

    @explained
    def turned(
        event: gr.EventData, file: str, mode: str, corrected: bool, *chosen: list[int]
    ) -> Markup:
        assigned = _assigned(chosen) if corrected else None
        found = files.read(Path(file), mode, assigned)
        return _report(found, event.kind, float(event.page))

    def exported(ending: str) -> Path:
        path = Path(tempfile.mkdtemp(prefix="faq-")) / f"问答表.{ending}"
        imports.export(desk, path)
        return path

    with gr.Accordion("导入问答表", open=False, elem_id="import"):
        with gr.Row():
            file = gr.File(
                label="csv、tsv、txt 或 xlsx", file_types=[".csv", ".tsv", ".txt", ".xlsx"],
                height=130, scale=3, elem_id="import-file",
            )  # fmt: skip
            mode = gr.Radio(
                _MODES, value="append", label="文件里没有的条目", scale=2, elem_id="import-mode"
            )
        corrected = gr.State(False)
        with gr.Accordion("列认错了? 在这里改正", open=False, visible=False) as correction:
            with gr.Row():
                boxes = [
                    gr.Dropdown([], label=name, multiselect=True, min_width=150)
                    for name in ASSIGNABLE.values()
                ]
            again = gr.Button("按这样的列重新读", size="sm", elem_id="import-again")
        report = parts.view(events=["insist", "turn"], elem_id="import-report")
        with gr.Row():
            stop = Stop("import-stop")
            confirm = gr.Button(
                "确认导入并发布", variant="primary", visible=False, elem_id="import-go"
            )
            faulty = gr.DownloadButton("下载有误的行 (csv)", visible=False, elem_id="import-faulty")
    with gr.Accordion("导出", open=False):
        gr.Markdown("全部条目, 包括停用的。改好以后可以原样再导入。")
        with gr.Row():
            download("导出 csv", lambda: exported("csv"), "export-csv")
            download("导出 xlsx", lambda: exported("xlsx"), "export-xlsx")

    outcome = [report, confirm, faulty]
    read_all = [*outcome, correction, *boxes]
    file.change(read, [file, mode], read_all, **LONG).then(lambda: False, None, corrected, **BUSY)
    again.click(read_again, [file, mode, *boxes], outcome, **LONG).success(
        lambda: True, None, corrected, **BUSY
    )
    mode.input(
        lambda file, mode, again, *chosen: (
            _read(files, file, mode, _assigned(chosen) if again else None)
            if file
            else ("", gr.skip(), gr.skip())
        ),
        [file, mode, corrected, *boxes],
        outcome,
        **LONG,
    )
    described = [file, mode, corrected, *boxes]
    report.turn(turned, described, report, **BUSY)
    for event, handler in ((confirm.click, imported), (report.insist, imported_still)):
        stop.wire(event, handler, described, outcome, [confirm]).success(
            show, list(filters), list(listing), **BUSY
        )


def _assigned(chosen: Sequence[Sequence[int] | None]) -> imports.Assigned:
    return {
        field: tuple(columns) for field, columns in zip(ASSIGNABLE, chosen, strict=True) if columns
    }


def _read(
    files: imports.Imports, file: str, mode: str, assigned: imports.Assigned | None
) -> tuple[Any, ...]:
    try:
        found = files.read(Path(file), mode, assigned)
    except IndexerError as error:
        # On the page, not in passing: it says what to do, and where.
        text = str(error).replace(f"{Path(file)}", Path(file).name)
        return parts.failure(text), gr.Button(visible=False), gr.DownloadButton(visible=False)
    download = gr.DownloadButton(visible=False)
    if found.faulty:
        path = Path(tempfile.mkdtemp(prefix="faq-")) / "有误的行.csv"
        imports.write_faulty(path, found)
        download = gr.DownloadButton(value=path, visible=True)
    return _report(found), gr.Button(visible=bool(found.plan.changes)), download


def _report(found: imports.ImportPreview, kind: str = "", number: float = 0) -> Markup:
    plan = found.plan
    lists: dict[str, Sequence[Any]] = {
        "有误": found.faulty, "新增": plan.added, "更新": plan.updated, "停用": plan.disabled,
        "不变": plan.unchanged,
    }  # fmt: skip
    kind = kind or next((name for name, some in lists.items() if some), "有误")
    chips = [
        parts.button(
            "turn", f"{name} {len(some)}", "chosen" if name == kind else "", kind=name, page=0
        )
        for name, some in lists.items()
    ]
    notes = [*found.table.notes, *plan.notes]
    told = [element("p", note, class_="soft") for note in notes[:_NOTES]]
    if len(notes) > _NOTES:
        told.append(element("p", f"另有 {len(notes) - _NOTES} 处说明。", class_="soft"))
    page = parts.page_of(lists[kind], number)
    return element(
        "div",
        element("p", *chips, class_="chips"),
        *told,
        _rows(kind, page.rows),
        parts.pager(page, "行" if kind == "有误" else "个条目", kind=kind),
    )


def _rows(kind: str, rows: Sequence[Any]) -> Markup:
    if not rows:
        return element("p", "没有。", class_="soft")
    if kind == "有误":
        cells = [
            (str(r.line), r.reason, parts.theirs(_excerpt(" | ".join(filter(None, r.cells)))))
            for r in rows
        ]
        said = "其余的行照常导入; 下载这些行, 改好以后再导入即可。"
        table = parts.table(("行›", "不能导入, 因为", "内容"), cells)
        return element("div", table, element("p", said, class_="soft"))
    cells = [
        (
            parts.theirs(entry.key),
            parts.theirs(entry.question),
            str(len(entry.variants)),
            parts.theirs(_excerpt(entry.answer)),
        )
        for entry in rows
    ]
    return parts.table(("编号", "标准问", "相似问›", "答案"), cells)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"
