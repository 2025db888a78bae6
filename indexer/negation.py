"""Does one text affirm what the other denies? Vectors hardly see the one character that says so.

In: normalised texts (``distill.text.normalise``). Out: the word of contradiction, or "". A few
rules of Chinese and short word lists, nothing learnt; what they do not understand takes no stance.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from distill.text import segment


class Stance(Enum):
    """What a text says of a word, "退" for instance."""

    AFFIRMED = "affirmed"  # 怎么退, 要退, 能退
    DENIED = "denied"  # 不退, 不能退, 退不了, 是不是不能退, 为什么不能退
    # 能不能退, 能退吗, 退不退; and 不能退吗, which wants to know the same.
    ASKED = "asked"
    ASKED_NOT = "asked whether not"  # 能不能不退, 可以不退吗, 不退行吗


# By word, what a text says of it. Three kinds of words, since negations deny three things: 不退
# denies "退"; 没退 denies "退了" and, as 没发票 looks the same, "有退"; 不是正品 denies "是正品".
Polarity = Mapping[str, Stance]

_CONTRADICT = {
    frozenset({Stance.AFFIRMED, Stance.DENIED}),
    frozenset({Stance.AFFIRMED, Stance.ASKED_NOT}),
    frozenset({Stance.ASKED, Stance.ASKED_NOT}),
}


def opposite(query: str, question: str) -> str:
    """Return what one text affirms and the other denies, such as "用" (怎么用, 为什么不能用).

    "" if they do not contradict each other. Both normalised; symmetric. Meant for a question and
    the wording nearest to it: among the many of an entry one or the other often contradicts.
    """
    # Without a negation on either side there is nothing to compare.
    if not (_NEGATION.search(query) or _NEGATION.search(question)):
        return ""
    return contradiction(polarity(query), polarity(question))


def contradiction(one: Polarity, other: Polarity) -> str:
    """Return the first word, by code points, on which two stances exclude each other, or ""."""
    words = (word for word in one.keys() & other.keys() if _exclude(one[word], other[word]))
    return min(words, default="")


@lru_cache(maxsize=4096)  # one query meets several wordings, and popular ones meet many
def polarity(text: str) -> Polarity:
    """Return what a normalised text affirms, denies and asks, each word that it is of one mind on.

    This takes all the time, a comparison next to none: what was analysed of late is kept.
    """
    claims: list[_Claim] = []
    before = 0  # where the clause before began
    for piece in _BREAK.split(text):
        clause = _Clause.read(piece)
        if clause.refers_back:  # 退货,行吗 or 点了退货,不行: about the clause before
            back = claims[before:]
            claims[before:] = _questioned(back) if clause.asked else _taken_back(back)
        before = len(claims)
        claims += clause.claims
    stances: dict[str, Stance] = {}
    torn = set()
    for claim in claims:
        if stances.setdefault(claim.word, claim.stance) is not claim.stance:
            torn.add(claim.word)
    return MappingProxyType({w: stance for w, stance in stances.items() if w not in torn})


class _Claim(NamedTuple):
    word: str
    stance: Stance
    bare: bool = False  # mentioned, no more: no 能, no 怎么, no 了 says that it is so


# Words that share a character with a negation but deny nothing, and turns of phrase that deny
# nothing a question could be about.
_HARMLESS = (
    "不好意思|(?<!通)不过(?!$)|不同|不仅|不但|不光|不只|不止|不管|不论|不然|不如|不比|不错|不客气|不断|"
    "不久|不足|不对劲|不得了|不见得|不一定|不到(?=[\\d一两几半])|不见了?|不由|不料|不禁|"
    "不知道?|不清楚|不懂|不明白|不确定|不记得|不会儿|不放心|不敢|不好|不对|不妨|不愧|不幸|"
    "差不多|对不起|了不起|要不(?!要)|动不动|冷不|巴不得|迫不及待|怪不得|莫名其妙|"
    "没关系|没事|没问题|没意思|没必要|没准|没辙|没错|没完|没用(?![过了])|没怎么|没多久|没几|"
    "未来|未必|未免|未知|无效|无论|无所谓|无关|无聊|无语|无锡|无数|无非|"
    "非要|非得|非说|非让|非洲|除非|是非|南非|莫非|(?<=[区辨识鉴判])别"
)
# The same, but these let a negation before them pass: 不能无理由退.
_LET_PASS = (
    "无理由|无缘无故|无故|无线|无息|无限|无痕|未成年|非常|不良|不少|"
    "(?<=[特级性分差类个派])别|别(?=[人的家处名墅扭样])"
)
# What may follow 不 as the complement of a verb: 退不了, 收不到, 登录不上. Most can also be verbs
# of their own (不上架, 不开票), so these count at the end of what is said only.
_COMPLEMENT = (
    "了(?!解)|到(?![账期货位达家付])|掉|着(?![急])|出来|出去|上去|进去|进来|下去|下来|回来|回去|"
    "起来|过去|过来|(?<=通不)过|过(?=$)|(?:上|下|出|进|开|动|成|通|住|清|起|全|来|去)(?=$|[了的吗呢啊嘛]|怎么|咋|是)"
)
_HAN = "[\u4e00-\u9fff]"
_BREAK = re.compile(r"[,。!?;:、…~()「」【】|/]+|\.(?!\d)|(?<![a-z0-9 ]) (?![a-z0-9 ])")
_MARKS = re.compile(
    f"(?P<harmless>{_HARMLESS})"
    f"|(?P<passed>{_LET_PASS})"
    f"|(?P<ask>(?P<verb>{_HAN}{{1,2}})[不没](?=(?P=verb))|是否|能否|可否|有无)"
    "|(?P<fail>失败|(?:不|没有?|未能?|没能)成功)"
    f"|不(?P<complement>{_COMPLEMENT})"
    "|(?P<cannot>无法|没法|没办法|无从|拒绝|禁止|无需|无须)"
    "|(?P<undone>没有|没|未|无)"
    "|(?P<not>[不别甭勿非])"
)
_NEGATION = re.compile("[不没未无别甭勿非]|失败|拒绝|禁止")
# A clause that asks yes or no by its last word.
_ASKING = re.compile("(?:吗|(?<!干)嘛|(?<![什怎这那多要])么|没有?|不)[啊呀呢了]?$")
_EVEN = re.compile("[都也]没有?了?$")  # 入口都没有: no question

_OPEN = re.compile("为什么|为啥|为何|怎么|咋|凭啥|凭什么")  # with these 吗 asks for no yes or no
# 借款显示错误 mentions 借款 without saying that it works, and so does 取消借款.
_TROUBLE = re.compile("问题|错误|异常|报错|出错|显示|提示|限制|驳回|拒|灰")
_ENDING = frozenset({"取消", "停止", "关闭", "关掉", "撤销", "解除", "终止", "删除", "退出"})

_LEXICON = {
    # These leave a negation before them behind (不能用怎么退); 什么 does not (不能送什么).
    "how": "怎么 怎样 如何 咋 怎么样 咋样",
    "turn": "为什么 为啥 为何 凭什么 凭啥 怎么办 咋办 何时 多久 就是 只是 还是 但 但是 而 而且 却",
    "modal": "能 能够 可 可以 会 要 想 想要 要想 肯 愿意 愿 让 许 准 允许 必须 必 需要 需 得 "
    "应该 该 打算 只能 才能 就能 还能 都能 也能 不得 行 好 还给 还要 也要 只要",
    "have": "有 还有 只有 都有 也有 已有 具有",
    "be": "是 都是 也是",
    # May stand between a negation and what it denies; never denied themselves.
    "passed": "我 你 您 他 她 它 我们 你们 他们 人家 大家 自己 任何 任 个 一个 一 这 那 这个 那个 "
    "再 都 太 很 全 全部 完全 直接 自动 一直 一起 同时 马上 立即 及时 提前 也 还 就 才 又 先 可能 "
    "已 已经 刚 刚刚 刚才 老 总 总是 只 光 请 进行 来 去 所 之 "
    "把 被 给 将 对 跟 和 与 从 向 为 按 在 过 了 后 以后 之后 过了 时 时候 的 地 着 是的 "
    "吗 呢 吧 啊 呀 嘛 么 哦 哈 啦 什么 啥 哪 哪里 哪儿 哪些 哪个 多少 谁 几 什么样 原因",
}
_KIND = {word: kind for kind, words in _LEXICON.items() for word in words.split()}
_OPERATORS = frozenset({"ask", "not", "undone", "modal", "have", "be"})
_BARE = frozenset({"能", "可以", "行", "可"})  # said alone they are one word: 可以
_DONE_BEFORE = frozenset({"已", "已经", "都", "刚", "刚刚", "刚才"})
_DONE_AFTER = frozenset({"了", "过", "后", "以后", "之后", "过了"})
_OBJECTS = frozenset({"什么", "啥", "哪些", "哪个", "多少", "几", "谁"})
_SAME = {"使用": "用", "可用": "用", "购买": "买", "退货": "退", "换货": "换"}


def _exclude(one: Stance, other: Stance) -> bool:
    return frozenset({one, other}) in _CONTRADICT


class _Token(NamedTuple):  # a dataclass takes twice the time to make
    kind: str  # a group of _MARKS, or: modal, have, be, how, turn, passed, word
    text: str


def _tokens(clause: str) -> Iterator[_Token]:
    position = 0
    for mark in _MARKS.finditer(clause):
        yield from _words(clause[position : mark.start()])
        position = mark.end()
        kind = str(mark.lastgroup)
        if kind == "verb":  # the group inside of ask
            kind = "ask"
        if kind == "cannot":
            yield _Token("not", mark.group())
            yield _Token("modal", "能")
            continue
        text = mark["complement"] if kind == "complement" else mark.group()
        yield _Token(kind, text)
        if text in ("能否", "可否"):
            yield _Token("modal", "能")
        elif text == "有无":
            yield _Token("have", "有")
    yield from _words(clause[position:])


def _words(piece: str) -> Iterator[_Token]:
    for word in segment(piece):
        kind = _KIND.get(word.text, "word")
        if kind in ("have", "be"):
            yield _Token(kind, "有" if kind == "have" else "是")
        elif not word.text.isspace():
            yield _Token(kind, _SAME.get(word.text, word.text))


class _Clause:
    """What one clause claims, read from left to right."""

    def __init__(self, text: str) -> None:
        yes_or_no = _ASKING.search(text) and not _EVEN.search(text) and not _OPEN.search(text)
        self.asked = bool(yes_or_no)
        self.refers_back = False
        self.claims: list[_Claim] = []
        self._tokens = tuple(_tokens(_ASKING.sub("", text) if yes_or_no else text))
        self._operators: list[_Token] = []  # since the last word: they act on the next one
        self._group: list[_Token] = []  # the operators met last, with a word or not
        self._first = 0  # the first claim under them
        # What a word without operators of its own is said to be; None: nothing is said.
        self._scope: Stance | None = Stance.AFFIRMED
        self._word, self._own = "", 0  # the last word, and where its claims begin

    @classmethod
    def read(cls, text: str) -> "_Clause":
        """Read a clause to its end."""
        clause = cls(text)
        for i, token in enumerate(clause._tokens):
            clause._take(i, token)
        clause._end()
        denies = any(claim.stance is Stance.DENIED for claim in clause.claims)
        if denies or _TROUBLE.search(text):
            clause.claims = _taken_back(clause.claims)
        return clause

    def _take(self, i: int, token: _Token) -> None:
        if token.kind in _OPERATORS:
            if self._operators and self._apart(i, token):
                self._forget(Stance.AFFIRMED)
            if not self._operators:
                self._first = len(self.claims)
            self._operators.append(token)
            self._group = self._operators
        elif token.kind in ("how", "turn", "harmless"):
            self._forget(Stance.AFFIRMED)
            self._word, self._own = "", len(self.claims)
        elif token.kind == "fail":
            # 支付失败 is 支付不了; of 价保失败 the cut leaves 保, which is no word.
            words = ("成功", self._word) if len(self._word) > 1 else ("成功",)
            self.claims[self._own :] = [_Claim(word, Stance.DENIED) for word in words]
            self._forget(None)
        elif token.kind == "complement":
            self.claims[self._own :] = _unable(self._word, token.text, self._tokens[i + 1 : i + 2])
            self._forget(None)
        elif token.kind == "word":
            self._say(i, token.text)
        elif token.text == "了" and self._modal and _stance(self._operators) is Stance.DENIED:
            self._say_modal()  # 不想要了直接退: 退 is not denied
            self._forget(Stance.AFFIRMED)

    def _apart(self, i: int, token: _Token) -> bool:
        """Say whether what waits for a word has had it, passed over: 没来|能改吗, 未还|不会."""
        before = self._tokens[i - 1]
        if token.kind == "ask" or before.text in ("来", "去"):
            return True
        return before.kind == "passed" and token.kind in ("not", "undone")

    def _forget(self, scope: Stance | None) -> None:
        self._operators, self._scope = [], scope

    @property
    def _modal(self) -> str:
        """The modal verb that waits for its verb, or ""."""
        last = self._operators[-1:]
        return last[0].text if last and last[0].kind == "modal" else ""

    def _say(self, i: int, word: str) -> None:
        self._word, self._own = word, len(self.claims)
        operators = self._operators
        if operators:
            self._scope = _stance(operators)
        near = _Near.at(self._tokens, i)
        # 退货的时候 says nothing of whether; of 微粒|贷 the cut leaves 贷, which is no verb, unlike
        # 送 in 女生|送|什么.
        occasion = near.after in ("时", "时候") or (
            near.after == "的" and near.second in ("时候", "话")
        )
        piece = len(word) == 1 and near.kind_before == "word" and near.after not in _OBJECTS
        if self._scope is not None and not occasion and (operators or not piece):
            bare = not operators and near.kind_before != "how"
            self.claims += _aspects(word, near, operators, self._scope, bare)
        if self._scope in (Stance.DENIED, Stance.ASKED_NOT) or word in _ENDING:
            self._scope = None
        self._operators = []

    def _say_modal(self) -> None:
        word = "可以" if self._modal in _BARE else self._modal
        self.claims.append(_Claim(word, _stance(self._operators)))

    def _end(self) -> None:
        if self._modal:
            self.asked = self.asked or any(token.kind == "ask" for token in self._operators)
            if self.asked:
                self.refers_back = not self.claims
                self.claims = _questioned(self.claims)
                return
            self._say_modal()
        elif self.asked and not (self._operators and self._operators[-1].kind == "be"):
            # 能不退吗 asks whether not, 不能退吗 whether; 不能退是吗 believes it.
            kinds = [token.kind for token in self._group]
            part = self.claims[self._first :]
            if "modal" in kinds and "not" in kinds[kinds.index("modal") :]:
                self.claims[self._first :] = _questioned(part)
            else:
                self.claims[self._first :] = [_Claim(claim.word, Stance.ASKED) for claim in part]
        self.refers_back = bool(self.claims) and all(
            claim.stance is Stance.DENIED and claim.word in ("可以", "成功")
            for claim in self.claims
        )
        self.asked = self.asked and not self.refers_back


@dataclass(frozen=True, slots=True)
class _Near:
    """What stands around a word: text and kind, "" beyond the ends."""

    before: str
    kind_before: str
    after: str
    second: str  # the one after that

    @classmethod
    def at(cls, tokens: Sequence[_Token], i: int) -> "_Near":
        before = tokens[i - 1] if i else _Token("", "")
        after = [token.text for token in tokens[i + 1 : i + 3]] + ["", ""]
        return cls(before.text, before.kind, after[0], after[1])


def _stance(operators: Sequence[_Token]) -> Stance:
    """Return what these make of the word after them: two negations undo each other."""
    denied = sum(token.kind in ("not", "undone") for token in operators) % 2 == 1
    asks = [token.text for token in operators if token.kind == "ask"]
    if not denied:
        return Stance.ASKED if asks else Stance.AFFIRMED
    # 是不是不能退 fears that it is so; 能不能不退 asks for it.
    return Stance.ASKED_NOT if asks and asks[0][0] not in "是会" else Stance.DENIED


def _aspects(
    word: str, near: _Near, operators: Sequence[_Token], stance: Stance, bare: bool
) -> list[_Claim]:
    """Return a claim on a word under all its headings: 退, 退了, 有退, 是退."""
    negations = [token.kind for token in operators if token.kind in ("not", "undone")]
    if stance in (Stance.DENIED, Stance.ASKED_NOT) and negations[-1] == "undone":
        return [_Claim(f"{word}了", stance), _Claim(f"有{word}", stance)]
    last = operators[-1] if operators else None
    if last and last.kind in ("have", "be"):
        marked = _Claim(f"{last.text}{word}", stance)
        return [marked, _Claim(word, stance)] if stance is Stance.AFFIRMED else [marked]
    done = near.before in _DONE_BEFORE or near.after in _DONE_AFTER
    if done or (len(word) > 1 and word[-1] in "到见完"):
        return [_Claim(word, stance, bare), _Claim(f"{word}了", stance)]
    return [_Claim(word, stance, bare)]


def _unable(verb: str, complement: str, after: Sequence[_Token]) -> list[_Claim]:
    """Return what 退不了 denies: 退, with its object (退不了货) 退货; what 收不到 denies: 收到."""
    if not verb:
        return []
    words = [verb + complement]
    if complement in ("了", "上", "掉", "成"):
        words += [verb, *(verb + token.text for token in after if token.kind == "word")]
    if complement == "到":
        words.append(f"{verb}到了")
    return [_Claim(_SAME.get(word, word), Stance.DENIED) for word in words]


def _questioned(claims: Sequence[_Claim]) -> list[_Claim]:
    """Return claims as asked about: 退货行吗, 不退货行吗."""
    turned = {Stance.AFFIRMED: Stance.ASKED, Stance.DENIED: Stance.ASKED_NOT}
    return [
        _Claim(claim.word, turned.get(claim.stance, claim.stance), claim.bare) for claim in claims
    ]


def _taken_back(claims: Sequence[_Claim]) -> list[_Claim]:
    """Return claims without mere mentions, which mean little beside a denial."""
    return [claim for claim in claims if not claim.bare]
