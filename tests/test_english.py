import ast
import json
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from faq_app import english
from tests.browser import chromium
from tests.conftest import ROOT
from tests.console_site import FAQ, Console, console_site

HAN = re.compile(r"[\u3400-\u9fff]")
HOLE = re.compile(r"\{[a-z_]*\}")
BY_MODULE = json.loads((ROOT / "faq_app" / "english.json").read_text(encoding="utf-8"))

# What the chat page and the console say themselves, and whose errors and words they pass on.
PAGES = (
    *("faq_app/chat.py", "faq_app/wording.py", "faq_app/guard.py", "faq_app/accounts.py"),
    *(f"faq_app/console/{path.name}" for path in (ROOT / "faq_app" / "console").glob("*.py")),
    *(
        f"faq_app/operations/{path.name}"
        for path in (ROOT / "faq_app" / "operations").glob("*.py")
        if path.stem != "jobs"  # programs alone have jobs
    ),
    *(f"distill/{name}.py" for name in ("bundle", "encoder", "idf")),
    *(
        f"indexer/{name}.py"
        for name in (
            *("build", "database_file", "decision", "draft", "evaluate", "evaluation_charts"),
            *("history", "keyword_file", "leave_one_out", "lexicon", "period", "publication"),
            *("reasons", "regression", "rehearsal", "revisions", "search", "statistics", "store"),
            *("stored_settings", "table_cells", "table_columns", "table_export", "table_file"),
            *("table_import", "table_xlsx", "unanswered"),
        )
    ),
)
SCRIPTS = ("faq_app/chat.js", "faq_app/console/edits.js", "faq_app/console/replies.js")
# Of these only what they write into the history and the log is read on the pages.
RECORDED = (
    *("faq_app/keys.py", "indexer/backup.py", "indexer/calibration_cli.py", "indexer/cli.py"),
    *("indexer/lexicon_cli.py", "indexer/options.py", "indexer/repair.py"),
)
# What is read, written to a file or kept, but not said: constants, functions and single words.
UNSAID = {
    "distill/encoder.py": {"预热"},
    "faq_app/operations/people.py": {"_HEADER"},
    "faq_app/operations/trial.py": {"_QUERY", "_LABEL", "_HEADER", "write_batch"},
    "indexer/evaluation_charts.py": {"outcome_bars", "heat_map", "_bar", "_cell"},
    "indexer/leave_one_out.py": {"read_out_of_scope"},
    "indexer/lexicon.py": {"read_synonyms"},
    "indexer/table_cells.py": {"_YES", "_NO", "_ON", "_OFF", "_NO_DATE"},
    "indexer/table_columns.py": {"FAILURE_COLUMN", "_ALIASES", "_MAXKB", "_field", "列{}"},
    "indexer/table_export.py": {"是", "否"},
}
FILE_NAME = re.compile(r"\S*\.(csv|\{\})|\{\} \{\} 至 \{\}\.csv")


def sentences(source, unsaid=frozenset()):
    """Return the Chinese texts of a module; {} stands for each value of an f-string."""
    tree = ast.parse(source)
    left_out, found = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr):
                left_out.add(first.value)  # its docstring
        if isinstance(node, ast.FunctionDef) and node.name in unsaid:
            left_out.update(ast.walk(node))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and each.id in unsaid for each in targets):
                left_out.update(ast.walk(node))
        if isinstance(node, ast.Compare):
            left_out.update(ast.walk(node))  # compared with, not said
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith(("_log.", "re.", "json.")):
                left_out.update(ast.walk(node))
        if isinstance(node, ast.JoinedStr):
            left_out.update(part for part in node.values if isinstance(part, ast.Constant))
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        # Tags stand between texts; › only says that numbers follow.
        found += [part.removesuffix("›") for part in re.split(r"<[^>]*>", text)]
    return [
        text
        for text in found
        if HAN.search(text) and text not in unsaid and not FILE_NAME.fullmatch(text)
    ]


def script_sentences(source):
    """Return the Chinese strings of a script of ours, whose comments are English."""
    source = re.sub(r"(?m)(^|  )\s*//.*$", "", source)
    return [text for text in re.findall(r"'((?:[^'\\]|\\.)*)'", source) if HAN.search(text)]


def every_sentence():
    found = []
    for name in PAGES:
        source = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, text) for text in sentences(source, UNSAID.get(name, frozenset()))]
    for name in SCRIPTS:
        source = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, text) for text in script_sentences(source)]
    return found


def bare(text):
    """Return a text with all its holes alike, without blanks around them and without a file's name.

    Pages leave the database's name out of messages.
    """
    return re.sub(r"^\{\}:\s*", "{}", re.sub(r"\s*\{[a-z_]*\}\s*", "{}", text.strip(" ›")))


KEYS = "\n".join(bare(key.removeprefix("button: ")) for key in english.SENTENCES)


def form_of(text):
    """Return a pattern of a text whose holes may be filled with anything."""
    return re.escape(bare(text)).replace(r"\{\}", ".*")


