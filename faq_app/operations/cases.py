"""By which queries are changes judged? The regression set, as operators keep and run it.

In: a desk, queries with their entries. Out: pages of cases, runs with what failed, and their curve.
"""

from collections.abc import Sequence
from pathlib import Path

from faq_app.operations.desk import Desk
from indexer import regression
from indexer.progress import Progress, silent
from indexer.regression import Added, CasePage, NewCase, RecordedRun, RegressionCase, Run


def page(desk: Desk, search: str, start: int, count: int) -> CasePage:
    """Return some of the cases that hold ``search``, the latest first."""
    return regression.list_cases(desk.service.store, search, None, start, count)


def add(desk: Desk, query: str, entry_key: str, by: str) -> Added:
    """Add a case, or label one anew; raises InputError for what cannot be one."""
    case = NewCase(query, entry_key.strip(), "手工")
    done = regression.add_cases(desk.service.store, [case], by)
    desk.note(by, "回归集: 新增", query[:60])
    return done


def remove(desk: Desk, number: int, by: str) -> bool:
    """Take a case out of the set; say whether it was there."""
    known = bool(regression.remove_cases(desk.service.store, [number]))
    if known:
        desk.note(by, "回归集: 删除", str(number))
    return known


def put_back(desk: Desk, case: RegressionCase, by: str) -> None:
    """Add a case again that was taken out."""
    again = NewCase(case.query, case.entry_key, case.origin, case.enabled)
    regression.add_cases(desk.service.store, [again], by)
    desk.note(by, "回归集: 恢复", case.query[:60])


def switch(desk: Desk, number: int, enabled: bool, by: str) -> bool:
    """Let a case take part in runs, or rest; say whether it is there."""
    known = bool(regression.enable_cases(desk.service.store, [number], enabled))
    if known:
        desk.note(by, f"回归集: {'启用' if enabled else '停用'}", str(number))
    return known


def import_file(desk: Desk, path: Path, by: str) -> Added:
    """Add the cases of a table; raises TableError, with the line."""
    done = regression.import_cases(desk.service.store, path, by)
    desk.note(by, "回归集: 导入", path.name)
    return done


def export(desk: Desk, path: Path) -> int:
    """Write all cases as .csv or .xlsx; return how many."""
    return regression.export_cases(desk.service.store, path)


def run(desk: Desk, by: str, progress: Progress = silent) -> Run:
    """Ask all cases of the published revision, and keep the run for the curve."""
    done = regression.run(desk.service.store, desk.searcher, progress=progress)
    if done.cases:
        regression.record(desk.service.store, done, by)
    return done


def curve(desk: Desk) -> Sequence[RecordedRun]:
    """Return all runs that were kept, oldest first."""
    return regression.recorded_runs(desk.service.store)
