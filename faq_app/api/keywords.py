"""Which words weigh what, and what if one weighed more? Operators' keyword weights.

In: words and factors. Out: rows, previews, new revisions; a table in and out; suggestions mined
from failures, as a job.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from faq_app.api.callers import Editor, Publisher, Reader, signature
from faq_app.api.customers import Hit
from faq_app.api.errors import refusals, told_in_words
from faq_app.api.fields import Count, Insist, Limit, Number, Offset, Text, Words
from faq_app.api.jobs import JobReply, job_reply
from faq_app.api.records import EffectReply, PublishedReply, effect_reply
from faq_app.api.tables import FORMATS, Format, as_file, sent, table_body
from faq_app.operations import words
from faq_app.operations.desk import Desk
from faq_app.operations.jobs import Jobs
from indexer.decision import DecisionKind
from indexer.lexicon import HIGHEST
from indexer.progress import Progress
from indexer.suggestions import Change, Suggestions

MOST_TRIED = 1000  # changes that a job of suggestions may try

Factor = Annotated[Number, Field(ge=0, le=HIGHEST)]


class Word(BaseModel):
    """A word of the FAQ's questions; ``weight`` is IDF × factor.

    ``changed_in``: the revision in which its factor changed last, null if never.
    """

    word: str
    idf: float
    factor: float
    weight: float
    questions: int
    changed_in: int | None
    changed_by: str


class WordPage(BaseModel):
    """Some of the words that were looked for, those first that matter most, and how many."""

    words: list[Word]
    total: int


class NewFactor(BaseModel):
    """What a word's IDF shall be multiplied by: 0 silences it, 1 is as it comes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"factor": 2}})
    factor: Factor


class PreviewRequest(BaseModel):
    """A factor to try, and a query to try it on; without one only the regression set is asked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"word": "退货", "factor": 2, "query": "怎么退货"}},
    )
    word: Text
    factor: Factor
    query: Words = ""


class RankingReply(BaseModel):
    """What a query finds."""

    model_config = ConfigDict(from_attributes=True)
    decision: DecisionKind
    hits: list[Hit]


class KeywordPreviewReply(BaseModel):
    """What a factor would do; nothing is stored. ``effect`` null: it is set already."""

    word: Word
    factor: float
    notes: list[str]
    before: RankingReply | None
    after: RankingReply | None
    effect: EffectReply | None


class FactorChange(BaseModel):
    """A word's factor now and then."""

    word: str
    before: float
    after: float


class KeywordImportReply(BaseModel):
    """What a table changes; ``published`` null: it was only looked at, or changes nothing."""

    changed: list[FactorChange]
    effect: EffectReply | None
    published: PublishedReply | None


