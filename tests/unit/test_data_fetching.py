"""Fetching from a server that breaks off, lies, changes its file, or sends something else."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from answering_files import Misbehaviour, serving
from command_line import foodbench
from tiny_training import Heard

from foodbench.data.fetching import FetchLimits, fetch, target_of
from foodbench.errors import InputError, MachineError, RunFailed

pytestmark = pytest.mark.processes

ZIP = b"PK\x03\x04" + np.random.default_rng(1).bytes(300_000)
OTHER = b"PK\x03\x04" + np.random.default_rng(2).bytes(250_000)
QUICK = FetchLimits(first_pause_s=0.001, attempts=3, read_timeout_s=5.0)


def fetched(address: str, target: Path, **options: object) -> bytes:
    found = fetch(address, target, progress=Heard(), limits=QUICK, **options)  # type: ignore[arg-type]
    content = target.read_bytes()
    assert (found.path, found.size_bytes) == (target, len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name]
    return content


def test_a_file_comes_whole(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP)
    with serving(how) as address:
        assert fetched(address, tmp_path / "a.zip", sha256=hashlib.sha256(ZIP).hexdigest().upper()) == ZIP
    assert len(how.asked) == 1


def test_what_breaks_off_is_gone_on_with(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP, breaks_after=[100_000, 70_000, 0, 1])
    with serving(how) as address:
        assert fetched(address, tmp_path / "a.zip") == ZIP
    assert [asked.get("Range") for asked in how.asked] == [
        None, "bytes=100000-", "bytes=170000-", "bytes=170000-", "bytes=170001-",
    ]  # fmt: skip
    assert all(asked["If-Range"] == '"one"' for asked in how.asked[1:])


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP, breaks_after=[200_000, 0, 0, 0])
    with serving(how) as address:
        with pytest.raises(RunFailed, match=r"without anything new.*200,000 bytes are kept") as caught:
            fetched(address, tmp_path / "a.zip")
        assert "secret" not in str(caught.value)
        assert not (tmp_path / "a.zip").exists()
        assert fetched(address, tmp_path / "a.zip") == ZIP
    assert how.asked[-1]["Range"] == "bytes=200000-"


@pytest.mark.parametrize("ignores_if_range", [False, True])
def test_a_file_that_changes_in_between_is_never_mixed(tmp_path: Path, *, ignores_if_range: bool) -> None:
    how = Misbehaviour(ZIP, breaks_after=[100_000, 0, 0, 0], ignores_if_range=ignores_if_range)
    with serving(how) as address:
        with pytest.raises(RunFailed):
            fetched(address, tmp_path / "a.zip")
        how.content, how.tag = OTHER, '"two"'
        assert fetched(address, tmp_path / "a.zip") == OTHER


def test_a_shorter_file_in_between_is_fetched_anew(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP, breaks_after=[299_000, 0, 0, 0], ignores_if_range=True)
    with serving(how) as address:
        with pytest.raises(RunFailed):
            fetched(address, tmp_path / "a.zip")
        how.content = OTHER  # same tag: the server's lie is found by its length
        assert fetched(address, tmp_path / "a.zip") == OTHER


def test_a_server_that_ignores_ranges_sends_all_again(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP, breaks_after=[100_000], ignores_range=True)
    with serving(how) as address:
        assert fetched(address, tmp_path / "a.zip") == ZIP


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_name_for_the_version_it_begins_anew(tmp_path: Path, tag: str | None) -> None:
    how = Misbehaviour(ZIP, tag=tag, breaks_after=[100_000])
    with serving(how) as address:
        assert fetched(address, tmp_path / "a.zip") == ZIP
    assert [asked.get("Range") for asked in how.asked] == [None, None]


def test_another_address_does_not_go_on_with_the_bytes_of_the_first(tmp_path: Path) -> None:
    first, second = Misbehaviour(ZIP, breaks_after=[100_000, 0, 0, 0]), Misbehaviour(OTHER)
    with serving(first) as one, serving(second) as two:
        with pytest.raises(RunFailed):
            fetched(one, tmp_path / "a.zip")
        assert fetched(two, tmp_path / "a.zip") == OTHER


def test_a_length_that_is_a_lie_is_not_taken_for_a_whole_file(tmp_path: Path) -> None:
    how = Misbehaviour(ZIP, extra_length=10)
    with serving(how) as address, pytest.raises(RunFailed, match="broke off"):
        fetched(address, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_wrong_checksum_keeps_nothing(tmp_path: Path) -> None:
    with serving(Misbehaviour(ZIP)) as address, pytest.raises(InputError, match=r"has SHA-256 [0-9a-f]{64}, not 0{64}"):
        fetched(address, tmp_path / "a.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("states_length", [True, False])
def test_more_than_may_come_is_refused(tmp_path: Path, *, states_length: bool) -> None:
    how = Misbehaviour(ZIP, states_length=states_length)
    limits = FetchLimits(most_bytes=1000)
    with serving(how) as address, pytest.raises(InputError, match="more than 1,000 bytes"):
        fetch(address, tmp_path / "a.zip", progress=Heard(), limits=limits)
    assert not (tmp_path / "a.zip").exists()


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    with serving(Misbehaviour(b"<html>Log in</html>")) as address, pytest.raises(InputError, match="asks for a log-in"):
        fetched(address, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_trouble_passes_and_absence_does_not(tmp_path: Path) -> None:
    with serving(Misbehaviour(ZIP, statuses=[503, 429])) as address:
        assert fetched(address, tmp_path / "a.zip") == ZIP
    how = Misbehaviour(ZIP, statuses=[404])
    with serving(how) as address, pytest.raises(InputError, match="status 404"):
        fetched(address, tmp_path / "b.zip")
    assert len(how.asked) == 1


def test_redirects_are_followed_within_bounds(tmp_path: Path) -> None:
    with serving(Misbehaviour(ZIP)) as end, serving(Misbehaviour(b"", location=end)) as address:
        assert fetched(address, tmp_path / "a.zip") == ZIP
    loop = Misbehaviour(b"", location="/again")
    with serving(loop) as address, pytest.raises(InputError, match="leads on more than 5 times"):
        fetched(address, tmp_path / "b.zip")
    assert len(loop.asked) == 6
    with (
        serving(Misbehaviour(b"", location="file:///etc/passwd")) as address,
        pytest.raises(InputError, match="no addr"),
    ):
        fetched(address, tmp_path / "c.zip")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"mine")
    with pytest.raises(InputError, match="already there"):
        fetched("http://127.0.0.1:9/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_two_at_once_do_not_write_into_one_another(tmp_path: Path) -> None:
    from foodbench.data.partial import opened_partial

    with opened_partial(tmp_path / "a.zip", "http://x/"), pytest.raises(InputError, match="another process"):
        fetched("http://127.0.0.1:9/a.zip", tmp_path / "a.zip")


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/a.zip"


@pytest.mark.parametrize("address", ["ftp://x/a.zip", "photos.zip", "https:///a.zip"])
def test_what_is_no_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="no address to fetch from"):
        fetched(address, tmp_path / "a.zip")


def test_nobody_there_and_no_room_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailed, match="broke off 3 times"):
        fetched(closed_port(), tmp_path / "a.zip")
    full = SimpleNamespace(disk_usage=lambda _path: SimpleNamespace(free=1000))
    monkeypatch.setattr("foodbench.data.fetching.shutil", full)
    with (
        serving(Misbehaviour(ZIP)) as address,
        pytest.raises(MachineError, match="needs 300,004 bytes more, and 1,000"),
    ):
        fetched(address, tmp_path / "b.zip")


def test_the_name_is_the_addresss_and_leads_nowhere_else(tmp_path: Path) -> None:
    assert target_of("https://x/sets/food%2011.zip?t=1", tmp_path) == tmp_path / "food_11.zip"
    assert target_of("https://x/%2e%2e%2f..%2fa.zip", tmp_path) == tmp_path / "a.zip"
    assert target_of("https://x/a.zip", tmp_path / "mine.zip") == tmp_path / "mine.zip"
    with pytest.raises(InputError, match="names no file"):
        target_of("https://x/", None)
    with pytest.raises(InputError, match="there is no folder"):
        target_of("https://x/a.zip", tmp_path / "absent" / "a.zip")


def test_the_command_says_what_came(tmp_path: Path) -> None:
    with serving(Misbehaviour(ZIP, breaks_after=[5])) as address:
        done = foodbench("data", "fetch", address, cwd=tmp_path)
        again = foodbench("data", "fetch", address, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"photos.zip: 300,004 bytes, SHA-256 {hashlib.sha256(ZIP).hexdigest()}\n"
    assert "broke off" in done.stderr
    assert again.returncode == 2
    assert "already there" in again.stderr
