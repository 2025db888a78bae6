"""Does the server answer whatever it is sent, without a failure of its own?

In: a number of cases and a seed. Out: the status of every response counted; a 5xx, a traceback or
an error in the log, a response that the OpenAPI document does not know, or a server that does not
answer afterwards is an error. All on this machine, most of it without a socket.
"""

import io
import json
import logging
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import fuzz_inputs
from faq_app.accounts import Accounts
from faq_app.guard import COOKIE, HOME
from faq_app.keys import Keys
from faq_app.passwords import Cost
from faq_app.server import create_app
from faq_app.service import Service
from fuzz_parsers import database, encoder, repeat

SCOPES = ("", "edit", "publish")
PASSWORD = "three words and a horse"
ASKED = {"query": "怎么退货"}
_CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


class FailedError(AssertionError):
    """The server did what it must not; says what."""


class Watch(logging.Handler):
    """Keeps what the server says of failures: in the log, or printed by what it is built of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep errors, and tracebacks of any level."""
        if record.levelno >= logging.ERROR or record.exc_info:
            self.said.append(logging.Formatter("%(name)s %(message)s").format(record))

    def require_silence(self, about: object) -> None:
        """Raise FailedError if anything was said."""
        if self.said:
            said, self.said = self.said, []
            raise FailedError(f"{about!r:.500}: {said[0][-3000:]}")


class _Printed(io.StringIO):
    """Takes the place of standard error; a traceback in it is something said."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def write(self, text: str) -> int:
        if "Traceback" in text:
            self._watch.said.append(text)
        elif self._watch.said:  # it is printed line by line
            self._watch.said[-1] += text
        return len(text)


@dataclass
class Site:
    """The whole application over a small FAQ, and who may do what."""

    app: FastAPI
    service: Service
    secrets: dict[str, str]
    session: str
    watch: Watch
    client: TestClient

    def headers(self, scope: str) -> dict[str, str]:
        """Return what a program with a key of this scope sends; "" is none."""
        return {"authorization": f"Bearer {self.secrets[scope]}"} if scope else {}

    def require_answer(self) -> None:
        """Raise FailedError if customers are not answered."""
        status = self.client.post("/api/v1/ask", json=ASKED).status_code
        if status != 200:
            raise FailedError(f"a question is answered with {status}")
        self.watch.require_silence("afterwards")


@contextmanager
def site() -> Iterator[Site]:
    """Yield a running application; it must answer at the end, too."""
    watch = Watch()
    logging.getLogger().addHandler(watch)
    real, sys.stderr = sys.stderr, _Printed(watch)
    try:
        with tempfile.TemporaryDirectory() as folder, database(Path(folder)) as store:
            keys, accounts = Keys(store), Accounts(store, Cost(n=2, r=1, p=1))
            secrets = {
                scope: keys.create(scope, [scope, "ask", "embed"], "fuzz") for scope in SCOPES[1:]
            }
            keys.close()
            accounts.create_user("operator", PASSWORD, "publisher", "fuzz")
            session = accounts.login("operator", PASSWORD, "127.0.0.1")
            service = Service(store, encoder())
            app = create_app(service)
            here = ("127.0.0.1", 50000)  # this machine has no rate limit
            with TestClient(app, raise_server_exceptions=False, client=here) as client:
                made = Site(app, service, secrets, session, watch, client)
                yield made
                made.require_answer()
            jobs_end("console", "popularity")
            app.state.keys.close()
            service.close()
    finally:
        sys.stderr = real
        logging.getLogger().removeHandler(watch)


def jobs_end(*others: str) -> None:
    """Wait for the jobs that were submitted, and for other threads of these names."""
    for thread in threading.enumerate():
        if thread.name in ("jobs", *others):
            thread.join(120)


def api(cases: int, number: int, count: Callable[[str], None]) -> None:
    """What the OpenAPI document allows and what it forbids, with each kind of key and with none."""
    with site() as here:
        schema = schemathesis.openapi.from_dict(here.client.get("/api/openapi.json").json())
        operations = [found.ok() for found in schema.get_all_operations()]
        pairs = [(operation, scope) for operation in operations for scope in SCOPES]
        random.Random(number).shuffle(pairs)  # few cases are for some of them, others each time
        for place, (operation, scope) in enumerate(pairs):
            share = cases // len(pairs) + (place < cases % len(pairs))
            if share:
                _operate(here, operation, scope, share, number, count)


def _operate(
    here: Site,
    operation: Any,
    scope: str,
    cases: int,
    number: int,
    count: Callable[[str], None],
) -> None:
    headers = here.headers(scope)

    def one(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url="http://testserver", headers=headers)
        data = asked.pop("data", None)
        if data is not None:
            asked["content" if isinstance(data, bytes | str) else "data"] = data
        asked.pop("cookies", None)
        try:
            response = here.client.request(**asked)
        except (UnicodeError, ValueError, TypeError):
            count("unsendable")  # to the client, which is not what is examined
            return
        count(str(response.status_code))
        here.watch.require_silence(asked)
        # Any route may say that too many jobs wait; a line break in a path leads to no route.
        if response.status_code != 429 and '"Not Found"' not in response.text:
            case.validate_response(response, checks=list(_CHECKS))

    allowed = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    with suppress(Exception):  # some operations have nothing that can be forbidden
        forbidden = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        forbidden.validate()
        allowed |= forbidden
    repeat(one, cases, number, case=allowed)


def bodies(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Damaged and nonsensical bodies for every route that takes one."""
    with site() as here:
        document = here.client.get("/api/openapi.json").json()
        routes = [
            (method.upper(), path.replace("{", "").replace("}", ""))
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if "requestBody" in operation
        ]
        whole = st.sampled_from([json.dumps(ASKED).encode(), b'{"entries": [{"question": "x"}]}'])
        deep = st.builds(
            lambda n, c: c * n, st.integers(1, 5000), st.sampled_from([b"[", b'{"a":'])
        )
        nonsense = fuzz_inputs.json_values.map(lambda value: json.dumps(value).encode())
        kinds = st.sampled_from(("application/json", "text/csv", "text/plain", "", "\x7f/x"))

        def case(route: tuple[str, str], body: bytes, kind: str) -> None:
            headers = here.headers("publish") | {"content-type": kind, "if-match": "*"}
            response = here.client.request(*route, content=body, headers=headers)
            count(str(response.status_code))
            here.watch.require_silence((route, body))
            if response.status_code >= 500:
                raise FailedError(f"{route} {body!r:.200}: {response.text}")

        repeat(
            case,
            cases,
            number,
            route=st.sampled_from(routes),
            body=fuzz_inputs.damaged(whole) | nonsense | deep,
            kind=kinds,
        )


