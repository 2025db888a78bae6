"""What does a customer's program ask? ask, search, explain, feedback, choose, suggest, greeting.

In: a customer's words as JSON. Out: what the service replies. Endpoints are plain ``def``: they run
in the thread pool, so that encoding a question never stops the event loop.
"""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from faq_app.access import needs
from faq_app.answer_html import render_answer
from faq_app.api.errors import refusals
from faq_app.api.fast_route import fast_route
from faq_app.api.fields import Count, Text, Words
from faq_app.reply import Reply
from faq_app.service import MAX_QUERY_LENGTH, Service
from indexer.errors import InputError
from indexer.explain import Explanation, explain
from indexer.search import Searcher

MOST_HITS, MOST_EXPLAINED, MOST_SUGGESTED = 50, 10, 20


class Question(BaseModel):
    """A customer's words."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "怎么申请退货"}})
    query: Words


class Option(BaseModel):
    """One of the entries to offer: ``choose`` it, or ask its question, to get its answer."""

    model_config = ConfigDict(from_attributes=True)
    entry_id: str
    question: str


class Signals(BaseModel):
    """The cosines (−1 … 1) that the score is the weighted mean of."""

    model_config = ConfigDict(from_attributes=True)
    wording: float
    whole: float
    characters: float
    coverage: float
    sound: float
    answer: float


class Hit(BaseModel):
    """An entry found, with its nearest question.

    ``score`` ranks, higher is nearer; ``confidence`` is the calibrated probability that it is the
    answer; ``exact``: the question was asked word for word; ``objection``: a 反例 that speaks
    against it.
    """

    model_config = ConfigDict(from_attributes=True)
    entry_id: str
    question_id: int
    question: str
    score: float
    confidence: float
    exact: bool
    objection: str
    signals: Signals


_HIT = {
    "entry_id": "refund",
    "question_id": 1,
    "question": "如何申请退货？",
    "score": 0.93,
    "confidence": 0.97,
    "exact": False,
    "objection": "",
    "signals": {
        "wording": 0.95,
        "whole": 0.94,
        "characters": 0.91,
        "coverage": 1.0,
        "sound": 0.9,
        "answer": 0.55,
    },
}
_ANSWER = {
    "decision": "answer",
    "answer": "在「我的订单」点「申请售后」。",
    "answer_html": "<p>在「我的订单」点「申请售后」。</p>\n",
    "question": "如何申请退货？",
    "category": "退货",
    "entry_id": "refund",
    "options": [],
    "hits": [_HIT],
    "confidence": 0.97,
    "band": "高",
    "in_scope": 0.99,
    "revision": 1,
    "trace_id": "3f0c2a…",
    "reason": "score",
}


class Answer(BaseModel):
    """What was decided.

    ``answer`` is the entry's text, verbatim: no HTML that a page may show as it is. ``answer_html``
    is: its Markdown, and none of its tags.
    """

    model_config = ConfigDict(json_schema_extra={"example": _ANSWER}, extra="forbid")
    decision: Literal["answer", "clarify", "reject"]
    answer: str
    answer_html: str
    question: str
    category: str
    entry_id: str
    options: list[Option]
    hits: list[Hit]
    confidence: float = Field(description="of the first hit: the probability that it is right")
    band: Literal["高", "中", "低"] = Field(description="confidence in words: ≥ 0.9, ≥ 0.6, below")
    in_scope: float = Field(description="the probability that the FAQ answers this at all")
    revision: int
    trace_id: str
    reason: str


class SearchRequest(BaseModel):
    """A customer's words, and how many entries to return."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "怎么退货", "k": 3}})
    query: Words
    k: Annotated[Count, Field(ge=1, le=MOST_HITS)] = 10


class Found(BaseModel):
    """The nearest entries, best first; nothing was logged."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"hits": [_HIT], "in_scope": 0.99, "revision": 1}}
    )
    hits: list[Hit]
    in_scope: float = Field(description="the probability that the FAQ answers this at all")
    revision: int


class ExplainRequest(BaseModel):
    """A customer's words, and for how many entries to explain the score."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "怎么退货", "k": 1}})
    query: Words
    k: Annotated[Count, Field(ge=1, le=MOST_EXPLAINED)] = 3


class Feedback(BaseModel):
    """What the customer said of the reply that has this trace_id."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"trace_id": "3f0c2a…", "verdict": "useful"}}
    )
    trace_id: Text
    verdict: Literal["useful", "useless", "none_of_these"]


class Stored(BaseModel):
    """The feedback is in the log."""

    stored: Literal[True] = True


class Choice(BaseModel):
    """Which option of a reply was clicked."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"trace_id": "3f0c2a…", "entry_id": "refund"}}
    )
    trace_id: Text
    entry_id: Text


class Typed(BaseModel):
    """What stands in the box so far: characters, Pinyin, initials, or a mixture."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "tuih", "k": 5}})
    query: Words
    k: Annotated[Count, Field(ge=1, le=MOST_SUGGESTED)] = 8


class Suggestions(BaseModel):
    """Questions to offer, the likeliest first; each entry once."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "suggestions": [{"entry_id": "refund", "question": "退货流程"}],
                "revision": 1,
            }
        }
    )
    suggestions: list[Option]
    revision: int