def has_english(text):
    """Say whether a text is in the dictionary: whole, or as a piece of a sentence made of pieces.

    A piece ends where the sentence ends, or has a hole.
    """
    found = rf"(?:^|\}}){form_of(text)}(?:$|\{{)"
    return re.search(found, KEYS, re.MULTILINE) is not None


def test_every_sentence_has_english():
    missing = [f"{name}: {text}" for name, text in every_sentence() if not has_english(text)]
    assert not missing, "\n".join(["no English in faq_app/english.json:", *missing])


def test_a_sentence_without_english_is_found():
    source = (
        '"""文档"""\ndef f(x):\n    """说明"""\n    _log.info("记下")\n    if x == "停用":\n'
        '        pass\n    return f"这里有 {x} 只猫", "撤销"\n'
    )
    found = sentences(source)
    assert found == ["这里有 {} 只猫", "撤销"]
    assert [has_english(text) for text in found] == [False, True]


def test_no_sentence_of_the_dictionary_has_gone():
    """Each is one of the code's with its holes filled, or made of pieces that the code has."""
    code = [text for _, text in every_sentence()]
    for name in RECORDED:
        code += sentences((ROOT / name).read_text(encoding="utf-8"))
    said = "\n".join(map(bare, code))
    whole = re.compile("|".join({form_of(text) for text in code if "{" in text}))
    gone = []
    for key in KEYS.splitlines():
        pieces = [part.strip(" ,:;「」()") for part in key.split("{}") if HAN.search(part)]
        if not (all(part in said for part in pieces) or whole.fullmatch(key)):
            gone.append(key)
    assert not gone, "\n".join(["in faq_app/english.json, but not in the code:", *gone])


def test_nothing_is_twice_in_the_dictionary():
    assert sum(map(len, BY_MODULE.values())) == len(english.SENTENCES)


def test_the_english_says_all_that_the_chinese_does():
    for chinese, said in english.SENTENCES.items():
        holes = len(HOLE.findall(chinese))
        filled = {int(number) for number in re.findall(r"\{(\d)[|}]", said)}
        assert filled == set(range(holes)), chinese


def test_the_english_is_english():
    """Except in quotation marks, where an example is."""
    chinese = [
        said for said in english.SENTENCES.values() if HAN.search(re.sub(r"“[^”]*”", "", said))
    ]
    assert chinese == []
    wide = [said for said in english.SENTENCES.values() if re.search(r"[，。；：、「」（）]", said)]
    assert wide == []


