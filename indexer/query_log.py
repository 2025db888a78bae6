"""What becomes of the query log? It is exported without what says who asked, and pruned by age.

In: a store. Out: a csv, or fewer rows. What is logged is store.py's and faq_app's matter.
"""

import csv
import os
import secrets
from pathlib import Path

from distill.spreadsheet import guard
from indexer.errors import TableError
from indexer.period import Period
from indexer.store import Store

COLUMNS = (
    *("trace_id", "asked_at", "text", "decision", "reason", "entry_key", "chosen", "feedback"),
    *("revision", "milliseconds"),
)
_AT_A_TIME = 5000  # rows deleted in a transaction: customers' questions are logged in between


def export_log(store: Store, path: Path, period: Period | None = None) -> int:
    """Write the log, or a period of it, oldest first, as .csv; return how many rows.

    A query is there as ``text``: normalised, numbers of telephones and the like masked. Rows go
    straight from the database to the file. Raises TableError if it cannot be written.
    """
    if path.suffix.lower() != ".csv":
        raise TableError(f"{path}: 日志只能写成 .csv。怎么办: 换一个文件名")
    sql = f"select {', '.join(COLUMNS)} from query_log"
    bounds = [period.begins, period.ends] if period else []
    if period:
        sql += " where asked_at >= ? and asked_at < ?"
    # Beside the target: a rename is atomic only within one file system.
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.csv")
    count = 0
    try:
        with draft.open("w", encoding="utf-8-sig", newline="") as file, store.reading() as db:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            writer.writerow(COLUMNS)
            for row in db.execute(f"{sql} order by asked_at", bounds):
                writer.writerow("" if cell is None else guard(str(cell)) for cell in row)
                count += 1
        os.replace(draft, path)
    except OSError as error:
        raise TableError(
            f"{path}: 无法写入 ({error.strerror})。"
            "怎么办: 检查文件夹是否存在、磁盘是否已满、文件是否正被 Excel 打开"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def count_before(store: Store, moment: str) -> int:
    """Return how many questions were asked before a moment (see ``period.moment``)."""
    with store.reading() as db:
        sql = "select count(*) from query_log where asked_at < ?"
        return db.execute(sql, [moment]).fetchone()[0]


def prune_log(store: Store, moment: str) -> int:
    """Delete the questions asked before a moment; return how many.

    The file does not shrink; its space is used again.
    """
    sql = (
        "delete from query_log where rowid in"
        " (select rowid from query_log where asked_at < ? limit ?)"
    )
    count = 0
    while True:
        with store.transaction() as db:
            deleted = db.execute(sql, [moment, _AT_A_TIME]).rowcount
        count += deleted
        if deleted < _AT_A_TIME:
            return count
