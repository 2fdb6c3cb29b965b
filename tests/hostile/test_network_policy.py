"""A compromised processor Pod sends data out, or talks to the API server: no rule of the policy is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from imagejob_operator.naming.names import LABEL_MANAGED_BY, MANAGED_BY

POLICY = Path(__file__).parents[2] / "manifests" / "tenant" / "network.yaml"


def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(POLICY.read_text())["spec"]
    return found


def test_it_selects_every_processor_pod_and_denies_ingress() -> None:
    assert spec()["podSelector"] == {"matchLabels": {LABEL_MANAGED_BY: MANAGED_BY}}
    assert set(spec()["policyTypes"]) == {"Ingress", "Egress"}
    assert spec()["ingress"] == []


def test_every_rule_names_a_destination_and_ports() -> None:
    assert all(rule.get("to") and rule.get("ports") for rule in spec()["egress"])


def test_dns_is_allowed_to_the_clusters_dns_only() -> None:
    """DNS to any address is a tunnel."""
    (rule,) = (r for r in spec()["egress"] if any(port["port"] == 53 for port in r["ports"]))
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


def test_addresses_of_the_cloud_and_ports_of_the_api_server_are_not_allowed() -> None:
    blocks = [peer["ipBlock"] for rule in spec()["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert blocks
    assert all("169.254.0.0/16" in block["except"] for block in blocks)
    ports = {port["port"] for rule in spec()["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 9000}