def test_the_script_is_fetched_once():
    app = FastAPI()
    english.install(app)
    client = TestClient(app)
    first = client.get("/english.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert '"发送": "Send"' in first.text
    again = client.get("/english.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "script"), [("/", "'english.js'"), ("/admin/", "'../english.js'")]
)
def test_a_page_fetches_it_from_where_it_is(path, script):
    assert script in english.tag(path)  # behind a proxy the site may begin at /faq/


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with console_site(tmp_path_factory.mktemp("site")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def reader(site, tmp_path_factory):
    """Somebody whose browser prefers English."""
    driver = chromium(tmp_path_factory.mktemp("chromium"), "en-US,en")
    yield Console(driver, site)
    driver.quit()


@pytest.fixture
def page(reader):
    reader.driver.get(reader.address)
    reader.until("window.inEnglish && document.querySelector('.chips button')")
    return reader


TRANSLATED = {
    "发送": "Send",
    "  发送\n": "  Send\n",
    "共 1 个条目": "1 entry",
    "共 20 个条目": "20 entries",
    "✓ 「版本」= 2, 已放进草稿, 到「版本」里一起发布。": (
        "✓ “版本” = 2: in the draft, to be published under Revisions."  # a word, and no tab
    ),
    "第一条答对的可能是 59.1%, 离直接回答 (≥ 83.54%) 差 24.4 个百分点; "
    "库里有答案的可能是 93.8%, 够反问 (≥ 85.78%), 所以反问。": (
        "The first entry is right with probability 59.1%, short of answering (≥ 83.54%) by "
        "24.4 percentage points; the query is in scope with probability 93.8%, enough to clarify "
        "(≥ 85.78%). Decision: Clarified."
    ),
    "12 条提问: 直接回答 5, 反问 4, 拒答 3; 对 9, 错 3。": (
        "12 queries: answered 5, clarified 4, refused 3; right 9, wrong 3. "
    ),
    "→ 反问 (列出了应有的): 退货的运费谁承担？": (
        "→ Clarified (right entry listed): 退货的运费谁承担？"
    ),
    "列的含义: 问题 ← 「question」; 相似问 ← 「答案」「分类」": (
        "Columns: Question ← “question”; Similar questions ← “答案」「分类”"
    ),
    "有误.csv:3: 没有找到答案列, 这一行是 「发送」、「停用」。怎么办: 把表头写成 question,answer "
    "(或 问题,答案); 若文字不对, 用 --encoding 指定编码": (
        "有误.csv:3: no column of answers found, this row is 「发送」、「停用」. What to do: write "
        "question,answer as the header; if the text is wrong, name the encoding with --encoding"
    ),
    "运费、邮费; 快递": "运费、邮费; 快递",  # joined as sentences of ours are, but not ours
    "共 很多 个条目": "共 很多 个条目",
    "Send": "Send",
}


@pytest.mark.browser
def test_sentences_are_put_into_english(page):
    said = page.driver.execute_script("return arguments[0].map(window.inEnglish)", list(TRANSLATED))
    assert said == list(TRANSLATED.values())


@pytest.mark.browser
def test_what_people_wrote_stays(page):
    page.driver.execute_script("""
        document.body.insertAdjacentHTML('beforeend', `<div id="probe"><p>停用</p>
          <button title="删除">停用</button><p translate="no">停用</p><textarea>停用</textarea>
          <div class="theirs"><input role="combobox"><ul><li role="option">设置</li>
          <li role="option">全部分类</li></ul></div><input role="combobox"><input></div>`);
        for (const input of document.querySelectorAll('#probe input')) input.value = '设置';
    """)
    page.until("document.querySelector('#probe p').innerText !== '停用'")
    texts = "[...document.querySelectorAll('#probe :is(p, button, textarea, li)')]"
    assert page.js(f"{texts}.map(each => each.textContent)") == [
        *("Disabled", "Disable", "停用", "停用", "设置", "All"),
    ]
    assert page.js("document.querySelector('#probe button').title") == "Deleted"
    values = "[...document.querySelectorAll('#probe input')].map(each => each.value)"
    assert page.js(values) == ["设置", "Settings", "设置"]


@pytest.mark.browser
def test_a_customer_reads_english_around_a_chinese_answer(page):
    page.says(".welcome", "Hello, how can we help you?")
    assert page.find("#box textarea")[0].get_attribute("placeholder") == "Ask your question…"
    page.find("#box textarea")[0].send_keys("怎么开发票\n")
    page.says(".answer", "订单完成后点「申请发票」。")
    page.says(".source", "Matched question: ")
    page.button("Helpful", ".turn")
    page.says(".thanks", "Recorded, thank you")
    assert page.js("[document.documentElement.lang, document.title]") == ["en", "Help desk"]
    assert page.js("document.querySelector('.said').innerText") == "怎么开发票"


# What is left in Chinese: texts, and attributes that people read.
LEFT = r"""[...document.querySelectorAll('body *')].flatMap((each) =>
  each.closest('[translate=no], textarea, script, style') ? [] : [
    ...[...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data),
    ...['placeholder', 'title', 'aria-label'].map((name) => each.getAttribute(name) ?? ''),
    each.role === 'combobox' && !each.closest('.theirs') ? each.value : '',
  ]).filter((text) => /[\u3400-\u9fff]/.test(text))"""
TABS = {
    "Hit test": "#test-query",
    "Keywords": "#word-list table",
    "Entries": "#entry-list table",
    "Unanswered": "#vain-list .group, #vain-list .empty",
    "Regression set": "#case-list .empty",
    "Statistics": "#stats-overview .ours, #stats-overview *",
    "Revisions": "#revision-list table",
    "Settings": "#threshold-curve table",
    "Administration": "#user-list table",
}


@pytest.mark.browser
def test_an_operator_reads_english_on_every_page(reader):
    reader.login()
    reader.type("#test-query textarea", "退货运费\n")
    reader.until("document.querySelector('#test-found .hit')")
    for name, ready in TABS.items():
        reader.tab(name, ready)
        if name == "Keywords":
            reader.one("#word-list .link").click()
            reader.says("#word-preview", "× factor 1 = weight")
        elif name == "Entries":
            reader.one("#entry-list .link").click()
            reader.says("#entry-title", "Edit entry")
    # What is said about people's words holds them.
    marked = reader.js("[...document.querySelectorAll('[translate=no]')].map(e => e.textContent)")
    said = sorted({*marked, *re.split(r"[,\n#]+", FAQ)} - {""}, key=len, reverse=True)
    theirs = re.compile("|".join(map(re.escape, said)))
    left = [text for text in reader.js(LEFT) if HAN.search(theirs.sub("", text))]
    assert left == []


@pytest.mark.browser
def test_what_is_chosen_in_english_is_what_it_was(reader):
    reader.login()
    reader.tab("Statistics", "#stats-days input")
    reader.until("document.querySelector('#stats-days input').value === 'Last 30 days'")
    reader.one("#stats-days input").click()
    reader.until("document.querySelector('[role=option]')")
    [each for each in reader.find("[role=option]") if each.text.strip() == "Last 7 days"][0].click()
    reader.until("document.querySelector('#stats-days input').value === 'Last 7 days'")
    [each for each in reader.find("label") if each.text.strip() == "Entries never hit"][0].click()
    reader.says("#stats-table", "Standard question")
    reader.says("#stats-table", "退货的运费谁承担？")


@pytest.mark.browser
def test_who_reads_chinese_fetches_no_english(site, tmp_path):
    driver = chromium(tmp_path)
    try:
        console = Console(driver, site).login()
        console.says("#tabs", "命中测试")
        fetched = "performance.getEntriesByType('resource').map(each => each.name)"
        assert not [name for name in console.js(fetched) if "english" in name]
        assert console.js("document.documentElement.lang") == "zh-CN"
    finally:
        driver.quit()
