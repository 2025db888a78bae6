"""The command `python -m distill cluster`: a thin skin over text_groups.py."""

import sys
from pathlib import Path

import click
from tqdm import tqdm

from distill.commands import require_extra
from distill.encoder import Encoder
from distill.errors import CorpusError
from distill.files import write_whole
from distill.spreadsheet import csv_bytes
from distill.text import normalise
from distill.text_groups import THRESHOLD, TextGroup, group_texts
from distill.text_groups_html import as_html
from distill.text_table import in_lines, read_texts

_PATH = click.Path(path_type=Path)
_PRINTED = 20  # groups


@click.command()
@click.argument("table", type=_PATH)
@click.option("--encoder", default=Path("data/encoder"), show_default=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="The csv to write.")
@click.option("--html", type=_PATH, help="Write a page of the groups here too.")
@click.option("--groups", type=click.IntRange(min=2), help="How many; default: found.")
@click.option(
    "--threshold",
    default=THRESHOLD,
    show_default=True,
    type=click.FloatRange(-1, 1),
    help="The higher, the more and smaller groups are found.",
)
@click.option("--encoding", help="Of the table, if it is not recognised, e.g. big5.")
def cluster(
    table: Path,
    encoder: Path,
    output: Path,
    html: Path | None,
    groups: int | None,
    threshold: float,
    encoding: str | None,
) -> None:
    """Put short texts (a csv with a column 文本, or a txt) into groups, each with a name.

    \b
    Example:
      python -m distill cluster 文本.csv -o 分组.csv --html 分组.html
    """
    if groups:
        require_extra("tasks", "sklearn")
    if output.exists() and output.resolve() == table.resolve():
        raise click.ClickException(f"{output}: 就是要读的文件。怎么办: 换一个 -o")
    for path in filter(None, (output, html)):
        if not path.resolve().parent.is_dir():
            raise click.ClickException(f"{path}: 没有这个目录。怎么办: mkdir -p {path.parent}")
    given = read_texts(table, encoding=encoding)
    speaking = [row for row in given.rows if normalise(row.text)]
    if len(speaking) < 2:
        raise CorpusError(f"{table}: 有文字的文本不到两条, 没有什么可分组。怎么办: 多给一些文本")
    texts = [row.text for row in speaking]
    model = Encoder.load(encoder)
    with tqdm(total=len(texts), unit=" texts", file=sys.stderr, leave=False) as bar:
        vectors = model.encode(texts, progress=bar.update)
    found = group_texts(texts, vectors, model.weighting.idf, count=groups, threshold=threshold)
    write_whole(output, csv_bytes(_rows(texts, found)))
    for group in found[:_PRINTED]:
        click.echo(f"{len(group.rows):6d}  {group.name}    {texts[group.rows[0]]}")
    if len(found) > _PRINTED:
        click.echo(f"        … 另有 {len(found) - _PRINTED} 组")
    click.echo(f"{output}: {len(texts)} 条文本, {len(found)} 组", err=True)
    if html:
        write_whole(html, as_html(table.name, texts, found).encode())
        click.echo(f"{html}: 用浏览器打开", err=True)
    if silent := [row.line for row in given.rows if not normalise(row.text)]:
        click.echo(f"{in_lines(silent)}没有文本, 没有分组", err=True)


def _rows(texts: list[str], groups: tuple[TextGroup, ...]) -> list[tuple[str, ...]]:
    rows = [("组", "组名", "条数", "典型程度", "文本")]
    for number, group in enumerate(groups, 1):
        for row, likeness in zip(group.rows, group.likeness, strict=True):
            rows.append(
                (str(number), group.name, str(len(group.rows)), f"{likeness:.3f}", texts[row])
            )
    return rows
