"""The four requests of a Pod, with a faulty store."""

import pytest
import urllib3

from imagejob_contract.order import PADDED_LENGTHS, Upload, padded_length
from imagejob_contract.result import ItemCode
from imagejob_processor import storage, transport
from imagejob_processor.errors import BadOrder, ItemFailure, OrderExpired, PodFailure, StoreUnavailable
from imagejob_processor.storage import RetryPolicy, Store
from unit.processor.store_double import EXPIRED, Answer, Script, serving

LARGE = bytes(range(256)) * 8192


@pytest.fixture
def script():
    with serving(Script()) as script:
        yield script


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def store(pauses):
    return Store(RetryPolicy(pause=pauses.append))


def upload(script: Script) -> Upload:
    fields = {"policy": "POLICY", "x-amz-signature": "TOPSECRET"}
    return Upload(url=f"{script.endpoint}/bucket", key_prefix="stage/out/", fields=fields, max_bytes=1 << 20)


def post(store: Store, script: Script, data: bytes = LARGE) -> None:
    to = upload(script)
    store.post_output(to, f"{to.key_prefix}000001-web", "image/webp", data)


def test_a_source_is_fetched_on_the_condition_that_it_is_the_same(store, script):
    script.answers["/a"] = [Answer(body=LARGE)]
    assert store.get_source(script.url("/a"), "abc", len(LARGE)) == LARGE
    assert script.asked[0].headers["If-Match"] == '"abc"'
    assert script.asked[0].query.startswith("X-Amz-Signature")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(Answer(412), ItemCode.SOURCE_CHANGED, id="changed"),
        pytest.param(Answer(404, b"<Code>NoSuchKey</Code>"), ItemCode.SOURCE_MISSING, id="gone"),
        pytest.param(Answer(403, b"<Code>InvalidObjectState</Code>"), ItemCode.SOURCE_REFUSED, id="archived"),
        pytest.param(Answer(403, b"<Code>AccessDenied</Code>"), ItemCode.SOURCE_REFUSED, id="denied"),
        pytest.param(Answer(400, b"<Code>InvalidRequest</Code>"), ItemCode.SOURCE_REFUSED, id="encrypted"),
        pytest.param(Answer(400, b"<Code>KMS.Disabled</Code>"), ItemCode.SOURCE_REFUSED, id="key disabled"),
        pytest.param(Answer(body=LARGE), ItemCode.TOO_LARGE, id="over the cap"),
        pytest.param(
            Answer(body=LARGE, chunked=True), ItemCode.TOO_LARGE, id="over the cap, no length given"
        ),
        pytest.param(
            Answer(body=LARGE, length=1 << 40), ItemCode.TOO_LARGE, id="over the cap, huge length given"
        ),
    ],
)
def test_an_item_fails_for_its_own_reasons_only(store, script, pauses, answer, code):
    script.answers["/a"] = [answer]
    with pytest.raises(ItemFailure) as caught:
        store.get_source(script.url("/a"), "abc", 1000)
    assert caught.value.code is code
    assert pauses == []


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDenied", "; allow access to it"),
        ("InvalidObjectState", "; restore it from the archive"),
        ("InvalidRequest", ""),
    ],
)
def test_the_remedy_fits_the_refusal(store, script, code, remedy):
    script.answers["/a"] = [Answer(403, f"<Code>{code}</Code>".encode())]
    with pytest.raises(ItemFailure, match=f"HTTP 403 {code}{remedy}$"):
        store.get_source(script.url("/a"), "abc", 1000)


def test_the_cap_is_exact(store, script):
    script.answers["/a"] = [Answer(body=LARGE)]
    assert store.get_source(script.url("/a"), "", len(LARGE)) == LARGE
    with pytest.raises(ItemFailure, match=rf"over the limit of {len(LARGE) - 1}; raise limits.itemSize"):
        store.get_source(script.url("/a"), "", len(LARGE) - 1)


def test_no_more_than_one_chunk_over_the_cap_is_read(store, script, monkeypatch):
    monkeypatch.setattr(transport, "CHUNK", 1000)
    script.answers["/a"] = [Answer(body=LARGE, length=1 << 40)]
    with pytest.raises(ItemFailure, match="at least 5000 bytes"):
        store.get_source(script.url("/a"), "", 4500)


def test_a_body_shorter_than_promised_is_fetched_again(store, script, pauses):
    script.answers["/a"] = [Answer(body=LARGE, cut=1000), Answer(body=LARGE, cut=0), Answer(body=LARGE)]
    assert store.get_source(script.url("/a"), "", len(LARGE)) == LARGE
    assert len(pauses) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_burst_of_trouble_is_sat_out(store, script, pauses, status):
    script.answers["/a"] = [Answer(status)] * 4 + [Answer(body=b"x")]
    assert store.get_source(script.url("/a"), "", 10) == b"x"
    assert [round(pause * 2) / 2 for pause in pauses] == sorted(round(pause * 2) / 2 for pause in pauses)
    assert 0.375 <= pauses[0] <= 0.625
    assert 3 <= pauses[3] <= 5


