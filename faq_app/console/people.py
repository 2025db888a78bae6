"""管理: who may operate the FAQ, and who did what?

In: names, roles, passwords; a filter. Out: users changed, pages of the audit log, the log as csv.
For publishers alone.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from faq_app.accounts import SHORTEST_PASSWORD, Accounts, AuditRow, User
from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, download, explained
from faq_app.console.parts import Markup, element
from faq_app.guard import ROLE_NAMES, address_of, require
from faq_app.operations import people

_MAY = {
    "viewer": "只看只试", "editor": "还可改草稿和回归集", "publisher": "还可发布、管理用户",
}  # fmt: skip
_ROLES = [(f"{name}: {_MAY[role]}", role) for role, name in ROLE_NAMES.items()]
_EVERYBODY = ("所有人", "")


@dataclass(frozen=True)
class People:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]


def build(accounts: Accounts) -> People:
    """Put the page into the surrounding tab."""
    with gr.Tabs():
        with gr.Tab("用户", id="users"):
            users_shown, users = _users(accounts)
        with gr.Tab("操作记录", id="log") as log_tab:
            log_shown, filters, log = _log(accounts)

    @explained
    def shown(request: gr.Request, *chosen: Any) -> tuple[Any, ...]:
        require(request, "publisher")
        return users_shown(), *log_shown(*chosen)

    @explained
    def reopened(request: gr.Request, *chosen: Any) -> tuple[Any, ...]:
        require(request, "publisher")
        return log_shown(*chosen)

    log_tab.select(reopened, filters, log, **QUIET)
    return People(shown, [filters, [users, *log]])


def _users(accounts: Accounts) -> tuple[Any, gr.HTML]:
    def shown() -> Markup:
        return _user_list(accounts.users())

    @explained
    def created(
        request: gr.Request, name: str, role: str, password: str, again: str
    ) -> tuple[Any, ...]:
        by = require(request, "publisher").name
        user = people.create(
            accounts, name or "", password or "", again or "", role, by, address_of(request)
        )
        said = parts.done(f"已新建 {user.name} ({ROLE_NAMES[user.role]}), 现在就可以登录。")
        return shown(), said, "", "", "", *_chosen(accounts, user.name)

    @explained
    def picked(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        require(request, "publisher")
        return *_chosen(accounts, event.user), ""

    @explained
    def role_set(request: gr.Request, name: str, role: str) -> tuple[Any, ...]:
        by = require(request, "publisher").name
        people.set_role(accounts, name, role, by, address_of(request))
        said = parts.done(f"{name} 现在是{ROLE_NAMES[role]}, 从下一次点击起。")
        return shown(), *_chosen(accounts, name), said

    @explained
    def switched(request: gr.Request, name: str) -> tuple[Any, ...]:
        by = require(request, "publisher").name
        if accounts.user(name).disabled:
            accounts.enable_user(name, by, address_of(request))
            said = f"{name} 又可以登录了。"
        else:
            people.disable(accounts, name, by, address_of(request))
            said = f"{name} 已停用, 各处的登录都已结束。"
        return shown(), *_chosen(accounts, name), parts.done(said)

    @explained
    def password_set(request: gr.Request, name: str, password: str, again: str) -> tuple[Any, ...]:
        by = require(request, "publisher").name
        people.set_password(accounts, name, password or "", again or "", by, address_of(request))
        own = "您要用新密码重新登录。" if name == by else "各处的登录都已结束。"
        return "", "", parts.done(f"{name} 的密码已改, {own}")

    secret = {"type": "password", "max_lines": 1, "min_width": 150}
    with gr.Row():
        with gr.Column(scale=6, min_width=400):
            listing = parts.view(events=["pick"], elem_id="user-list")
        with gr.Column(
            scale=5, min_width=360, elem_classes=["sheet", "guarded"], elem_id="user-form"
        ):
            title = parts.view(_nobody(), elem_id="user-title")
            name = gr.Textbox(visible=False)
            with gr.Column(visible=False) as one:
                with gr.Row():
                    role = gr.Dropdown(
                        _ROLES, label="角色", scale=3, min_width=200, elem_id="user-role"
                    )
                    change = gr.Button(
                        "改角色", scale=0, min_width=100, elem_classes=["bottom"],
                        elem_id="user-role-set",
                    )  # fmt: skip
                with gr.Row():
                    password = gr.Textbox(label="新密码", elem_id="user-password", **secret)
                    again = gr.Textbox(label="再输入一次", elem_id="user-password-2", **secret)
                    replace = gr.Button(
                        "改密码", scale=0, min_width=100, elem_classes=["bottom"],
                        elem_id="user-password-set",
                    )  # fmt: skip
                switch = gr.Button("停用", elem_id="user-switch")
            notice = parts.view(elem_id="user-notice")
    with gr.Accordion("新建用户", open=False, elem_id="user-new", elem_classes=["guarded"]):
        with gr.Row():
            new_name = gr.Textbox(label="用户名", min_width=150, elem_id="user-new-name")
            new_role = gr.Dropdown(
                _ROLES, value="viewer", label="角色", min_width=220, elem_id="user-new-role"
            )
        with gr.Row():
            first = gr.Textbox(
                label=f"密码 (至少 {SHORTEST_PASSWORD} 个字符)",
                elem_id="user-new-password",
                **secret,
            )
            second = gr.Textbox(label="再输入一次", elem_id="user-new-password-2", **secret)
            make = gr.Button(
                "新建", variant="primary", scale=0, min_width=100, elem_classes=["bottom"],
                elem_id="user-new-go",
            )  # fmt: skip
        made = parts.view(elem_id="user-new-notice")

    form = [title, name, role, one, switch]
    listing.pick(picked, None, [*form, notice], **QUIET)
    make.click(
        created, [new_name, new_role, first, second],
        [listing, made, new_name, first, second, *form], **BUSY,
    )  # fmt: skip
    change.click(role_set, [name, role], [listing, *form, notice], **BUSY)
    switch.click(switched, name, [listing, *form, notice], **BUSY)
    replace.click(password_set, [name, password, again], [password, again, notice], **BUSY)
    return shown, listing


def _chosen(accounts: Accounts, name: str) -> tuple[Any, ...]:
    """Return what the form shows of a user."""
    user = accounts.user(name)
    return (
        element("h3", parts.theirs(user.name), " ", _status(user)),
        user.name,
        user.role,
        gr.Column(visible=True),
        gr.Button("启用" if user.disabled else "停用 (不能再登录)"),
    )


def _status(user: User) -> Markup:
    if user.disabled:
        return element("span", "停用", class_="chip off")
    return element("span", ROLE_NAMES[user.role], class_="chip on")


def _nobody() -> Markup:
    return parts.empty("选一个用户", "在左边点一个用户, 改角色、改密码或停用; 新建在下面。")


def _user_list(users: list[User]) -> Markup:
    rows = [
        (
            parts.link("pick", parts.theirs(user.name), user=user.name),
            element("span", ROLE_NAMES[user.role], class_="soft"),
            _MAY[user.role],
            element("span", parts.local_time(user.created), class_="soft"),
            element("span", "停用", class_="chip off") if user.disabled else "",
        )
        for user in users
    ]
    return parts.table(("用户", "角色", "可以", "新建于", ""), rows)


def _detail(row: AuditRow) -> str:
    """Return what it was done to; of drafts and regression cases, that is what people wrote."""
    ours = ": " not in row.what or row.detail.endswith(" 处改动")
    return row.detail if ours else parts.theirs(row.detail)


def _log(accounts: Accounts) -> tuple[Any, list[Any], list[Any]]:
    def page_of(by: str, text: str, first: str, last: str, number: float) -> Markup:
        wanted = people.wanted_rows(by or "", text or "", first or "", last or "")
        total = accounts.audit_count(wanted)
        if not total:
            return parts.empty("没有这样的记录", "换一个人、换几个字, 或放宽时段。")
        number = min(max(0, int(number)), (total - 1) // parts.PAGE_SIZE)
        rows = accounts.audit_log(parts.PAGE_SIZE, number * parts.PAGE_SIZE, wanted)
        cells = [
            (
                element("span", parts.local_time(row.at), class_="soft"),
                parts.theirs(row.by or "–"),
                row.what,
                element("span", _detail(row), class_="soft wrap"),
                element("span", row.address, class_="soft"),
            )
            for row in rows
        ]
        table = parts.table(("时间", "谁", "做了什么", "内容", "地址"), cells)
        return element("div", table, parts.pager(parts.Slice(rows, total, number), "条记录"))

    def shown(by: str, text: str, first: str, last: str) -> tuple[Any, ...]:
        names = [_EVERYBODY, *accounts.audit_people()]
        return gr.Dropdown(choices=names), page_of(by, text, first, last, 0)

    @explained
    def filtered(request: gr.Request, by: str, text: str, first: str, last: str) -> Markup:
        require(request, "publisher")
        return page_of(by, text, first, last, 0)

    @explained
    def turned(
        request: gr.Request, event: gr.EventData, by: str, text: str, first: str, last: str
    ) -> Markup:
        require(request, "publisher")
        return page_of(by, text, first, last, float(event.page))

    def written(request: gr.Request, by: str, text: str, first: str, last: str) -> Path:
        require(request, "publisher")
        wanted = people.wanted_rows(by or "", text or "", first or "", last or "")
        path = Path(tempfile.mkdtemp(prefix="faq-")) / "操作记录.csv"
        people.write_log(path, accounts.audit_log(-1, 0, wanted))
        return path

    with gr.Row():
        by = gr.Dropdown(
            [_EVERYBODY], value="", label="谁", min_width=140, elem_id="log-by",
            elem_classes=["theirs"],
        )  # fmt: skip
        text = gr.Textbox(label="做了什么 (含有的字)", min_width=160, elem_id="log-text")
        first = gr.Textbox(
            label="从 (回车)", placeholder="2026-01-01", min_width=120, elem_id="log-first"
        )
        last = gr.Textbox(label="到 (回车)", placeholder="2026-01-31", min_width=120)
    listing = parts.view(events=["turn"], elem_id="log-list")
    filters = [by, text, first, last]
    with gr.Row():
        download(
            "下载这些记录 (csv)", written, "log-export", filters, scale=0, min_width=190, size="md"
        )
    gr.on(
        [by.input, text.input, first.submit, last.submit], filtered, filters, listing,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    listing.turn(turned, filters, listing, **QUIET)
    return shown, filters, [by, listing]
