"""Vectors over HTTP, as the real openai package asks for them."""

import base64
import socket
import threading

import numpy as np
import openai
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from faq_app import api
from faq_app.access import Access
from faq_app.api.embeddings import LONGEST, MODEL, MOST_TEXTS
from faq_app.keys import Keys
from indexer.store import Store

TEXTS = ["怎么退货", "东西不想要了", "Apple 12 多少钱"]


class EncoderOnly:
    """As much of a Service as vectors need."""

    def __init__(self, encoder):
        self.encoder = encoder


@pytest.fixture(scope="module")
def client(encoder):
    app = FastAPI()
    app.state.access = Access(None)
    api.install(app, EncoderOnly(encoder))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def keyed(encoder, tmp_path_factory):
    """Return the address of a server that wants a key, and one that may encode."""
    store = Store.create(tmp_path_factory.mktemp("keys") / "faq.db")
    keys = Keys(store)
    secret = keys.create("向量", ["embed"], by="test")
    app = FastAPI()
    app.state.access = Access(keys, require_key=True)
    api.install(app, EncoderOnly(encoder))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        started = threading.Event()
        startup = server.startup

        async def starting(sockets=None):
            await startup(sockets)
            started.set()

        server.startup = starting
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert started.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", secret
        server.should_exit = True
        thread.join(20)
    store.close()


@pytest.fixture
def client_of(keyed):
    address, secret = keyed
    return lambda key=secret: openai.OpenAI(base_url=address, api_key=key, max_retries=0)


def test_the_openai_package_gets_the_very_vectors_of_the_encoder(client_of, encoder):
    # Without encoding_format, it asks for base64.
    reply = client_of().embeddings.create(model=MODEL, input=TEXTS)
    vectors = np.array([each.embedding for each in reply.data], dtype=np.float32)
    assert np.array_equal(vectors, encoder.encode(TEXTS))
    assert [each.index for each in reply.data] == [0, 1, 2]
    read = sum(map(encoder.token_count, TEXTS))
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (read, read)
    assert reply.model == MODEL


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_both_formats_say_the_same(client_of, encoder, encoding_format):
    reply = client_of().embeddings.create(
        model=MODEL, input=TEXTS[0], encoding_format=encoding_format
    )
    vector = reply.data[0].embedding
    if encoding_format == "base64":  # asked for by name, it is not decoded
        vector = np.frombuffer(base64.b64decode(vector), dtype="<f4")
    assert np.array_equal(np.float32(vector), encoder.encode(TEXTS[:1])[0])


def test_as_many_texts_as_openai_takes_and_no_more(client_of, encoder):
    texts = ["退货"] * MOST_TEXTS
    reply = client_of().embeddings.create(model=MODEL, input=texts)
    assert len(reply.data) == MOST_TEXTS
    with pytest.raises(openai.BadRequestError) as refused:
        client_of().embeddings.create(model=MODEL, input=[*texts, "退货"])
    assert str(MOST_TEXTS) in refused.value.message


def test_models_are_listed_and_looked_up(client_of, encoder):
    names = [model.id for model in client_of().models.list()]
    assert names == [MODEL, f"{MODEL}@{encoder.fingerprint}"]
    assert client_of().models.retrieve(names[1]).id == names[1]
    reply = client_of().embeddings.create(model=names[1], input="退货")
    assert reply.model == names[1]
    with pytest.raises(openai.NotFoundError) as refused:
        client_of().embeddings.create(model="text-embedding-3-small", input="退货")
    assert refused.value.code == "model_not_found"
    assert MODEL in refused.value.message
    with pytest.raises(openai.NotFoundError):
        client_of().embeddings.create(model=f"{MODEL}@another", input="退货")


def test_a_wrong_key_is_refused_as_openai_refuses_it(client_of):
    with pytest.raises(openai.AuthenticationError) as refused:
        client_of("faq_wrong").embeddings.create(model=MODEL, input="退货")
    assert refused.value.code == "invalid_key"


def test_the_native_dimension_may_be_named_and_no_other(client_of, encoder):
    reply = client_of().embeddings.create(model=MODEL, input="退货", dimensions=encoder.dimension)
    assert len(reply.data[0].embedding) == encoder.dimension
    with pytest.raises(openai.BadRequestError) as refused:
        client_of().embeddings.create(model=MODEL, input="退货", dimensions=64)
    assert refused.value.code == "dimensions_unsupported"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": [1, 2]}, "token"),
        ({"input": [[1, 2]]}, "token"),
        ({"input": 5}, "token"),
        ({"input": None}, "input"),
        ({"input": {}}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "没有文字"),
        ({"input": ["退货", " "]}, "第 1 条"),
        ({"input": "\u200b"}, "没有文字"),
        ({"input": "退" * (LONGEST + 1)}, str(LONGEST)),
        ({"input": "退", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "退", "dimensions": 0}, "dimensions"),
        ({"input": "退", "dimensions": "384"}, "dimensions"),
        ({"input": "退", "model": 7}, "model"),
        ({"input": "退", "model": None}, "model"),
    ],
)
def test_what_cannot_be_encoded_is_refused_in_openais_shape(client, body, named):
    response = client.post("/v1/embeddings", json={"model": MODEL, **body})
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert named in error["message"]


def test_half_a_character_is_refused(client):
    body = b'{"model": "faq-encoder", "input": "a\\ud800"}'
    headers = {"content-type": "application/json"}
    assert client.post("/v1/embeddings", content=body, headers=headers).status_code == 400
    body = b'{"texts": ["a\\ud800"]}'
    assert client.post("/api/v1/embed", content=body, headers=headers).status_code == 422


def test_our_own_route_says_which_encoder_it_was(client, encoder):
    body = client.post("/api/v1/embed", json={"texts": TEXTS}).json()
    assert np.array_equal(np.float32(body["vectors"]), encoder.encode(TEXTS))
    assert body["dimension"] == encoder.dimension
    assert body["fingerprint"] == encoder.fingerprint
    assert client.post("/api/v1/embed", json={"texts": []}).status_code == 422
    assert client.post("/api/v1/embed", json={"texts": ["退货", ""]}).status_code == 422


def test_an_unknown_path_has_openais_shape_too(client):
    response = client.post("/v1/chat/completions", json={})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert client.get("/v1/embeddings").status_code == 405
