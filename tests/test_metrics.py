from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from faq_app import metrics
from faq_app.metrics import BOUNDS, Metrics


def service(decisions=()):
    searcher = SimpleNamespace(
        revision=7, live_entries=lambda: {"a": 1, "b": 2}, questions=("x", "y", "z")
    )
    return SimpleNamespace(
        searcher=searcher,
        decisions=dict(decisions),
        log_backlog=4,
        log_dropped=1,
        answering_processes=2,
        encoder_fingerprint='ab"c\\d\ne',
    )


def samples(counted, given=None, running=0):
    """Return what Prometheus itself reads: (name, labels) → value."""
    found = {}
    for family in text_string_to_metric_families(counted.text(given or service(), running)):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


def test_requests_are_counted_by_template_method_and_status():
    counted = Metrics()
    for status in (200, 200, 429):
        counted.finished("/api/v1/ask", "POST", status, 0.01)
    found = samples(counted)
    route = {"route": "/api/v1/ask", "method": "POST"}
    assert value(found, "faq_requests_total", **route, status="200") == 2
    assert value(found, "faq_requests_total", **route, status="429") == 1


def test_times_are_a_histogram_that_adds_up():
    counted = Metrics()
    times = [0.0005, 0.001, 0.0011, 0.3, 99]
    for seconds in times:
        counted.finished("/x", "GET", 200, seconds)
    found = samples(counted)
    for bound in BOUNDS:
        expected = sum(seconds <= bound for seconds in times)
        assert value(found, "faq_request_seconds_bucket", route="/x", le=repr(bound)) == expected
    assert value(found, "faq_request_seconds_bucket", route="/x", le="+Inf") == 5
    assert value(found, "faq_request_seconds_count", route="/x") == 5
    assert value(found, "faq_request_seconds_sum", route="/x") == pytest.approx(sum(times))


def test_what_the_service_does_is_told():
    given = service({("answer", "score"): 3, ("reject", "no_text"): 1})
    found = samples(Metrics(), given, running=5)
    assert value(found, "faq_replies_total", decision="answer", reason="score") == 3
    assert value(found, "faq_revision") == 7
    assert value(found, "faq_entries") == 2
    assert value(found, "faq_index_vectors") == 3
    assert value(found, "faq_log_backlog") == 4
    assert value(found, "faq_log_dropped_total") == 1
    assert value(found, "faq_answering_processes") == 2
    assert value(found, "faq_requests_running") == 5
    assert value(found, "faq_encoder_info", fingerprint='ab"c\\d\ne') == 1


def test_refusals_are_counted_by_reason_from_zero():
    counted = Metrics()
    counted.limited("address")
    found = samples(counted)
    assert value(found, "faq_requests_limited_total", by="address") == 1
    assert value(found, "faq_requests_limited_total", by="key") == 0


def test_no_client_can_make_the_page_grow():
    counted = Metrics()
    for number in range(1000):
        counted.finished("/x", f"BREW{number}", 200, 0.01)
        counted.finished(f"/not/a/template/{number}", "GET", 200, 0.01)
    found = samples(counted)
    requests = [labels for name, labels in found if name == "faq_requests_total"]
    assert len(requests) <= metrics._MOST_ROUTES + 3
    assert sum(value for (name, _), value in found.items() if name == "faq_requests_total") == 2000


def test_memory_is_that_of_this_process():
    before = metrics.memory()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert metrics.memory() - before > 32 * 2**20