def uploads(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Damaged tables and workbooks as bulk imports; the job must end, in words."""
    with site() as here:
        csv, xlsx = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        files = st.tuples(fuzz_inputs.tables, st.just(csv)) | st.tuples(
            fuzz_inputs.workbooks, st.just(xlsx)
        )
        paths = st.sampled_from(
            (
                "entries:bulk",
                "entries:bulk?mode=replace",
                "keywords:import",
                "regression/cases:import",
            )
        )

        def case(file: tuple[bytes, str], path: str) -> None:
            headers = here.headers("publish") | {"content-type": file[1]}
            response = here.client.post(f"/api/v1/{path}", content=file[0], headers=headers)
            status = str(response.status_code)
            if response.status_code == 202:
                jobs_end()
                job = here.client.get(f"/api/v1/jobs/{response.json()['id']}", headers=headers)
                status = f"job {job.json()['state']}"
                if (job.json().get("error") or {}).get("code") in ("internal", "unavailable"):
                    raise FailedError(f"{file!r:.300}: {job.text}")
            count(status)
            here.watch.require_silence(file)
            if response.status_code >= 500:
                raise FailedError(f"{file!r:.300}: {response.text}")

        repeat(case, cases, number, file=files, path=paths)


def pages(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Events of both pages with nonsensical data: a stranger's, and those of an operator."""
    with site() as here:
        asked = [("", None), (HOME, {COOKIE: here.session})]
        events = st.fixed_dictionaries(
            {
                "fn_index": st.integers(0, 90) | st.sampled_from((0, 1, 2, 3, -1, "0", None)),
                "session_hash": st.sampled_from((*"aaaabbbb", "", "x" * 65, None)),
            },
            optional={
                "event_data": fuzz_inputs.json_values,
                "trigger_id": st.integers(-1, 300) | st.none(),
                "component_id": st.integers(0, 300),
                "fn_name": st.sampled_from(("greet", "__init__", "postprocess", "load")),
                "batched": st.booleans(),
                "event_id": fuzz_inputs.texts,
            },
        )
        counts = {
            page: {event["id"]: len(event["inputs"]) for event in _events(here, page, cookies)}
            for page, cookies in asked
        }
        paths = st.sampled_from(
            (
                "queue/join",
                "run/predict",
                "run/ask",
                "component_server",
                "cancel",
                "reset",
                "upload",
            )
        )

        def case(
            page: tuple[str, dict[str, str] | None], path: str, event: dict[str, Any], data: Any
        ) -> None:
            prefix, cookies = page
            wanted = counts[prefix].get(event["fn_index"])
            # Most are as many values as the handler takes: only these reach it.
            values = [data() for _ in range(wanted)] if wanted is not None else data()
            body = json.dumps(event | {"data": values}).encode()
            headers = {"content-type": "application/json"}
            if cookies:
                headers["cookie"] = f"{COOKIE}={cookies[COOKIE]}"
            url = f"{prefix}/gradio_api/{path}"
            response = here.client.post(url, content=body, headers=headers)
            count(str(response.status_code))
            if path == "queue/join" and response.status_code == 200:  # it is worked on later
                stream = f"{prefix}/gradio_api/queue/data?session_hash={event['session_hash']}"
                here.client.get(stream, headers=headers)
            if prefix:  # that an operator's program asks nonsense may stand in the log
                here.watch.said.clear()
            here.watch.require_silence((url, body))
            if response.status_code >= 500 and not (prefix and "error" in response.text):
                raise FailedError(f"{url} {body!r:.300}: {response.text}")

        values = st.randoms(use_true_random=False).map(_values)
        repeat(
            case, cases, number, page=st.sampled_from(asked), path=paths, event=events, data=values
        )


def _events(here: Site, page: str, cookies: dict[str, str] | None) -> list[dict[str, Any]]:
    headers = {"cookie": f"{COOKIE}={cookies[COOKIE]}"} if cookies else {}
    return here.client.get(f"{page}/config", headers=headers).json()["dependencies"]


def _values(draw: random.Random) -> Callable[[], Any]:
    some = (
        "",
        "怎么退货",
        "\ud800",
        None,
        True,
        -1,
        10**30,
        1e308,
        [],
        {},
        [None],
        ["x"],
        "x" * 9000,
    )
    return lambda: draw.choice(some)
