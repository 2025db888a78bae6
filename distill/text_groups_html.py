"""How do groups of texts read in a browser? One file, no script, nothing beside it, no network.

In: texts and their groups. Out: HTML in which every text is escaped by markup.py.
"""

from collections.abc import Sequence

from distill.markup import Markup, element, page
from distill.text_groups import TextGroup

_SHOWN = 5  # texts of a group before it is opened
_LISTED = 200  # texts of a group on the page; the csv has them all
_CARDS = 300  # groups on the page
_STYLE = """
:root { --accent: #0b7a6b; --ground: #f4f6f7; --card: #fff; --ink: #1d2729; --soft: #5b686b;
  --line: #dde3e5; --tint: #e5f3f0; }
@media (prefers-color-scheme: dark) { :root { --accent: #4cc3af; --ground: #12181a;
  --card: #1c2426; --ink: #e8eeee; --soft: #a3b0b2; --line: #334043; --tint: #17332f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { margin: 0 0 4px; font-size: 24px; }
h2 { margin: 0; font-size: 17px; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: 13px; margin: 0; }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 14px;
  margin-top: 20px; align-items: start; }
section { padding: 14px 16px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
.bar { display: block; width: 100%; height: 5px; margin: 8px 0 10px; }
.whole { fill: var(--tint); } .part { fill: var(--accent); }
ul { margin: 0; padding-left: 18px; }
li { margin: 2px 0; overflow-wrap: anywhere; }
li:first-child { font-weight: 600; }
details li:first-child { font-weight: 400; }
summary { margin-top: 6px; cursor: pointer; color: var(--accent); font-size: 13px; }
"""


def as_html(title: str, texts: Sequence[str], groups: Sequence[TextGroup]) -> str:
    """Return the page; ``title`` says where the texts come from."""
    single = sum(len(group.rows) == 1 for group in groups)
    largest = max(len(group.rows) for group in groups)
    left = f"; 页面只列最大的 {_CARDS} 组, 其余在 csv 里" if len(groups) > _CARDS else ""
    body = element(
        "main",
        element("h1", "文本分组"),
        element(
            "p",
            f"{title}: {len(texts)} 条文本, {len(groups)} 组, 其中 {single} 组只有一条{left}。"
            "组名是组内比组外多见的词; 每组最典型的一条在最前。",
            class_="soft",
        ),
        element(
            "div", *(_card(texts, group, largest) for group in groups[:_CARDS]), class_="groups"
        ),
    )
    return page(f"文本分组: {title}", _STYLE, body)


def _card(texts: Sequence[str], group: TextGroup, largest: int) -> Markup:
    share = f"{100 * len(group.rows) / largest:.1f}%"
    # SVG and not a style attribute, which the page's own policy forbids.
    bar = element(
        "svg",
        element("rect", width="100%", height="5", rx="2.5", class_="whole"),
        element("rect", width=share, height="5", rx="2.5", class_="part"),
        class_="bar",
        role="img",
        aria_label=f"{len(group.rows)} 条",
    )
    rest = group.rows[_SHOWN:_LISTED]
    more = (
        element(
            "details",
            element("summary", f"其余 {len(group.rows) - _SHOWN} 条"),
            _list(texts, rest),
            *(
                [element("p", f"只列前 {_LISTED} 条, 其余在 csv 里", class_="soft")]
                if len(group.rows) > _LISTED
                else []
            ),
        ),
    )
    return element(
        "section",
        element("h2", group.name),
        element("p", f"{len(group.rows)} 条", class_="soft"),
        bar,
        _list(texts, group.rows[:_SHOWN]),
        *(more if rest else ()),
    )


def _list(texts: Sequence[str], rows: Sequence[int]) -> Markup:
    return element("ul", *(element("li", texts[row]) for row in rows))
