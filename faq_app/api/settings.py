"""What else do operators set? Thresholds, the chat's own words, the gate, and the encoder.

In: values. Out: what is set, what it would come to, and new revisions.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from faq_app.api.callers import Publisher, Reader, signature
from faq_app.api.errors import refusals
from faq_app.api.fields import LARGEST, Count, Insist, Number, Text
from faq_app.api.jobs import JobReply, job_reply
from faq_app.api.records import PublishedReply
from faq_app.operations import effects, settings, thresholds
from faq_app.operations.desk import Desk
from faq_app.operations.jobs import Jobs
from faq_app.wording import Wording
from indexer.calibration import Goal
from indexer.measures import Evaluation
from indexer.progress import Progress
from indexer.threshold_curve import CurvePoint

Share = Annotated[Number, Field(ge=0, le=1)]
SignalWeight = Annotated[Number, Field(ge=0, le=settings.MOST_SIGNAL)]


class Thresholds(BaseModel):
    """From which probabilities on it answers, or asks back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"answer": 0.8, "clarify": 0.4}}
    )
    answer: Share
    clarify: Share


class ThresholdsReply(BaseModel):
    """The thresholds in force, and where they are from; ``stale``: words changed since."""

    answer: float
    clarify: float
    source: str = Field(description='"": defaults that come with the encoder')
    stale: bool


class SignalWeights(BaseModel):
    """What each signal weighs in the score; 0 switches it off."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra={
            "example": {
                "wording": 1.0,
                "whole": 1.0,
                "characters": 1.0,
                "coverage": 0.7,
                "sound": 1.0,
                "answer": 0.7,
            }
        },
    )
    wording: SignalWeight
    whole: SignalWeight
    characters: SignalWeight
    coverage: SignalWeight
    sound: SignalWeight
    answer: SignalWeight


class WordingFields(BaseModel):
    """The texts of the chat; ``handoff_link`` "": there is no person to talk to."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "welcome": "您好，请问有什么可以帮您？",
                "refusal": "抱歉，暂时没有找到相关的答案",
                "handoff": "联系人工客服",
                "handoff_link": "tel:10086",
                "frequent": [],
            }
        },
    )
    welcome: Text
    refusal: Text
    handoff: Text
    handoff_link: Text
    frequent: list[Text]

    def wording(self) -> Wording:
        """Return what is to be stored."""
        return Wording(**self.model_dump() | {"frequent": tuple(self.frequent)})


class Gate(BaseModel):
    """How many regression cases a publish may break unasked."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"allowed": 3}})
    allowed: Annotated[Count, Field(ge=0, le=LARGEST)]


class EncoderReply(BaseModel):
    """The encoder in use."""

    fingerprint: str
    dimension: int
    name: str


class SettingsReply(BaseModel):
    """All that is set."""

    revision: int
    thresholds: ThresholdsReply
    signals: SignalWeights
    wording: WordingFields
    gate: Gate
    encoder: EncoderReply


class Curve(BaseModel):
    """Right against answered, over the regression set or the FAQ's own questions.

    ``now`` and ``tried``: measures with the thresholds in force, and with those asked about.
    """

    source: str
    curve: list[CurvePoint]
    now: Evaluation
    tried: Evaluation | None


class GoalRequest(BaseModel):
    """Of what is answered, how much must be right; of what no entry answers, how much refused."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"precision": 0.95, "refusal": 0.9}}
    )
    precision: Share = Goal().precision
    refusal: Share = Goal().refusal