class Greeting(BaseModel):
    """What a chat says before anybody asks, and where it found nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "welcome": "您好，请问有什么可以帮您？",
                "refusal": "抱歉，暂时没有找到相关的答案",
                "handoff": "联系人工客服",
                "handoff_link": "",
                "frequent": ["如何申请退货？"],
            }
        }
    )
    welcome: str
    refusal: str
    handoff: str
    handoff_link: str = Field(description='"" if there is no person to talk to')
    frequent: list[str] = Field(description="questions to offer")


def routes(service: Service) -> APIRouter:
    """Return the routes over what ``service`` serves."""
    router = APIRouter(tags=["顾客"], dependencies=[Depends(needs("ask"))], responses=refusals())

    # Returned as bytes: validating and copying what was just made takes longer than making it.
    # test_api_customers.py holds what is sent against the model that is promised.
    def ask(question: Question) -> Response:
        """提问：得到答案、反问的选项，或拒答。每次提问记入日志。"""
        return _sent(service.ask(question.query))

    for path, shown in (("/api/v1/ask", True), ("/api/ask", False)):
        router.add_api_route(
            path,
            ask,
            methods=["POST"],
            response_model=Answer,
            include_in_schema=shown,
            route_class_override=fast_route(Question, "ask"),
        )

    @router.post("/api/v1/choose", response_model=Answer, responses=refusals(404))
    def choose(choice: Choice) -> Response:
        """顾客点了反问里的一个选项：得到它的答案，并记入日志。"""
        try:
            return _sent(service.choose(choice.trace_id, choice.entry_id))
        except KeyError:
            message = "没有这个 trace_id 或条目；请用 ask 返回的 trace_id 和 options"
            raise HTTPException(404, message) from None

    @router.post("/api/v1/feedback", responses=refusals(404))
    @router.post("/api/feedback", include_in_schema=False)
    def feedback(said: Feedback) -> Stored:
        """有用、没用，或都不是。"""
        try:
            service.feedback(said.trace_id, said.verdict)
        except KeyError:
            raise HTTPException(404, "没有这个 trace_id；请用 ask 返回的 trace_id") from None
        return Stored()

    @router.post("/api/v1/search", response_model=Found)
    def search(wanted: SearchRequest) -> Response:
        """最近的条目，带各信号和可信度；不作决定，不记日志。"""
        result = service.searcher.search(_query(wanted.query), wanted.k)
        found = {
            "hits": [_hit(hit) for hit in result.hits],
            "in_scope": result.in_scope,
            "revision": result.revision,
        }
        return _json(found)

    @router.post("/api/v1/explain")
    def explain_query(wanted: ExplainRequest) -> Explanation:
        """为什么：每个词、每个信号的作用，决定的理由；不记日志。"""
        return explain(service.searcher, _query(wanted.query), wanted.k)

    @router.post("/api/v1/suggest", response_model=Suggestions)
    def suggest(typed: Typed) -> Response:
        """边打字边提示：汉字、拼音 (tuihuo)、首字母 (th) 或混合。"""
        return _suggested(service, typed.query, typed.k)

    @router.get("/api/v1/suggest", response_model=Suggestions)
    def suggest_by_address(
        query: Annotated[str, Query(examples=["tuih"])],
        k: Annotated[int, Query(ge=1, le=MOST_SUGGESTED)] = 8,
    ) -> Response:
        """同上，用 GET。"""
        return _suggested(service, query, k)

    @router.get("/api/v1/greeting")
    def greeting() -> Greeting:
        """聊天页的欢迎语、拒答语、人工客服和大家常问的问题。"""
        said = service.wording
        return Greeting(
            welcome=said.welcome,
            refusal=said.refusal,
            handoff=said.handoff,
            handoff_link=said.handoff_link,
            frequent=list(service.frequent_questions()),
        )

    return router


def _query(query: str) -> str:
    if len(query) > MAX_QUERY_LENGTH:
        raise InputError(f"提问有 {len(query)} 个字，最多 {MAX_QUERY_LENGTH}。怎么办: 只写一件事")
    return query.encode("utf-8", "replace").decode("utf-8")


def _suggested(service: Service, query: str, k: int) -> Response:
    searcher: Searcher = service.searcher
    options = service.suggest(query.encode("utf-8", "replace").decode("utf-8"), k)
    found = [{"entry_id": option.entry_id, "question": option.question} for option in options]
    return _json({"suggestions": found, "revision": searcher.revision})


def _sent(reply: Reply) -> Response:
    return _json(
        {
            "decision": reply.decision,
            "answer": reply.answer,
            "answer_html": render_answer(reply.answer) if reply.answer else "",
            "question": reply.question,
            "category": reply.category,
            "entry_id": reply.entry_id,
            "options": reply.options,
            "hits": [_hit(hit) for hit in reply.hits],
            "confidence": reply.confidence,
            "band": reply.band,
            "in_scope": reply.in_scope,
            "revision": reply.revision,
            "trace_id": reply.trace_id,
            "reason": reply.reason,
        }
    )


def _hit(hit: Any) -> dict[str, Any]:
    return {
        "entry_id": hit.entry_id,
        "question_id": hit.question_id,
        "question": hit.question,
        "score": hit.score,
        "confidence": hit.confidence,
        "exact": hit.exact,
        "objection": hit.objection,
        "signals": hit.signals,
    }


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