def test_patience_ends_by_number(store, script, pauses):
    script.answers["/a"] = [Answer(503, b"<Code>SlowDown</Code><Message>Reduce</Message>")]
    with pytest.raises(StoreUnavailable, match=r"HTTP 503 SlowDown: Reduce \(5 tries"):
        store.get_source(script.url("/a"), "", 10)
    assert len(script.asked) == 5
    assert len(pauses) == 4


def test_patience_ends_by_time(script):
    script.answers["/a"] = [Answer(503)]
    with pytest.raises(StoreUnavailable, match="1 tries"):
        Store(RetryPolicy(seconds=0, pause=lambda _: None)).get_source(script.url("/a"), "", 10)


def test_a_store_that_is_not_there(store, script):
    with pytest.raises(StoreUnavailable) as caught:
        store.get_source("http://127.0.0.1:1/a?X-Amz-Signature=TOPSECRET", "", 10)
    assert "TOPSECRET" not in str(caught.value)


def test_the_first_request_is_repeated_until_the_network_of_the_pod_is_ready(
    script, store, pauses, monkeypatch
):
    """Connections are refused until a sidecar is ready: longer than a store that has answered may fail."""
    script.answers["/order"] = [Answer(body=b"{}")]
    request = urllib3.PoolManager.request

    def refused(self, method, url, **options):
        return request(self, method, url if len(pauses) == 6 else "http://127.0.0.1:1/order", **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", refused)
    assert store.get_order(script.url("/order")) == b"{}"
    assert 15 <= sum(pauses) <= 30
    pauses.clear()
    with pytest.raises(StoreUnavailable, match=r"no connection to the store: .* \(5 tries"):
        store.get_source(script.url("/order"), "", 10)


def test_a_dripping_body_times_out(script):
    script.answers["/a"] = [Answer(body=LARGE)]
    with pytest.raises(StoreUnavailable, match="only"):
        Store(RetryPolicy(tries=1, transfer=-1)).get_source(script.url("/a"), "", len(LARGE))


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/a", lambda store, script: store.get_source(script.url("/a"), "", 10)),
        ("/a", lambda store, script: store.put_result(script.url("/a"), b"{}")),
        ("/a", lambda store, script: store.get_order(script.url("/a"))),
        ("/bucket", post),
    ],
    ids=["source", "result", "order", "output"],
)
def test_expired(store, script, path, ask):
    script.answers[path] = [Answer(403, EXPIRED)]
    with pytest.raises(OrderExpired) as caught:
        ask(store, script)
    assert "TOPSECRET" not in str(caught.value)
    assert len(script.asked) == 1


@pytest.mark.parametrize("code", [b"InvalidAccessKeyId", b"ExpiredToken", b"InvalidToken"])
def test_a_signer_that_the_store_does_not_know_any_more_is_as_good_as_expired(store, script, code):
    script.answers["/a"] = [Answer(403, b"<Error><Code>" + code + b"</Code><Message>no</Message></Error>")]
    with pytest.raises(OrderExpired, match=code.decode()):
        store.get_source(script.url("/a"), "", 10)


def test_denied_is_not_expired_but_for_the_order(store, script):
    script.answers["/a"] = [Answer(403, b"<Code>AccessDenied</Code><Message>Access Denied</Message>")]
    with pytest.raises(OrderExpired):
        store.get_order(script.url("/a"))
    with pytest.raises(ItemFailure, match="IMG_011: the store refused the source: HTTP 403 AccessDenied"):
        store.get_source(script.url("/a"), "", 10)
    with pytest.raises(StoreUnavailable, match="HTTP 403 AccessDenied"):
        store.put_result(script.url("/a"), b"{}")


@pytest.mark.parametrize("answer", [Answer(404), Answer(307), Answer(400)])
def test_an_order_that_cannot_be_had(store, script, answer):
    script.answers["/a"] = [answer]
    with pytest.raises(BadOrder):
        store.get_order(script.url("/a"))


def test_an_order_that_is_too_long(store, script, monkeypatch):
    monkeypatch.setattr(storage, "MAX_ORDER_BYTES", 1000)
    script.answers["/a"] = [Answer(body=b"x" * 1001)]
    with pytest.raises(BadOrder, match="over the limit of 1000"):
        store.get_order(script.url("/a"))


@pytest.mark.parametrize(
    "url", ["nonsense", "http://[bad/x", "http://h:99999999/x?X-Amz-Signature=TOPSECRET"]
)
def test_a_url_that_is_none(store, url):
    with pytest.raises(PodFailure) as caught:
        store.get_order(url)
    assert "TOPSECRET" not in str(caught.value)


def test_an_output_is_a_form_with_the_file_last(store, script):
    script.answers["/bucket"] = [Answer(204)]
    post(store, script)
    form = script.asked[0].form()
    assert list(form) == ["policy", "x-amz-signature", "key", "Content-Type", "file"]
    assert form["key"] == b"stage/out/000001-web"
    assert form["Content-Type"] == b"image/webp"
    assert form["file"] == LARGE