class EncoderRequest(BaseModel):
    """The folder, on the server, of another encoder bundle."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"folder": "build/tuned"}}
    )
    folder: Annotated[Text, Field(min_length=1, max_length=4096)]


def routes(desk: Desk, jobs: Jobs) -> APIRouter:
    """Return the routes over the settings of ``desk``."""
    router = APIRouter(prefix="/api/v1/settings", tags=["设置"], responses=refusals())

    @router.get("")
    def read_settings(caller: Reader) -> SettingsReply:
        """现在的全部设置。"""
        searcher, encoder = desk.searcher, desk.service.encoder
        calibration = searcher.calibration
        conditions = calibration.conditions
        return SettingsReply(
            revision=searcher.revision,
            thresholds=ThresholdsReply(
                answer=searcher.thresholds.answer,
                clarify=searcher.thresholds.clarify,
                source=calibration.source,
                stale=bool(conditions) and conditions != searcher.conditions,
            ),
            signals=SignalWeights.model_validate(searcher.weights),
            wording=WordingFields(**desk.service.wording.as_json()),
            gate=Gate(allowed=effects.allowed(desk)),
            encoder=EncoderReply(
                fingerprint=encoder.fingerprint,
                dimension=encoder.dimension,
                name=encoder.bundle.path.name,
            ),
        )

    @router.get("/thresholds:curve")
    def curve(
        caller: Reader,
        answer: Annotated[float | None, Query(ge=0, le=1)] = None,
        clarify: Annotated[float | None, Query(ge=0, le=1)] = None,
    ) -> Curve:
        """准确率和回答率的曲线；给出 answer、clarify 就算出那样会怎样。什么也不写。"""
        found = thresholds.standing(desk)
        now = found.calibration.thresholds
        tried = None
        if answer is not None or clarify is not None:
            wanted = now.answer if answer is None else answer
            tried = thresholds.figures(desk, wanted, now.clarify if clarify is None else clarify)
        return Curve(
            source=found.source,
            curve=list(found.curve),
            now=thresholds.figures(desk, now.answer, now.clarify),
            tried=tried,
        )

    @router.put("/thresholds", responses=refusals(409))
    def set_thresholds(
        caller: Publisher, wanted: Thresholds, insist: Insist = False
    ) -> PublishedReply:
        """设定阈值并发布。"""
        done = thresholds.save(desk, wanted.answer, wanted.clarify, signature(caller), insist)
        return PublishedReply.model_validate(done)

    @router.post("/thresholds:fit", status_code=202)
    def fit(caller: Publisher, goal: GoalRequest, insist: Insist = False) -> JobReply:
        """按目标重新校准并发布：一个任务。"""
        by = signature(caller)

        def work(progress: Progress) -> PublishedReply:
            done = thresholds.recalibrate(desk, goal.precision, goal.refusal, by, insist, progress)
            return PublishedReply.model_validate(done)

        return job_reply(jobs.submit("calibration", by, work))

    @router.put("/signals", responses=refusals(409))
    def set_signals(
        caller: Publisher, wanted: SignalWeights, insist: Insist = False
    ) -> PublishedReply:
        """设定各信号的权重并发布。"""
        done = settings.save_signals(desk, wanted.model_dump(), signature(caller), insist)
        return PublishedReply.model_validate(done)

    @router.put("/wording", responses=refusals(409))
    def set_wording(caller: Publisher, wanted: WordingFields) -> PublishedReply:
        """设定聊天页的文字并发布。"""
        done = settings.save_wording(desk, wanted.wording(), signature(caller))
        return PublishedReply.model_validate(done)

    @router.put("/gate")
    def set_gate(caller: Publisher, wanted: Gate) -> Gate:
        """一次发布最多可以弄坏几条回归提问；超过就要 insist。"""
        return Gate(allowed=settings.save_gate(desk, wanted.allowed, signature(caller)))

    @router.put("/encoder", status_code=202)
    def swap_encoder(caller: Publisher, wanted: EncoderRequest) -> JobReply:
        """换成服务器上另一个目录里的编码器，全部重新编码，最后一次发布：一个任务。"""
        by = signature(caller)

        def work(progress: Progress) -> PublishedReply:
            done = settings.swap_encoder(desk, wanted.folder, by, progress)
            return PublishedReply.model_validate(done)

        return job_reply(jobs.submit("encoder", by, work))

    return router
