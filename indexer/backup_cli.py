"""The commands `python -m indexer backup` and `restore`."""

from contextlib import closing
from pathlib import Path

import click

from indexer import backup as backups
from indexer.options import BY, PATH, db_option, say
from indexer.store import Store


@click.command()
@click.argument("target", type=PATH)
@db_option
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def backup(target: Path, db: Path, force: bool) -> None:
    """Copy the database into one file, while the server runs; the copy is checked.

    It holds all that the database holds: what customers asked, accounts with their password
    hashes. Only its owner may read it. The encoder and data outside the database are not in it.

    \b
    Example:
      python -m indexer backup /mnt/backup/faq-monday.db
    """
    with closing(Store.open(db)) as store:
        found = backups.backup(store, target, force)
    say(f"{target}: {_in_words(found)}; 已核对, 完整")
    say("里面有顾客的提问和账户的密码摘要: 像数据库一样保管")


@click.command()
@click.argument("source", type=PATH)
@db_option
def restore(source: Path, db: Path) -> None:
    """Make the database what a backup holds, as a new revision; a running server follows.

    The backup is checked first, and the database as it was is kept beside it. Accounts and API
    keys go back too; everybody has to sign in again.

    \b
    Example:
      python -m indexer restore /mnt/backup/faq-monday.db --db data/faq.db
    """
    done = backups.restore(source, db, BY)
    say(f"{source}: {_in_words(done.contents)}; 完整")
    if done.kept:
        say(f"恢复前的数据库: {done.kept}")
    if done.live:
        say(f"{db}: 已发布第 {done.revision} 版, 内容同备份; 正在运行的服务已换到这一版")
        say("账户和接口密钥也回到了备份时: 之后停用的要再停用一次; 所有人要重新登录")
    else:
        say(f"{db}: 已放好, 第 {done.revision} 版。服务如果正在运行, 重启它")
    say(f"下一步: python -m indexer check --db {db}")


def _in_words(found: backups.Contents) -> str:
    rows = found.rows
    return (
        f"第 {found.revision} 版, {rows['entries']} 个条目, {rows['questions']} 个问题, "
        f"{rows['vectors']} 个向量, {rows.get('query_log', 0)} 条提问记录"
    )
