"""An archive is unpacked whole, or refused; never outside its folder."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path
from typing import IO, Any

import pytest
from data_sets import write_tar, write_zip

from foodbench.data import archives
from foodbench.data.archives import ArchiveLimits, archive_digest, unpack
from foodbench.errors import InputError, MachineError
from foodbench.progress import Silent

FILES = {"set/training/0_0.jpg": b"a" * 3000, "set/training/1_0.jpg": b"b", "LICENCE.txt": b"free"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked" / "here"
    folder.mkdir(parents=True)
    return folder


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_tar_archives(tmp_path: Path, target: Path, compression: str) -> None:
    unpack(write_tar(tmp_path / "set.any", FILES, compression=compression), target, Silent())
    assert unpacked(target) == FILES


def test_zip_archives(tmp_path: Path, target: Path) -> None:
    unpack(write_zip(tmp_path / "set.any", FILES), target, Silent())
    assert unpacked(target) == FILES


def test_names_that_begin_with_a_dot_and_a_slash(tmp_path: Path, target: Path) -> None:
    unpack(write_tar(tmp_path / "set.tar", {f"./{name}": data for name, data in FILES.items()}), target, Silent())
    assert unpacked(target) == FILES


def test_windows_separators_are_folders(tmp_path: Path, target: Path) -> None:
    unpack(write_tar(tmp_path / "set.tar", {"training\\0_0.jpg": b"a"}), target, Silent())
    assert unpacked(target) == {"training/0_0.jpg": b"a"}


def test_hidden_files_and_resource_forks_are_left_out(tmp_path: Path, target: Path) -> None:
    unpack(write_zip(tmp_path / "set.zip", {"a.jpg": b"a", "._a.jpg": b"x", "__MACOSX/a.jpg": b"x"}), target, Silent())
    assert unpacked(target) == {"a.jpg": b"a"}


@pytest.mark.parametrize("name", ["../out.jpg", "a/../../../out.jpg", "/tmp/out.jpg", "..\\..\\out.jpg", "C:\\out.jpg"])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_names_that_lead_outside_are_refused(tmp_path: Path, target: Path, name: str, write: Any) -> None:
    with pytest.raises(InputError, match="leads out of its own folder"):
        unpack(write(tmp_path / "set", {name: b"x"}), target, Silent())
    assert not list(tmp_path.rglob("*out.jpg"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, target: Path, kind: bytes) -> None:
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("training/0_0.jpg")
        member.type, member.linkname = kind, "../../../etc/hostname"
        archive.addfile(member)
    with pytest.raises(InputError, match=r"holds a link, device or sparse file \(training/0_0.jpg\)"):
        unpack(path, target, Silent())
    assert not list(target.iterdir())


def test_links_in_a_zip_are_refused(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("training/0_0.jpg")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        archive.writestr(member, "/etc/hostname")
    with pytest.raises(InputError, match="holds a link or device"):
        unpack(path, target, Silent())


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_the_total_is_bounded_by_what_is_really_unpacked(tmp_path: Path, target: Path, write: Any) -> None:
    path = write(tmp_path / "set", FILES)
    total = sum(len(data) for data in FILES.values())
    unpack(path, target, Silent(), limits=ArchiveLimits(most_bytes=total, most_files=len(FILES)))
    with pytest.raises(InputError, match=f"more than {total - 1} bytes"):
        unpack(path, target, Silent(), limits=ArchiveLimits(most_bytes=total - 1))
    with pytest.raises(InputError, match=f"more than {len(FILES) - 1} files"):
        unpack(path, target, Silent(), limits=ArchiveLimits(most_files=len(FILES) - 1))


def test_a_flood_of_folders_is_bounded_too(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(10):
            archive.writestr(f"{number}/", "")
    with pytest.raises(InputError, match="more than 8 entries"):
        unpack(path, target, Silent(), limits=ArchiveLimits(most_files=4))


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_an_archive_cut_short_is_damaged(tmp_path: Path, target: Path, compression: str) -> None:
    content = {"training/0_0.jpg": os.urandom(200_000)}
    path = write_tar(tmp_path / "set.tar", content, compression=compression)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, target, Silent())


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path, target: Path, compress: Any) -> None:
    names = sorted(FILES)
    content = bytearray(write_tar(tmp_path / "plain.tar", FILES).read_bytes())
    content[content.index(names[-1].encode()) + 1] ^= 0xFF
    path = tmp_path / "set.tar"
    path.write_bytes(compress(bytes(content)))
    with pytest.raises(InputError, match="no end of the archive"):
        unpack(path, target, Silent())


def test_a_tar_that_lost_its_last_files_is_damaged(tmp_path: Path, target: Path) -> None:
    path = write_tar(tmp_path / "set.tar", FILES)
    path.write_bytes(path.read_bytes()[: 512 + 3072])
    with pytest.raises(InputError, match="no end of the archive"):
        unpack(path, target, Silent())


def test_a_wrong_checksum_at_the_end_is_found(tmp_path: Path, target: Path) -> None:
    path = write_tar(tmp_path / "set.tgz", FILES, compression="gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked: CRC check failed"):
        unpack(path, target, Silent())


def test_a_zip_with_a_wrong_byte_is_damaged(tmp_path: Path, target: Path) -> None:
    path = write_zip(tmp_path / "set.zip", {"a.jpg": os.urandom(5000)})
    content = bytearray(path.read_bytes())
    content[2500] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, target, Silent())


def test_a_password_is_said(tmp_path: Path, target: Path) -> None:
    content = bytearray(write_zip(tmp_path / "set.zip", {"a.jpg": b"a"}).read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    path = tmp_path / "locked.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match="password"):
        unpack(path, target, Silent())


@pytest.mark.parametrize("content", [b"", b"PK", b"a text, not an archive", b"\x28\xb5\x2f\xfd zstandard"])
def test_other_files_are_no_archive(tmp_path: Path, target: Path, content: bytes) -> None:
    path = tmp_path / "set.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"should be a whole zip, tar, tar.gz, tar.bz2 or tar.xz"):
        unpack(path, target, Silent())


def test_a_full_disk_is_the_machine_s(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_source: IO[bytes], _target: IO[bytes], _most_bytes: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "_copy", no_space)
    with pytest.raises(MachineError, match="No space left on device"):
        unpack(write_tar(tmp_path / "set.tar", FILES), target, Silent())


def test_the_digest_changes_with_the_archive(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "first.tar", FILES)
    moved = tmp_path / "moved.tar"
    before = archive_digest(first)
    first.rename(moved)
    assert archive_digest(moved) == before
    content = bytearray(moved.read_bytes())
    content[600] ^= 1
    times = moved.stat()
    moved.write_bytes(content)
    os.utime(moved, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert archive_digest(moved) != before


def test_progress_ends_at_the_archive_s_size(tmp_path: Path, target: Path) -> None:
    told: list[tuple[float, float]] = []

    class Listener(Silent):
        def step(self, description: str, done: float, total: float) -> None:
            assert description == "unpacking set.tar"
            told.append((done, total))

    path = write_tar(tmp_path / "set.tar", {f"training/0_{n}.jpg": b"x" * n for n in range(600)})
    unpack(path, target, Listener())
    assert len(told) == 3
    assert told == sorted(told)
    assert all(0 < done <= total == path.stat().st_size for done, total in told)


def test_a_sparse_member_is_refused(tmp_path: Path, target: Path) -> None:
    member = tarfile.TarInfo("training/0_0.jpg")
    member.type = tarfile.GNUTYPE_SPARSE
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(member)
    path = tmp_path / "set.tar"
    path.write_bytes(content.getvalue())
    with pytest.raises(InputError, match="sparse"):
        unpack(path, target, Silent())
