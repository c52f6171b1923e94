"""A file or folder is there as a whole, or as it was."""

import os
import subprocess

import pytest

from raysq.errors import DataError, SourceError
from raysq.storage import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_all_is_written(tmp_path):
    path = tmp_path / "made" / "numbers.csv"
    with atomic.atomic_write(path) as partial:
        assert partial.suffix == ".csv" and partial.parent == path.parent
        partial.write_text("1\n")
        assert not path.exists()
    assert path.read_text() == "1\n" and names(path.parent) == ["numbers.csv"]


@pytest.mark.parametrize("error", [ValueError("no number"), DataError("no number"), KeyboardInterrupt()])
def test_a_file_stays_as_it_was_where_writing_fails(tmp_path, error):
    path = tmp_path / "numbers.csv"
    path.write_text("old\n")
    with pytest.raises(type(error)), atomic.atomic_write(path) as partial:
        partial.write_text("ne")
        raise error
    assert path.read_text() == "old\n" and names(tmp_path) == ["numbers.csv"]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below.csv"
    expected = pytest.raises(SourceError, match="cannot be written.*choose another --output")
    with expected, atomic.atomic_write(path, "choose another --output"):
        pass


def test_file_and_folder_are_on_the_disk_before_the_file_is_named(tmp_path, monkeypatch):
    synced, fsync, replace = [], os.fsync, os.replace

    def note_sync(handle):
        synced.append(os.readlink(f"/proc/self/fd/{handle}").rpartition("/")[2])
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", lambda *paths: (synced.append("replace"), replace(*paths)))
    atomic.write_json(tmp_path / "result.json", {"loss": 1.0})
    assert synced == [f".{os.getpid()}.part-result.json", "replace", tmp_path.name]
    synced.clear()
    atomic.write_json(tmp_path / "cache.json", {}, durable=False)
    assert synced == ["replace"]


def test_a_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "export"
    for content in ("first", "second"):
        with atomic.atomic_write(target) as partial:
            partial.mkdir()
            (partial / "model").write_text(content)
        assert (target / "model").read_text() == content and names(tmp_path) == ["export"]
    with pytest.raises(ValueError), atomic.atomic_write(target) as partial:
        partial.mkdir()
        raise ValueError("not read back")
    assert (target / "model").read_text() == "second" and names(tmp_path) == ["export"]


def test_a_whole_folder_is_there_at_every_moment(tmp_path, monkeypatch):
    new, directory, old = (tmp_path / name for name in ("new", "last", "last.old"))
    for path, content in ((new, "new"), (directory, "old")):
        path.mkdir()
        (path / "state").write_text(content)
    rename = os.rename

    def killed(source, target):
        if source == new:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        atomic.replace_directory(new, directory, old)
    assert not directory.exists() and (old / "state").read_text() == "old"


def test_what_a_killed_process_has_left_is_swept_and_what_others_write_is_not(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".{ended.pid}.part-old.json", f".{os.getpid()}.part-new.json", ".x.part-other.json", "kept.json"):
        (tmp_path / name).write_text("")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == sorted([f".{os.getpid()}.part-new.json", ".x.part-other.json", "kept.json"])