class SuggestRequest(BaseModel):
    """How many changes of single words to try."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"limit": 100}})
    limit: Annotated[Count, Field(ge=1, le=MOST_TRIED)] = 200


class KeywordSuggestion(BaseModel):
    """A change that fixes more than it breaks; ``sound``: ranking and own questions agree."""

    word: str
    factor: float
    fixed: list[str]
    broken: list[str]
    sound: bool
    p_value: float


class KeywordSuggestions(BaseModel):
    """What was found, the best first: the result of the job."""

    found: list[KeywordSuggestion]
    queries: int
    failed: int
    tried: int


def routes(desk: Desk, jobs: Jobs) -> APIRouter:
    """Return the routes over the keywords of ``desk``."""
    router = APIRouter(prefix="/api/v1", tags=["关键词"], responses=refusals())

    @router.get("/keywords")
    def list_keywords(
        caller: Reader,
        query: Annotated[str, Query(description="词里的文字")] = "",
        changed: Annotated[bool, Query(description="只要调过的")] = False,
        offset: Offset = 0,
        limit: Limit = 50,
    ) -> WordPage:
        """词和权重，最要紧的在前。"""
        found = words.words(desk, query, changed)
        return WordPage(words=[_word(r) for r in found[offset : offset + limit]], total=len(found))

    @router.get("/keywords/{word:path}")
    def read_keyword(caller: Reader, word: str) -> Word:
        """一个词的权重；任何词都可以问。"""
        with told_in_words():
            return _word(words.word_row(desk, word))

    @router.put("/keywords/{word:path}", responses=refusals(409))
    def set_keyword(
        caller: Publisher, word: str, wanted: NewFactor, insist: Insist = False
    ) -> PublishedReply:
        """调高或调低一个词并发布。"""
        return _set(desk, word, wanted.factor, signature(caller), insist)

    @router.delete("/keywords/{word:path}", responses=refusals(409))
    def remove_keyword(caller: Publisher, word: str, insist: Insist = False) -> PublishedReply:
        """让一个词恢复原来的权重并发布。"""
        return _set(desk, word, 1.0, signature(caller), insist)

    @router.post("/keywords:preview")
    def preview_keyword(caller: Reader, wanted: PreviewRequest) -> KeywordPreviewReply:
        """先看：一条提问的前后，回归集会修好和弄坏哪些。什么也不写。"""
        query = wanted.query.encode("utf-8", "replace").decode("utf-8")
        with told_in_words():
            found = words.preview(desk, wanted.word, wanted.factor, query)
            effect = words.effect(desk, wanted.word, wanted.factor)
        return KeywordPreviewReply(
            word=_word(found.row),
            factor=found.factor,
            notes=list(found.notes),
            before=found.before and RankingReply.model_validate(found.before),
            after=found.after and RankingReply.model_validate(found.after),
            effect=effect and effect_reply(effect),
        )

    @router.get("/keywords:export", response_class=Response, responses=FORMATS)
    def export_keywords(caller: Reader, format: Format = "csv") -> Response:
        """调过的词，csv 或 xlsx，可再导入。"""
        return sent(f"关键词.{format}", lambda path: words.export(desk, path))

    @router.post("/keywords:import", openapi_extra=table_body(), responses=refusals(409, 415))
    async def import_keywords(
        caller: Publisher,
        request: Request,
        dry_run: Annotated[bool, Query(description="只看，不写")] = False,
        insist: Insist = False,
    ) -> KeywordImportReply:
        """用一张表 (关键词,倍数) 代替现在的全部设定。请求体是 csv、tsv 或 xlsx 文件。"""
        ending, data = as_file(request), await request.body()
        by = signature(caller)
        return await run_in_threadpool(_import, desk, data, ending, by, dry_run, insist)

    @router.post("/keywords:suggest", status_code=202)
    def suggest_keywords(caller: Editor, wanted: SuggestRequest) -> JobReply:
        """从失败的提问里找该调的词：一个任务，结果是 found、queries、failed、tried。"""

        def work(progress: Progress) -> KeywordSuggestions:
            def told(changes: Sequence[Change]) -> Iterable[Change]:
                for done, change in enumerate(changes):
                    progress(done, len(changes))
                    yield change

            return _suggestions(words.suggest(desk, wanted.limit, told))

        return job_reply(jobs.submit("keyword_suggestions", signature(caller), work))

    return router


def _set(desk: Desk, word: str, factor: float, by: str, insist: bool) -> PublishedReply:
    with told_in_words():
        row = words.word_row(desk, word)
        if row.factor == factor:
            return PublishedReply(revision=desk.searcher.revision, encoded=0)
        return PublishedReply.model_validate(words.save(desk, row.word, factor, by, insist))


def _import(
    desk: Desk, data: bytes, ending: str, by: str, dry_run: bool, insist: bool
) -> KeywordImportReply:
    with tempfile.TemporaryDirectory(prefix="faq-") as folder, told_in_words():
        path = Path(folder) / f"关键词{ending}"
        path.write_bytes(data)
        found = words.read_import(desk, path)
        done = None
        if found.changed and not dry_run:
            done = words.run_import(desk, path, by, insist)
    return KeywordImportReply(
        changed=[FactorChange(word=w, before=b, after=a) for w, b, a in found.changed],
        effect=effect_reply(found.effect),
        published=done and PublishedReply.model_validate(done),
    )


def _word(row: words.WordRow) -> Word:
    return Word(
        word=row.word,
        idf=row.idf,
        factor=row.factor,
        weight=row.weight,
        questions=row.questions,
        changed_in=row.changed and row.changed.revision,
        changed_by=row.changed.by if row.changed else "",
    )


def _suggestions(found: Suggestions) -> KeywordSuggestions:
    return KeywordSuggestions(
        found=[
            KeywordSuggestion(
                word=each.change.word,
                factor=each.change.factor,
                fixed=list(each.effect.fixed),
                broken=list(each.effect.broken),
                sound=each.sound,
                p_value=each.p_value,
            )
            for each in found.found
        ],
        queries=found.queries,
        failed=found.failed,
        tried=found.tried,
    )
