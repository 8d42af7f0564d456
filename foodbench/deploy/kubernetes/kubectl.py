"""kubectl, which applies and deletes: what a user would type, with context and namespace always spelt out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foodbench.deploy.kubernetes.answers import diagnose_command
from foodbench.deploy.kubernetes.findings import failure_of
from foodbench.errors import RunFailed
from foodbench.process import Completed, find_program, run

__all__ = ["FIELD_MANAGER", "Kubectl"]

FIELD_MANAGER = "foodbench"

KINDS = "horizontalpodautoscalers,deployments,poddisruptionbudgets,services,networkpolicies"
"""All that is ever deleted, and only by label. A namespace never is."""

APPLY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one context and one namespace."""

    context: str
    namespace: str
    kubeconfig: str | None = None
    """None for KUBECONFIG's, or the usual one."""

    def apply(self, file: Path) -> None:
        """Apply a file of objects, on the server's side.

        Raises:
            MachineError: kubectl is not installed.
            RunFailed: It was refused; names the cause.
        """
        self._run(
            "apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "-f", str(file), timeout_s=APPLY_TIMEOUT_S
        )

    def delete(self, selector: str, *, timeout_s: float) -> None:
        """Delete every object that the label selector finds, and return once they and their pods are gone.

        Raises:
            MachineError: kubectl is not installed.
            RunFailed: It was refused, or took longer.
        """
        # In the foreground: the Deployment is gone only when its pods are.
        how = ["--ignore-not-found", "--cascade=foreground", "--wait", f"--timeout={timeout_s:g}s"]
        self._run("delete", KINDS, f"--selector={selector}", *how, timeout_s=timeout_s + APPLY_TIMEOUT_S)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return the whole command line of a kubectl command.

        Raises:
            MachineError: kubectl is not installed.
        """
        program = find_program("kubectl", remedy="Install it: kubernetes.io/docs/tasks/tools")
        chosen = [f"--context={self.context}", f"--namespace={self.namespace}"]
        if self.kubeconfig is not None:
            chosen.append(f"--kubeconfig={self.kubeconfig}")
        return (program, *chosen, *arguments)

    def _run(self, *arguments: str, timeout_s: float) -> Completed:
        done = run(self.command(*arguments), timeout_s=timeout_s, check=False)
        if done.exit_code != 0:
            found = diagnose_command(done)
            if found is not None:
                raise failure_of(found)
            last = (done.error_output.strip() or done.output.strip() or "no output").splitlines()[-1]
            raise RunFailed(f"kubectl {arguments[0]} ended with code {done.exit_code}: {last}")
        return done
