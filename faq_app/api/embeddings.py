"""What is a text's vector? Our own route, and OpenAI's, so that its clients need no change.

In: texts. Out: the encoder's vectors, float32, as ``Encoder.encode`` returns them. They are the
encoder's as it comes: an operator's keyword weights change what the FAQ finds, not these.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from distill.encoder import Encoder
from distill.errors import TextError
from distill.text import normalise
from faq_app.access import Refused, needs
from faq_app.api.errors import refusals
from faq_app.api.fields import Text
from faq_app.service import Service

MODEL = "faq-encoder"
MOST_TEXTS = 2048  # in a request, as OpenAI has it
LONGEST = 8192  # characters of a text; the encoder reads the beginning
_OWNER = "faq-retrieval"

_Texts = Annotated[
    list[Annotated[Text, Field(max_length=LONGEST)]],
    Field(min_length=1, max_length=MOST_TEXTS),
]
_ONE = {"type": "string", "maxLength": LONGEST}
_MANY = {"type": "array", "items": _ONE, "minItems": 1, "maxItems": MOST_TEXTS}
_ONE_OR_MANY = {"anyOf": [_ONE, _MANY], "title": "Input"}


class EmbedRequest(BaseModel):
    """The texts to encode."""

    model_config = ConfigDict(json_schema_extra={"example": {"texts": ["怎么退货"]}})
    texts: _Texts


class Embedded(BaseModel):
    """A vector for each text, unit length. Equal fingerprints: vectors can be compared."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"vectors": [[0.0213, -0.0547]], "dimension": 256, "fingerprint": "1b2c…"}
        }
    )
    vectors: list[list[float]]
    dimension: int
    fingerprint: str


def _as_list(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, int | list) for item in items):
        raise ValueError(
            "只接受文字，不接受 token 编号。怎么办: 直接发送文字；"
            "LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False)"
        )
    return items


class EmbeddingsRequest(BaseModel):
    """A request in OpenAI's format; fields that it has and we do not are left alone."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": MODEL, "input": ["怎么退货", "不想要了"]}}
    )
    model: Text
    input: Annotated[_Texts, BeforeValidator(_as_list), WithJsonSchema(_ONE_OR_MANY)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(strict=True, ge=1)] | None = None
    user: Text | None = None


class Embedding(BaseModel):
    """One vector: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """How many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsReply(BaseModel):
    """The vectors, in the order of the texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.0213, -0.0547]}],
                "model": MODEL,
                "usage": {"prompt_tokens": 4, "total_tokens": 4},
            }
        }
    )
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class Model(BaseModel):
    """A name that requests may use."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(BaseModel):
    """All names that requests may use."""

    object: Literal["list"] = "list"
    data: list[Model]


class OpenAIProblem(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(BaseModel):
    """The shape of every error under /v1."""

    error: OpenAIProblem


def routes(service: Service) -> APIRouter:
    """Return the routes over the encoder that ``service`` uses."""
    router = APIRouter(tags=["向量"], dependencies=[Depends(needs("embed"))])
    refused = {
        code: told | {"model": OpenAIError} for code, told in refusals(404).items()
    }  # what /v1 refuses has OpenAI's shape

    # Returned as bytes: a thousand numbers a text are not to be checked one by one.
    @router.post("/api/v1/embed", response_model=Embedded, responses=refusals())
    def embed(wanted: EmbedRequest) -> Response:
        """文字 → 向量 (float32，单位长度)，不受关键词权重影响。"""
        encoder = service.encoder
        content = {
            "vectors": list(_encode(encoder, wanted.texts)),
            "dimension": encoder.dimension,
            "fingerprint": encoder.fingerprint,
        }
        return _json(content)

    @router.post("/v1/embeddings", response_model=EmbeddingsReply, responses=refused)
    def embeddings(wanted: EmbeddingsRequest) -> Response:
        """文字 → 向量，OpenAI 的格式：openai 包、LangChain 等原样可用。"""
        encoder = service.encoder
        _require_model(encoder, wanted.model)
        if wanted.dimensions not in (None, encoder.dimension):
            raise Refused(
                422,
                "dimensions_unsupported",
                f"向量是 {encoder.dimension} 维，不能截成 {wanted.dimensions} 维。"
                f"怎么办: 不写 dimensions，或写 {encoder.dimension}",
            )
        vectors = _encode(encoder, wanted.input)
        as_base64 = wanted.encoding_format == "base64"
        read = sum(map(encoder.token_count, wanted.input))
        content = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _base64(vector) if as_base64 else vector,
                }
                for index, vector in enumerate(vectors)
            ],
            "model": wanted.model,
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }
        return _json(content)

    @router.get("/v1/models", responses=refused)
    def models() -> Models:
        """可用的 model 名。带指纹的一个只在编码器没有换过时有效。"""
        return Models(data=[_model(name) for name in _names(service.encoder)])

    @router.get("/v1/models/{name:path}", responses=refused)
    def model(name: str) -> Model:
        """一个 model 名。"""
        _require_model(service.encoder, name)
        return _model(name)

    return router


def _names(encoder: Encoder) -> tuple[str, str]:
    # Vectors that somebody keeps are worth nothing beside another encoder's: the longer name is
    # refused once the encoder was swapped.
    return MODEL, f"{MODEL}@{encoder.fingerprint}"


def _require_model(encoder: Encoder, name: str) -> None:
    names = _names(encoder)
    if name not in names:
        message = (
            f"没有模型 {name[:80]}。怎么办: model 写 {names[0]}；或 {names[1]}，换了编码器就报错"
        )
        raise Refused(404, "model_not_found", message)


def _model(name: str) -> Model:
    return Model(id=name, created=0, owned_by=_OWNER)


def _encode(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    for number, text in enumerate(texts):
        if not normalise(text):
            raise Refused(422, "empty_text", f"第 {number} 条 (从 0 数) 里没有文字。怎么办: 去掉它")
    try:
        # On one thread: the other cores are for customers.
        return encoder.encode(texts, workers=1)
    except TextError as error:
        raise Refused(422, "empty_text", f"有一条文字读不出内容: {error}") from error


def _base64(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _json(content: Any) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )
