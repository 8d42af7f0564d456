"""The report of a whole run folder, written and read back."""

import hashlib
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import builders
import pytest

import foodbench
from foodbench.errors import StoreError
from foodbench.report.build import ReportFiles, write_report
from foodbench.store import write_record


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """One cell of one model."""
    return builders.write_run(
        tmp_path, cells=builders.report_cells()[1:2], models=builders.report_models()[1:2], most_samples=60
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    """The report's five variants; to be read only."""
    return write_report(builders.write_run(tmp_path_factory.mktemp("whole"), most_samples=60))


def fingerprints(files: ReportFiles) -> dict[str, str]:
    paths = [files.html, files.csv, files.markdown, *files.plots]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_all_files_are_there(whole: ReportFiles) -> None:
    names = {path.name for path in whole.plots}
    for plot in ("accuracy-memory", "accuracy-rate", "accuracy-response"):
        assert {f"{plot}.png", f"{plot}.svg"} <= names
    assert {f"timeline-{cell.cell}.png" for cell in builders.report_cells()} <= names
    assert sum(name.startswith("confusion-") for name in names) == 6


def test_a_report_built_again_elsewhere_is_the_same(run_folder: Path, tmp_path: Path) -> None:
    files = write_report(run_folder)
    assert files.directory == run_folder / "report"
    moved = tmp_path / "elsewhere"
    shutil.copytree(run_folder, moved, ignore=shutil.ignore_patterns("report"))
    assert fingerprints(write_report(moved)) == fingerprints(files)


def test_a_new_report_replaces_the_old_one_whole(run_folder: Path) -> None:
    files = write_report(run_folder)
    stale = files.directory / "plots" / "timeline-gone.1.png"
    stale.touch()
    write_report(run_folder)
    assert not stale.exists()
    assert sorted(path.name for path in run_folder.iterdir()) == ["bundles", "cells", "models", "report", "run.json"]


class Page(HTMLParser):
    """Collects what a page refers to and whether its elements close."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.alternatives: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href"}:
                self.addresses.append(value or "")
            if name == "alt":
                self.alternatives.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def test_the_page_is_whole_and_needs_nothing_else(whole: ReportFiles) -> None:
    page = read_page(whole.html)
    assert page.open == []
    assert "script" not in page.tags
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert len(page.alternatives) == page.tags.count("img")
    assert all(page.alternatives)
    text = " ".join("".join(page.words).split())
    for told in ("Which variant to deploy", "42,626,560", "Food-11-like (64 px)", "needs 662 samples", "Example CPU"):
        assert told in text


def test_names_from_others_are_text_on_the_page(tmp_path: Path) -> None:
    odd = "<script>alert(1)</script>"
    run = builders.run(
        experiment=builders.experiment(title=odd), provenance=builders.provenance(host='"><img src=x>', cpu_model=odd)
    )
    cell = builders.cell_result(cell="a.1", variant=builders.variant(name=odd), status="failed", failure=odd)
    folder = builders.write_run(tmp_path, of=run, cells=[cell], models=[], bundles=[])
    files = write_report(folder)
    page = read_page(files.html)
    assert "script" not in page.tags
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert odd in "".join(page.words)
    assert "<script" not in files.markdown.read_text()


def test_a_cell_whose_name_leads_out_of_the_run_is_refused(tmp_path: Path) -> None:
    folder = builders.write_run(tmp_path, of=builders.run(), cells=[])
    write_record(folder / "cells" / "x" / "cell.json", builders.cell_result(cell="../../../x"))
    with pytest.raises(StoreError, match="cell named"):
        write_report(folder)


def test_a_run_without_cells_or_models_still_has_a_report(tmp_path: Path) -> None:
    empty = builders.write_run(tmp_path, of=builders.run(), cells=[], models=[], bundles=[])
    page = read_page(write_report(empty).html)
    assert "no variant was measured" in "".join(page.words)


def test_a_run_that_lost_its_streams_still_has_a_report(run_folder: Path) -> None:
    for stream in run_folder.glob("cells/*/*.arrows"):
        stream.unlink()
    assert "15.61" in write_report(run_folder).markdown.read_text()


def test_what_is_no_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_read_as_frames(tmp_path: Path) -> None:
    run = foodbench.load_run(builders.write_run(tmp_path, most_samples=60))
    assert list(run.samples.columns[:4]) == ["cell", "variant", "repeat", "since_start_s"]
    collapsed = run.samples[run.samples.variant == "resnet101v2-single"]
    assert (collapsed.failure == "connection-refused").sum() == 60
    assert collapsed.since_start_s.between(0, 21).all()
    assert run.replicas.groupby("cell").replica.nunique()["resnet101v2-lb.1"] == 5
    assert run.replica_counts.ready_replicas.max() == 5
    assert run.models.set_index("model").base_parameters_total["resnet101v2"] == 42_626_560
    assert run.summary.set_index("variant").transactions["resnet101v2-hpa"] == 8346


def test_a_run_without_cells_has_empty_frames_with_their_columns(tmp_path: Path) -> None:
    run = foodbench.load_run(builders.write_run(tmp_path, of=builders.run(), cells=[]))
    assert len(run.samples) == 0
    assert {"cell", "since_start_s", "latency_ms"} <= set(run.samples.columns)
    failed = builders.cell_result(status="failed")
    run = foodbench.load_run(builders.write_run(tmp_path, of=builders.run(id="failed"), cells=[failed]))
    assert {"cell", "since_start_s", "ready"} <= set(run.replicas.columns)
    assert list(run.summary.variant) == [failed.variant.name]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import foodbench; foodbench.__version__", "pandas matplotlib pyarrow pydantic rich"),
        ("import foodbench.report; foodbench.report.render_summary", "pandas matplotlib pyarrow jinja2"),
        ("import foodbench.report; foodbench.report.write_report", "pandas matplotlib.pyplot"),
        ("import foodbench; foodbench.load_run", "matplotlib"),
    ],
)
def test_importing_stays_cheap(statement: str, absent: str) -> None:
    heavy = f"{absent} tensorflow keras kubernetes locust".split()
    code = f"{statement}; import sys; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = foodbench.nothing_like_it
