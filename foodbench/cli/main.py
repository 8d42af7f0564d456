"""The command line: commands in the order of the pipeline, and the one error handler."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer
from typer.core import TyperGroup

from foodbench.cli import (
    ablate,
    data,
    delete,
    deploy,
    doctor,
    evaluate,
    explain,
    loadtest,
    package,
    predict,
    report,
    run,
    status,
    train,
)
from foodbench.cli.options import Session
from foodbench.errors import INTERRUPTED_EXIT_CODE, FoodbenchError, InputError

__all__ = ["app", "main"]

INTERNAL_ERROR_EXIT_CODE = 1

COMMANDS = (
    "doctor",
    "data",
    "train",
    "ablate",
    "evaluate",
    "predict",
    "package",
    "deploy",
    "status",
    "loadtest",
    "report",
    "explain",
    "run",
    "delete",
)


class PipelineOrder(TyperGroup):
    """Lists the commands in the order of the pipeline (typer lists groups of commands last)."""

    def list_commands(self, _context: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names of the commands, in order."""
        return list(COMMANDS)


app = typer.Typer(
    cls=PipelineOrder,
    name="foodbench",
    help="Which model, in which runtime, deployed in which way, gives the accuracy you need at the lowest cost?",
    epilog="Four steps: foodbench train, deploy --mode hpa, loadtest, report. All at once: foodbench run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("ablate")(ablate.ablate)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("package")(package.package)
app.command("deploy")(deploy.deploy)
app.command("status")(status.status)
app.command("loadtest")(loadtest.loadtest)
app.command("report")(report.report)
app.command("explain")(explain.explain)
app.command("run")(run.run)
app.command("delete")(delete.delete)


def main() -> None:
    """Run the command line; turn every error into one line and its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    session = Session()
    try:
        # Typer turns an interrupt into the exit code that it is known by.
        code = app(prog_name="foodbench", standalone_mode=False, obj=session)
    except FoodbenchError as error:
        sys.exit(_fail(error, session, error.exit_code))
    except typer.TyperException as error:
        sys.exit(_fail(error, session, InputError.exit_code, text=_usage_problem(error)))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED_EXIT_CODE
    except Exception as error:  # noqa: BLE001 - the one place where nothing may escape
        text = f"internal error: {type(error).__name__}: {error}. Run again with -v for the traceback, and report it."
        sys.exit(_fail(error, session, INTERNAL_ERROR_EXIT_CODE, text=text))
    if code == INTERRUPTED_EXIT_CODE:
        sys.stderr.write("interrupted; what was measured is kept\n")
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat a request to terminate, or a closed terminal, like Ctrl-C: what is running is torn down in order."""
    raise KeyboardInterrupt


def _fail(error: Exception, session: Session, code: int, text: str | None = None) -> int:
    if session.verbose:
        import traceback

        traceback.print_exception(error)
    sys.stderr.write(f"foodbench: {text or error}\n")
    return code


def _usage_problem(error: typer.TyperException) -> str:
    text = " ".join(error.format_message().split())
    return f"{text.rstrip('.')}. Ask --help for what is right."
