import csv
import io
from pathlib import Path

import builders
import pytest
from rich.console import Console, Group

from foodbench.analysis.advice import advise
from foodbench.analysis.variants import VariantFacts, join_variants
from foodbench.analysis.verdicts import verdicts
from foodbench.records.models import WeightsUsed
from foodbench.report.files import advice_markdown, summary_csv, summary_markdown
from foodbench.report.folder import read_run_folder
from foodbench.report.summary import Summary, summarise, summary_rows
from foodbench.report.terminal import MAIN_FIGURES, render_advice, render_main_figures, render_summary

REPORT_ROWS = (
    "Transactions",
    "Availability (%)",
    "Elapsed time (s)",
    "Response time (s)",
    "Transaction rate (tps)",
    "Concurrency",
    "Successful transactions",
    "Failed transactions",
    "Longest transaction (s)",
    "Shortest transaction (s)",
    "Disk space usage (MiB)",
    "Memory, loaded for inference, per replica (MiB)",
    "Evaluation accuracy",
)
"""The rows of the report's table, in its order."""


@pytest.fixture
def facts() -> tuple[VariantFacts, ...]:
    cells = builders.report_cells()
    return join_variants([], cells, builders.report_models(), builders.report_bundles())


@pytest.fixture
def summary(facts: tuple[VariantFacts, ...]) -> Summary:
    return summarise(facts, "The report's five variants")


def rows_of(summary: Summary) -> dict[str, list[str]]:
    return {row.label: [cell.text for cell in row.cells] for section in summary.sections for row in section.rows}


