"""Reads a cluster: the kubernetes client finds and keeps the credentials, objects stay the plain JSON that was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from foodbench.deploy.kubernetes.findings import Answer
from foodbench.errors import FoodbenchError, InputError, MachineError, RunFailed

__all__ = ["Cluster", "Refused", "connect"]

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0


class Refused(FoodbenchError):
    """The API server answered with something else than success."""

    exit_code = RunFailed.exit_code

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"the API server answered {answer.path} with {answer.status}: {answer.body[:200]}")


class Cluster:
    """One cluster, read with the credentials of one context.

    Proxies that the environment names are not used.

    Args:
        configuration: Of the kubernetes client, loaded.
        context: The context's name, for messages.
    """

    def __init__(self, configuration: Any, context: str) -> None:
        import urllib3

        self.context = context
        self._configuration = configuration
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE",
            ca_certs=configuration.ssl_ca_cert,
            cert_file=configuration.cert_file,
            key_file=configuration.key_file,
            server_hostname=configuration.tls_server_name,
            retries=False,
        )

    @property
    def server(self) -> str:
        """The URL of its API server."""
        return str(self._configuration.host)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return the JSON object at a path of the API.

        Raises:
            Refused: The server does not give it.
            RunFailed: The server cannot be reached.
        """
        body = self.get_text(path, **query)
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(Answer(200, body, path))
        return found

    def get_text(self, path: str, **query: str) -> str:
        """Return what is at a path of the API, as text.

        Raises:
            Refused: The server does not give it.
            RunFailed: The server cannot be reached.
        """
        response = self._request(path, query)
        body: str = response.data.decode("utf-8", errors="replace")
        if response.status != 200:
            raise Refused(Answer(response.status, body, path))
        return body

    def changes(self, path: str, *, timeout_s: int, **query: str) -> Iterator[str]:
        """Yield the type of each change of a list (ADDED, MODIFIED, DELETED), until the server ends the watch.

        Args:
            path: Of the list.
            timeout_s: When the server is to end it.
            query: Selectors, and the resourceVersion the watch begins at.

        Raises:
            Refused: The server does not let us watch, or the version is too old by now.
            RunFailed: The server cannot be reached.
        """
        import urllib3

        query = {**query, "watch": "true", "timeoutSeconds": str(timeout_s)}
        response = self._request(path, query, streamed=True)
        try:
            if response.status != 200:
                raise Refused(Answer(response.status, response.data.decode("utf-8", errors="replace"), path))
            for line in _lines(response):
                change = json.loads(line)
                if change.get("type") == "ERROR":
                    status = change.get("object") or {}
                    raise Refused(Answer(int(status.get("code") or 500), json.dumps(status), path))
                yield str(change.get("type"))
        except (urllib3.exceptions.HTTPError, ValueError, AttributeError):
            # A watch that breaks off is taken up again by whoever listens, as one that ends is.
            return
        finally:
            response.close()
            response.release_conn()

    def _request(self, path: str, query: Mapping[str, str], *, streamed: bool = False) -> Any:
        import urllib3

        url = f"{self._configuration.host.rstrip('/')}{path}"
        headers = {setting["key"]: setting["value"] for setting in self._configuration.auth_settings().values()}
        try:
            return self._pool.request(
                "GET",
                f"{url}?{urlencode(query)}" if query else url,
                headers={"accept": "application/json, */*", "user-agent": "foodbench", **headers},
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
                preload_content=not streamed,
            )
        except urllib3.exceptions.HTTPError as error:
            raise RunFailed(
                f"the API server of context {self.context} cannot be reached: {error}",
                "Check that the cluster is running, or choose another --context",
            ) from error


def _lines(response: Any) -> Iterator[bytes]:
    begun = b""
    for chunk in response.stream(2**16, decode_content=True):
        *whole, begun = (begun + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())


def connect(context: str, *, kubeconfig: str | None = None) -> Cluster:
    """Return the cluster that a context of the kubeconfig names. Nothing is sent yet.

    Args:
        context: Its name; there is no default, so that no cluster is ever changed unnamed.
        kubeconfig: The file; None for KUBECONFIG's, or the usual one.

    Raises:
        MachineError: The package kubernetes is not installed.
        InputError: There is no such context, or the kubeconfig is missing or damaged.
    """
    try:
        from kubernetes import client, config
    except ModuleNotFoundError:
        raise MachineError("the package kubernetes is not installed", "Install foodbench[kubernetes]") from None
    configuration = client.Configuration()
    try:
        config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
    except config.ConfigException as error:
        raise InputError(
            f"context {context} cannot be used: {error}", "Choose one of kubectl config get-contexts, or set KUBECONFIG"
        ) from error
    return Cluster(configuration, context)
