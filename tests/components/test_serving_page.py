"""The page in a real browser: a photograph chosen or dropped, bars seen, on a desktop and on a phone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from serving_process import ServiceProcess, serving
from tiny_bundles import make_bundle, picture

pytestmark = pytest.mark.processes

PATIENCE_S = 30
PHONE_PX, DESKTOP_PX = (390, 844), (1280, 800)
BLUE = (0, 0, 255)

DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (character) => character.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "photograph.png", {type: arguments[1]}));
for (const kind of ["dragover", "drop"])
  document.getElementById("drop").dispatchEvent(
    new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    directory = tmp_path_factory.mktemp("bundle")
    make_bundle(directory)
    with serving(directory, "--threads", "1") as running:
        yield running


@pytest.fixture(scope="module")
def browser(require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = require_program("chromium")
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options, ChromeService(require_program("chromedriver"))) as running:
        yield running


@pytest.fixture(params=[DESKTOP_PX, PHONE_PX], ids=["desktop", "phone"])
def page(browser: Chrome, service: ServiceProcess, request: pytest.FixtureRequest) -> Iterator[Chrome]:
    """The page, freshly opened at one width; nothing it did may have been refused by its own policy."""
    width, height = request.param
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(service.url)
    yield browser
    said = [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    assert not [line for line in said if "favicon" not in line and "predict" not in line], said


def bars(page: Chrome) -> list[WebElement]:
    WebDriverWait(page, PATIENCE_S).until(lambda _: "computed in" in page.find_element(By.ID, "status").text)
    return page.find_elements(By.CLASS_NAME, "bar")


def classes(page: Chrome) -> list[str]:
    return [name.text for name in page.find_elements(By.CSS_SELECTOR, ".name span:first-child")]


def assert_shows(page: Chrome, first: str) -> None:
    shown = bars(page)
    widths = [bar.size["width"] for bar in shown]
    assert len(shown) == 5
    assert classes(page)[0] == first
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 100
    assert all(bar.size["height"] > 5 for bar in shown)
    # Nothing hangs over the edge, which on a phone would make the page scroll sideways.
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def drop(page: Chrome, content: bytes, media_type: str = "image/png") -> None:
    page.execute_script(DROP, base64.b64encode(content).decode(), media_type)


def test_a_dropped_photograph_is_shown_with_its_five_likeliest_classes(page: Chrome) -> None:
    drop(page, picture(BLUE, (640, 480)))
    assert_shows(page, "Blue")
    preview = page.find_element(By.ID, "preview")
    WebDriverWait(page, PATIENCE_S).until(lambda _: preview.size["height"] > 50)
    assert page.execute_script("return arguments[0].naturalWidth", preview) == 640


def test_a_chosen_file_is_predicted(page: Chrome, tmp_path: Path) -> None:
    photograph = tmp_path / "photograph.jpg"
    photograph.write_bytes(picture((255, 0, 0), image_format="JPEG"))
    page.find_element(By.ID, "file").send_keys(str(photograph))
    assert_shows(page, "Red")


def test_it_is_usable_by_the_keyboard_alone(page: Chrome) -> None:
    def press(key: str) -> str | None:
        ActionChains(page).send_keys(key).perform()
        return page.switch_to.active_element.get_attribute("id")

    assert press(Keys.TAB) == "file"
    assert press(Keys.TAB) == "example"
    press(Keys.ENTER)
    assert_shows(page, "Green")


def test_what_is_no_photograph_is_said_to_be_none(page: Chrome) -> None:
    drop(page, b"no image at all")
    status = page.find_element(By.ID, "status")
    WebDriverWait(page, PATIENCE_S).until(lambda _: status.text.startswith("No prediction:"))
    assert page.find_elements(By.CLASS_NAME, "bar") == []


def test_it_loads_nothing_from_elsewhere(page: Chrome, service: ServiceProcess) -> None:
    loaded = page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith((service.url, "blob:")) for name in loaded), loaded
