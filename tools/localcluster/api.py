"""Requests to the API server, without kubectl."""

import http.client
import json
import socket
import ssl
from typing import Any

from localcluster.addresses import Addresses
from localcluster.paths import Layout
from localcluster.pki import ADMIN, NODE_NAME


class Api:
    """The API server of one cluster, with the administrator's certificate."""

    def __init__(self, layout: Layout, addresses: Addresses) -> None:
        """Store address and files; nothing is read yet."""
        self._layout = layout
        self._addresses = addresses

    def get(self, path: str) -> bytes:
        """Return the body of a response.

        Raises:
            OSError: The request failed.
        """
        context = ssl.create_default_context(cafile=str(self._layout.pki("ca.crt")))
        context.load_cert_chain(self._layout.pki(f"{ADMIN.file}.crt"), self._layout.pki(f"{ADMIN.file}.key"))
        connection = http.client.HTTPSConnection(str(self._addresses.node), 6443, timeout=3, context=context)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"broken answer: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise OSError(f"HTTP {response.status}: {body[:200].decode(errors='replace')}")
        return body

    def _get_json(self, path: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get(path))
        return document

    def not_ready(self) -> str | None:
        """Return why the API server is not ready; None if it is."""
        try:
            self.get("/readyz")
        except OSError as error:
            return f"/readyz: {error}"
        return None

    def node_not_ready(self) -> str | None:
        """Return why Pods cannot run yet; None if they can."""
        try:
            node = self._get_json(f"/api/v1/nodes/{NODE_NAME}")
            self.get("/api/v1/namespaces/default/serviceaccounts/default")
        except OSError as error:
            return str(error)
        conditions = node.get("status", {}).get("conditions", [])
        ready = next((c for c in conditions if c["type"] == "Ready"), {"message": "no condition yet"})
        if ready.get("status") != "True":
            return f"node {NODE_NAME} is not Ready: {ready.get('message', '')}"
        taints = [taint["key"] for taint in node.get("spec", {}).get("taints", [])]
        return f"node {NODE_NAME} has taints {taints}" if taints else None

    def service_not_reached(self) -> str | None:
        """Return why this machine cannot reach Service addresses; None if it can."""
        try:
            socket.create_connection((str(self._addresses.api_service), 443), timeout=1).close()
        except OSError as error:
            return f"{self._addresses.api_service}:443: {error}"
        return None

    def dns_not_ready(self) -> str | None:
        """Return why names of Services do not resolve; None if they do."""
        connection = http.client.HTTPConnection(str(self._addresses.node), 8181, timeout=2)
        try:
            connection.request("GET", "/ready")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"DNS: {error!r}"
        finally:
            connection.close()
        return None if status == 200 else f"DNS: HTTP {status}"