@pytest.mark.parametrize("times", [1, 4])
def test_a_connection_cut_in_mid_upload_means_the_whole_object_again(store, script, times):
    script.hang_up = times
    script.answers["/bucket"] = [Answer(204)]
    post(store, script)
    assert script.cut_off == [1000] * times
    assert [asked.form()["file"] == LARGE for asked in script.asked] == [True]


def test_trouble_after_an_upload_means_the_whole_object_again(store, script):
    script.answers["/bucket"] = [Answer(500), Answer(503), Answer(201)]
    post(store, script)
    assert [asked.form()["file"] == LARGE for asked in script.asked] == [True] * 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Answer(403, b"<Code>AccessDenied</Code><Message>Invalid according to Policy</Message>"),
            "according to Policy",
        ),
        (Answer(400, b"<Code>EntityTooLarge</Code>"), "EntityTooLarge"),
    ],
)
def test_an_output_that_is_rejected_costs_the_item(store, script, answer, message):
    script.answers["/bucket"] = [answer]
    with pytest.raises(ItemFailure, match=message) as caught:
        post(store, script)
    assert caught.value.code is ItemCode.WRITE_FAILED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(503), r"output 000001-web failed: HTTP 503 \(5 tries"),
        (
            Answer(507, b"<Code>XMinioStorageFull</Code>"),
            "output 000001-web failed: HTTP 507 XMinioStorageFull",
        ),
        (
            Answer(403, b"<Code>QuotaExceeded</Code>"),
            "the store has no space for output 000001-web: HTTP 403 QuotaExceeded",
        ),
        (
            Answer(400, b"<Code>XMinioAdminBucketQuotaExceeded</Code>"),
            "the store has no space for output 000001-web: HTTP 400 XMinioAdminBucketQuotaExceeded",
        ),
    ],
)
def test_no_item_is_to_blame_for_a_store_that_is_away_or_full(store, script, answer, message):
    script.answers["/bucket"] = [answer]
    with pytest.raises(StoreUnavailable, match=message):
        post(store, script)


def test_the_result_is_only_put_where_there_is_none(store, script):
    script.answers["/r"] = [Answer(200), Answer(412)]
    assert store.put_result(script.url("/r"), b"{}") is True
    assert store.put_result(script.url("/r"), b"{}") is False
    assert [asked.headers["If-None-Match"] for asked in script.asked] == ["*", "*"]


def test_a_result_cut_off_is_put_again_whole(store, script):
    script.hang_up = 2
    script.answers["/r"] = [Answer(409), Answer(200)]
    assert store.put_result(script.url("/r"), LARGE)
    assert [asked.body == LARGE for asked in script.asked] == [True, True]


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(store, script, status):
    script.answers["/a"] = [Answer(status)]
    with pytest.raises(StoreUnavailable, match=str(status)):
        store.get_source(script.url("/a"), "", 10)
    assert len(script.asked) == 1


# --- a store without forms ----------------------------------------------------------------------------------


def puts(script: Script) -> Upload:
    signatures = {"000001-web": tuple(f"of-{length}" for length in PADDED_LENGTHS)}
    return Upload(
        f"{script.endpoint}/bucket/stage/out/", "stage/out/", {}, 1 << 20, "X-Amz-Date=1", signatures
    )


@pytest.mark.parametrize("size", [1, 16384, 16385, len(LARGE) - 1, len(LARGE), len(LARGE) + 1])
def test_an_output_is_put_with_zeros_up_to_a_signed_length(store, script, size):
    data = (LARGE + b"!")[:size]
    to, path = puts(script), "/bucket/stage/out/000001-web"
    script.answers[path] = [Answer(503), Answer(200)]
    store.post_output(to, f"{to.key_prefix}000001-web", "image/webp", data)
    first, second = script.asked
    length = padded_length(size)
    assert second.query == f"X-Amz-Date=1&X-Amz-Signature=of-{length}"
    assert (second.headers["Content-Length"], second.headers["Content-Type"]) == (str(length), "image/webp")
    assert first.body == second.body == data + bytes(length - size)


def test_what_is_not_implemented_is_tried_once(store, script, pauses):
    script.answers["/bucket"] = [Answer(501, b"<Code>NotImplemented</Code>")]
    with pytest.raises(ItemFailure, match="HTTP 501 NotImplemented") as caught:
        post(store, script)
    assert caught.value.code is ItemCode.WRITE_FAILED
    assert (len(script.asked), pauses) == (1, [])


def test_a_store_without_conditional_writes_takes_the_result_without_the_condition(store, script):
    script.answers["/r"] = [Answer(501), Answer(200)]
    assert store.put_result(script.url("/r"), b"{}")
    assert ["If-None-Match" in asked.headers for asked in script.asked] == [True, False]