def shown(summary: Summary, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(render_summary(summary, width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_columns_that_do_not_fit_come_below_and_the_title_says_which(summary: Summary) -> None:
    titles = [line for line in shown(summary, 80).splitlines() if line.startswith(summary.title)]
    assert [title.removeprefix(summary.title).strip() for title in titles] == [
        "(columns 1 to 3 of 5)",
        "(columns 4 to 5 of 5)",
    ]
    assert "columns" not in shown(summary, 200)


def test_the_reports_rows_are_there_in_its_order(summary: Summary) -> None:
    labels = list(rows_of(summary))
    places = [labels.index(label) for label in REPORT_ROWS]
    assert places == sorted(places)


def test_the_reports_figures_come_out_as_it_printed_them(summary: Summary) -> None:
    rows = rows_of(summary)
    assert rows["Transactions"] == ["465", "461", "97", "542", "8,346"]
    assert rows["Availability (%)"] == ["100.00", "100.00", "8.58", "100.00", "100.00"]
    assert rows["Transaction rate (tps)"] == ["15.77", "15.61", "4.78", "18.27", "23.20"]
    assert rows["Failed transactions"][2] == "1,033"
    assert rows["Evaluation accuracy"][:3] == ["0.7622", "0.8378", "0.8473"]
    assert rows["Memory, loaded for inference, per replica (MiB)"][1] == "288.1"
    assert rows["Base parameters, non-trainable"][2] == "97,664"


def test_what_the_report_lacked_is_there(summary: Summary) -> None:
    rows = rows_of(summary)
    assert rows["Its 95 % interval"][1] == "0.8249 to 0.8499"
    assert rows["Replicas, peak"] == ["1", "1", "1", "5", "5"]
    assert rows["Memory under load, in total, peak (MiB)"][3] == "3,371.5"
    assert rows["Failed: connection-refused"][2] == "1,033"
    assert rows["p99 response time (ms)"][0] == "needs 662 samples"
    assert rows["p99 response time (ms)"][4] == "599.0"
    assert rows["Numbers valid"] == ["yes", "yes", "NO", "yes", "yes"]
    assert any("resnet101v2-single is not valid" in remark and "Fix:" in remark for remark in summary.remarks)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminals_tables_fit_and_show_every_variant_and_mark(summary: Summary, width: int) -> None:
    text = shown(summary, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    together = "".join(text.split())
    for name in summary.variants:
        assert name in together
    tables = text.count("Evaluation accuracy\n") + text.count("Evaluation accuracy ") - text.count("accuracy of the")
    assert text.count("Measured on") == tables
    assert text.count("Transactions ") == {80: 2, 100: 2, 200: 1}[width]


def printed(group: Group, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(group)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_main_figures_have_a_line_for_each_variant_and_what_must_be_said(summary: Summary) -> None:
    text = printed(render_main_figures(summary), 120)
    assert MAIN_FIGURES.keys() <= rows_of(summary).keys()
    (line,) = [line for line in text.splitlines() if line.startswith("resnet101v2-single  ")]
    assert line.split() == ["resnet101v2-single", "0.8473", "4.78", "1.670", "8.58", "404.9", "1.00", "31.605", "NO"]
    assert "Accuracy was measured on: Food-11-like (64 px)" in text
    assert "resnet101v2-single is not valid" in text
    assert len(text.splitlines()) < 20


def test_what_happened_to_each_variant_is_told_in_one_line(summary: Summary) -> None:
    told = [*summary.remarks, *summary.healthy]
    for name in summary.variants:
        assert len([line for line in told if line.startswith(f"{name}: ")]) == 1
    assert "1,033 connections refused" in "".join(summary.remarks)
    assert "no fault found" in "".join(summary.healthy)
    markdown = summary_markdown(summary)
    assert all(line.split(":")[0] in markdown for line in told)


def test_variants_that_were_not_measured_are_named_and_have_no_column(tmp_path: Path) -> None:
    directory = builders.write_run(tmp_path, cells=builders.report_cells()[1:2])
    folder = read_run_folder(directory)
    summary = summarise(folder.variants, "x", unmeasured=folder.unmeasured)
    assert summary.variants == ("mobilenet-single",)
    others = ", ".join(cell.variant.name for cell in builders.report_cells() if cell.variant.name != "mobilenet-single")
    assert f"Not measured in this run: {others}." in summary.remarks
    assert [row["variant"] for row in summary_rows(folder.variants)] == ["mobilenet-single"]


def test_repeats_are_shown_as_median_and_range() -> None:
    rates = (15.0, 18.0, 16.0)
    cells = [
        builders.cell_result(
            repeat=repeat, load=builders.load_result(figures=builders.siege_figures(transactions_per_s=rate))
        )
        for repeat, rate in enumerate(rates, start=1)
    ]
    facts = join_variants([], cells, [builders.model_artifact()], [])
    rows = {row.label: row.cells[0] for section in summarise(facts, "x").sections for row in section.rows}
    assert (rows["Transaction rate (tps)"].text, rows["Transaction rate (tps)"].range) == ("16.00", "15.00..18.00")
    assert rows["Transactions"].range == ""
    assert rows["Repeats measured"].text == "3 of 3"
    values = summary_rows(facts)[0]
    assert [values[f"transactions_per_s{end}"] for end in ("", "_min", "_max")] == [16.0, 15.0, 18.0]


def test_a_percentile_that_one_repeat_lacks_is_not_shown() -> None:
    few = builders.load_result(percentiles=builders.percentiles(20))
    cells = [builders.cell_result(), builders.cell_result(repeat=2, load=few)]
    facts = join_variants([], cells, [builders.model_artifact()], [])
    assert rows_of(summarise(facts, "x"))["p90 response time (ms)"] == ["needs 64 samples"]


def test_a_failed_variant_has_dashes_and_its_cause() -> None:
    facts = join_variants([], [builders.cell_result(status="failed")], [builders.model_artifact()], [])
    summary = summarise(facts, "x")
    assert rows_of(summary)["Transactions"] == ["–"]
    assert any("replica-1 ended with code 1" in remark for remark in summary.remarks)
    assert "Transactions" not in shown(summary, 80)


def test_csv_has_a_line_for_each_variant_and_reads_back(facts: tuple[VariantFacts, ...]) -> None:
    rows = list(csv.DictReader(io.StringIO(summary_csv(summary_rows(facts)))))
    assert [row["variant"] for row in rows] == [found.name for found in facts]
    assert float(rows[2]["availability_percent"]) == pytest.approx(8.584, abs=1e-3)
    assert rows[0]["latency_p99_ms"] == ""
    assert rows[2]["valid"] == "false"
    assert {"accuracy", "accuracy_low", "accuracy_high", "accuracy_measured_on"} <= set(rows[0])


def test_a_text_that_begins_like_a_formula_is_no_formula() -> None:
    facts = join_variants([], [builders.cell_result(variant=builders.variant(name="=1+1"))], [], [])
    assert "\n'=1+1," in summary_csv(summary_rows(facts))


def test_markdown_has_tables_of_equal_width_and_no_markup_of_the_users() -> None:
    cells = [builders.cell_result(variant=builders.variant(name="a|b <script> *x*"))]
    facts = join_variants([], cells, [builders.model_artifact()], [])
    text = summary_markdown(summarise(facts, "# odd [title](x)"))
    assert "<script>" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table
    assert {line.replace("\\|", "").count("|") for line in table} == {3}


def test_markdown_and_terminal_say_that_numbers_allow_no_recommendation() -> None:
    model = builders.model_artifact(weights=WeightsUsed(kind="random"))
    facts = join_variants([], [builders.cell_result()], [model], [])
    advice = advise(facts)
    markdown = advice_markdown(advice, verdicts(facts, advice))
    console = Console(width=80, file=io.StringIO())
    console.print(render_advice(advice))
    assert isinstance(console.file, io.StringIO)
    for text in (markdown, console.file.getvalue()):
        assert "do not allow a recommendation" in text
        assert "random weights" in text
    assert "random initial weights" in rows_of(summarise(facts, "x"))["Measured on"][0]
