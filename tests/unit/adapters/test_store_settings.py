"""The settings that say how the operator's own store is spoken to, and what of them Pods get."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagejob_contract.order import STORE_CA_VARIABLE
from imagejob_operator.adapters.kubernetes.pod_manifest import secret_manifest
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.settings import MAX_CA_BYTES, read_settings
from imagejob_processor.errors import BadOrder
from imagejob_processor.main import run

ENVIRONMENT = {
    "IMAGEJOB_STORE_ENDPOINT": "store:9000",
    "IMAGEJOB_STORE_BUCKET": "media",
    "IMAGEJOB_PROCESSOR_IMAGE": "processor",
    "POD_NAMESPACE": "imagejob-system",
    "POD_NAME": "operator-1",
}


def test_the_defaults() -> None:
    settings = read_settings(ENVIRONMENT)
    assert settings.store_credentials == Path("/etc/imagejob/store")
    assert (settings.store.virtual_host, settings.store.ca_bundle) == (False, "")


def test_an_addressing_style_that_is_none_is_refused() -> None:
    assert read_settings({**ENVIRONMENT, "IMAGEJOB_STORE_ADDRESSING": "VirtualHost"}).store.virtual_host
    with pytest.raises(InvalidSettings, match="IMAGEJOB_STORE_ADDRESSING is 'Host': it must be one of Path"):
        read_settings({**ENVIRONMENT, "IMAGEJOB_STORE_ADDRESSING": "Host"})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("STORE_ENDPOINT", "https://store.example.com/", "host or host:port, without https://"),
        ("STORE_ENDPOINT", "https://store.example.com", "host or host:port, without https://"),
        ("STORE_ENDPOINT", "st ore", "host or host:port, without https://"),
        ("STORE_POD_ENDPOINT", "store:9000/media", "host or host:port, without https://"),
        ("STORE_BUCKET", "s3://media", "the name of a bucket, without s3://"),
        ("WATCH_NAMESPACES", "Bad_NS", "names of namespaces, separated by commas"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("PROCESSOR_PULL_POLICY", "Sometimes", "one of Always, IfNotPresent, Never"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable_and_the_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({**ENVIRONMENT, f"IMAGEJOB_{name}": value})
    assert str(raised.value).startswith(f"IMAGEJOB_{name} is {value!r}: it must be {rule}")


@pytest.mark.parametrize("endpoint", ["s3.eu-west-1.amazonaws.com", "10.0.0.1:9000", "Store:443"])
def test_endpoints_that_are_hosts(endpoint: str) -> None:
    assert read_settings({**ENVIRONMENT, "IMAGEJOB_STORE_ENDPOINT": endpoint}).store.endpoint == endpoint


def test_authorities_are_read_from_a_file_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    wanted = {**ENVIRONMENT, "IMAGEJOB_STORE_CA_FILE": str(file)}
    with pytest.raises(InvalidSettings, match="must be a file of PEM certificates"):
        read_settings(wanted)
    file.write_text("no certificate")
    with pytest.raises(InvalidSettings, match="must be a file of PEM certificates"):
        read_settings(wanted)
    authority = (Path(__file__).parent / "authority.crt").read_text()
    file.write_text(authority)
    assert read_settings(wanted).store.ca_bundle == authority
    file.write_text(authority * (MAX_CA_BYTES // len(authority) + 1))
    with pytest.raises(InvalidSettings, match=f"at most {MAX_CA_BYTES} bytes"):
        read_settings(wanted)


def test_pods_get_the_authorities_that_they_need() -> None:
    assert set(secret_manifest("shop", "pod", "uid", "url")["stringData"]) == {"order-url"}
    assert secret_manifest("shop", "pod", "uid", "url", "PEM")["stringData"]["store-ca"] == "PEM"


def test_a_pod_with_broken_authorities_says_so() -> None:
    with pytest.raises(BadOrder, match="IMAGEJOB_STORE_CA contains no valid PEM certificate"):
        run({"IMAGEJOB_ORDER_URL": "https://store/order", STORE_CA_VARIABLE: "broken"})
