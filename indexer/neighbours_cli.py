"""The command `python -m indexer compare`: a thin skin over neighbours.py."""

import json
from pathlib import Path

import click

from distill.commands import require_extra
from distill.encoder import Encoder
from distill.files import write_whole
from indexer.errors import InputError
from indexer.neighbours import Agreement, Wording, compare
from indexer.options import PATH, db_option, encoder_option, say
from indexer.store import Store
from indexer.table_export import write_rows

_SHOWN = 10
_HEADER = (
    "提问", "条目", "教师的近邻", "它的条目", "余弦(教师)", "学生的近邻", "它的条目", "余弦(学生)",
    "教师的近邻在学生处的名次", "前十重合", "离开了本条目",
)  # fmt: skip


@click.command("compare")
@click.option("--teacher", required=True, help="Path or hub name of the transformer checkpoint.")
@click.option(
    "--pooling",
    type=click.Choice(["own", "cls", "mean", "first-last", "idf"]),
    default="idf",
    show_default=True,
    help="How its vectors are made; as the encoder was taught.",
)
@click.option("--prefix", default="", help='Put before each text, as "query: " for E5 models.')
@click.option("-o", "--output", type=PATH, help="Write all disagreements to this csv or xlsx.")
@click.option("--json", "json_file", type=PATH, help="Write everything to this file as JSON.")
@db_option
@encoder_option
def compare_neighbours(
    teacher: str,
    pooling: str,
    prefix: str,
    output: Path | None,
    json_file: Path | None,
    db: Path,
    encoder: Path,
) -> None:
    """List the questions that lose their nearest neighbour from the teacher to the student.

    \b
    Example:
      python -m indexer compare --teacher build/encoder/multilingual-e5-small -o 近邻.csv
    """
    require_extra("distill", "torch", "transformers")
    for path in filter(None, (output, json_file)):
        if not path.resolve().parent.is_dir():
            raise InputError(f"{path}: 没有这个目录。怎么办: mkdir -p {path.parent}")
    snapshot = Store.open(db).snapshot()
    wordings = [
        Wording(text, entry.key)
        for entry in snapshot.entries.values()
        if entry.enabled
        for text in dict.fromkeys((entry.question, *entry.variants))
    ]
    student = Encoder.load(encoder)
    from distill.teacher import load_teacher  # torch: only where a teacher is asked

    model = load_teacher(teacher, pooling, student.weighting, prefix=prefix)
    texts = [wording.text for wording in wordings]
    say(f"{len(texts)} 个问法, 教师逐条读过要几分钟 …")
    found = compare(wordings, model.encode(texts)[:, 0], student.encode(texts))
    _print(found)
    if output:
        write_rows(output, _HEADER, _rows(found))
        say(f"{output}: {len(found.disagreements)} 个问法")
    if json_file:
        result = {"teacher": Path(teacher).name, "encoder": student.fingerprint, **found.as_json()}
        write_whole(json_file, (json.dumps(result, ensure_ascii=False, indent=1) + "\n").encode())


def _print(found: Agreement) -> None:
    click.echo(
        f"{found.questions} 个问法: 最近的一个相同 {100 * found.same_nearest:.1f} %, "
        f"前十重合 {100 * found.overlap:.1f} %"
    )
    click.echo(
        f"最近的一个属于本条目: 教师 {100 * found.own_entry_teacher:.1f} %, "
        f"学生 {100 * found.own_entry_student:.1f} %"
    )
    lost = sum(each.lost for each in found.disagreements)
    click.echo(f"在教师处最近的是本条目, 在学生处不是: {lost} 个; 变得最厉害的:")
    for each in found.disagreements[:_SHOWN]:
        click.echo(f"  {each.text}")
        click.echo(
            f"    教师 → {each.teacher.text} [{each.teacher.entry_key}]; 在学生处第 {each.rank} 名"
        )
        click.echo(f"    学生 → {each.student.text} [{each.student.entry_key}]")


def _rows(found: Agreement) -> list[tuple[str, ...]]:
    return [
        (
            each.text, each.entry_key,
            each.teacher.text, each.teacher.entry_key, f"{each.teacher.cosine:.4f}",
            each.student.text, each.student.entry_key, f"{each.student.cosine:.4f}",
            str(each.rank), f"{each.overlap:.1f}", "是" if each.lost else "否",
        )
        for each in found.disagreements
    ]  # fmt: skip
