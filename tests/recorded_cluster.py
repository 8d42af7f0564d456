"""A stand-in for an API server: takes what kubectl applies, and answers with what a real cluster was recorded to say."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

__all__ = ["RecordedCluster", "recorded_cluster"]

KINDS: dict[str, dict[str, str]] = {
    "v1": {
        "endpoints": "Endpoints",
        "events": "Event",
        "namespaces": "Namespace",
        "nodes": "Node",
        "pods": "Pod",
        "services": "Service",
    },
    "apps/v1": {"deployments": "Deployment", "replicasets": "ReplicaSet"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "discovery.k8s.io/v1": {"endpointslices": "EndpointSlice"},
    "metrics.k8s.io/v1beta1": {"pods": "PodMetrics"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
"""What kubectl finds when it asks which kinds there are."""

CLUSTER_WIDE = {"namespaces", "nodes"}
METRICS = "# HELP x\nprocess_resident_memory_bytes 1.5e+08\nprocess_cpu_seconds_total 12.5\n"
WATCH_S = 0.05


@dataclass
class RecordedCluster:
    """What the server has, was asked, and is to answer."""

    objects: dict[str, Any]
    """A recorded situation: what there is of a deployment once it has been applied."""
    refusals: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    """By method and end of the path: status and body."""
    applied: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path."""
    requests: list[tuple[str, str, dict[str, list[str]]]] = field(default_factory=list)
    """Method, path, query."""
    watched: str = ""
    """What every watch answers before it ends."""
    authorizations: set[tuple[str, str | None]] = field(default_factory=set)
    """Which programs asked, and what they said who they are."""
    port: int = 0
    kubeconfig: Path = Path()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        """Return status and body."""
        split = urlsplit(target)
        path, query = split.path, parse_qs(split.query)
        self.requests.append((method, path, query))
        for (refused, end), answer in self.refusals.items():
            if method == refused and path.endswith(end):
                return answer
        if method == "PATCH":
            document = yaml.safe_load(body)
            if document["kind"] == "Service":
                document["spec"]["ports"][0]["nodePort"] = self.port
            self.applied[path] = document
            return 200, document
        if method == "DELETE":
            self.applied.pop(path)
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        return self._read(path, query)

    def _read(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        fixed = {"/readyz": "ok", "/log": next(iter(self.objects.get("logs", {}).values()), "")}
        for end, said in {**fixed, "/proxy/metrics": METRICS}.items():
            if path.endswith(end):
                return 200, said
        found = _discovery(path) or self.applied.get(path)
        kind = path.rsplit("/", 1)[1]
        if found is None and any(kind in kinds for kinds in KINDS.values()):
            items = self._items(path, kind)
            found = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items}
        if found is None:
            return 404, {
                "kind": "Status",
                "apiVersion": "v1",
                "reason": "NotFound",
                "message": "not found",
                "code": 404,
            }
        return 200, self.watched if "watch" in query else found

    def _items(self, path: str, kind: str) -> list[Any]:
        applied = [document for at, document in self.applied.items() if at.rsplit("/", 1)[0] == path]
        there = any("/deployments/" in at for at in self.applied)
        recorded = {
            "pods": "pods" if "metrics.k8s.io" not in path else "",
            "replicasets": "replica_sets",
            "events": "events",
            "endpointslices": "endpoint_slices",
        }
        if kind == "nodes":
            address = {"type": "InternalIP", "address": "127.0.0.1"}
            return [
                {**node, "status": {**node["status"], "addresses": [address]}} for node in self.objects.get("nodes", [])
            ]
        if kind in recorded:
            return list(self.objects.get(recorded[kind], [])) if there else []
        of_kind = {"deployments": "deployment", "horizontalpodautoscalers": "autoscaler"}.get(kind)
        status = ((self.objects.get(of_kind) or {}) if of_kind else {}).get("status", {})
        return [{**document, "status": status} for document in applied]


def _discovery(path: str) -> Any:
    """Return what kubectl asks before it does anything: which kinds there are, and that fields are checked here."""
    groups = [version for version in KINDS if version != "v1"]
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        named = [(version.partition("/")[0], version, version.partition("/")[2]) for version in groups]
        offered = [
            {
                "name": group,
                "versions": [{"groupVersion": whole, "version": version}],
                "preferredVersion": {"groupVersion": whole, "version": version},
            }
            for group, whole, version in named
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": offered}
    roots = {("/api/v1" if version == "v1" else f"/apis/{version}"): version for version in KINDS}
    if path in roots:
        return _resources(roots[path])
    if path == "/openapi/v3":
        return {"paths": {root[1:]: {"serverRelativeURL": f"/openapi/v3{root}"} for root in roots}}
    if path.removeprefix("/openapi/v3") in roots:
        return _schema(path.removeprefix("/openapi/v3"), roots[path.removeprefix("/openapi/v3")])
    return None


def _resources(version: str) -> dict[str, Any]:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    resources = [
        {
            "name": name,
            "singularName": kind.lower(),
            "namespaced": name not in CLUSTER_WIDE,
            "kind": kind,
            "verbs": verbs,
        }
        for name, kind in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _schema(root: str, version: str) -> dict[str, Any]:
    group, _, name = version.rpartition("/")
    paths = {
        f"{root}/{kind.lower()}/{{name}}": {
            "patch": {
                "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                "responses": {},
                "x-kubernetes-group-version-kind": {"group": group, "version": name, "kind": kind},
            }
        }
        for kind in KINDS[version].values()
    }
    return {"openapi": "3.0.0", "info": {"title": "recorded", "version": "1"}, "paths": paths}


class _Handler(BaseHTTPRequestHandler):
    cluster: RecordedCluster

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/api"):
            program = self.headers.get("User-Agent", "").partition("/")[0]
            self.cluster.authorizations.add((program, self.headers.get("Authorization")))
        status, answer = self.cluster.answer(self.command, self.path, body)
        if "watch=" in self.path:
            time.sleep(WATCH_S)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PATCH = do_POST = do_DELETE = _serve  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@contextmanager
def recorded_cluster(
    objects: dict[str, Any], folder: Path, *, certificate: Path | None = None
) -> Iterator[RecordedCluster]:
    """Serve a recorded situation on loopback, with a kubeconfig in ``folder`` whose one context is called recorded.

    With a certificate (and its key in the same file) over TLS, where clients have to trust it by the kubeconfig.
    """
    cluster = RecordedCluster(objects)
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    cluster.port = server.server_address[1]
    address: dict[str, str] = {"server": f"http://127.0.0.1:{cluster.port}"}
    if certificate is not None:
        address = {"server": f"https://127.0.0.1:{cluster.port}", "certificate-authority": str(certificate)}
        context_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context_tls.load_cert_chain(certificate)
        server.socket = context_tls.wrap_socket(server.socket, server_side=True)
    cluster.kubeconfig = folder / "kubeconfig"
    context = {"name": "recorded", "context": {"cluster": "here", "user": "me"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "recorded",
        "clusters": [{"name": "here", "cluster": address}],
        "users": [{"name": "me", "user": {"token": "sesame"}}],
        "contexts": [context],
    }
    cluster.kubeconfig.write_text(yaml.safe_dump(config))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
