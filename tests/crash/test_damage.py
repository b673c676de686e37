"""Damaged files: the same answers, or an error that names the file; never other answers."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsvec
from tests.crash.content import COLLECTION, DIM, ENTITIES, START_US
from tests.crash.opened import Opened, wait_until
from tests.crash.processes import IS_LONG
from tsvec.engine.verify import verify_directory
from tsvec.model.errors import InvalidRequestError, NotFoundError, TsvecError
from tsvec.storage.log.frames import HEADER_BYTES as FRAME_HEADER_BYTES
from tsvec.storage.log.frames import decode_frame
from tsvec.storage.log.segment import HEADER_BYTES as SEGMENT_HEADER_BYTES
from tsvec.storage.log.segment import Segment
from tsvec.storage.manifest import Manifest

TRIALS = 1_000 if IS_LONG else 40
DAY_US = 86_400_000_000
KINDS = (
    "*.log",
    "points.duckdb",
    "columns.bin",
    "overlays/*.bin",
    "manifest.json",
    "state-*.duckdb",
    "FORMAT",
    "LOCK",
)
HARMS = ("flip", "flip", "flip", "cut", "empty", "delete", "swap", "older", "extra")
Probe = dict[str, Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A closed directory: a collection with all kinds of files, and one of hot rows only.

    Beside it lies `older`, the same before the last changes.
    """
    path = tmp_path_factory.mktemp("damage") / "sound"
    with Opened(path, segment_bytes_max=1 << 16) as opened:
        for part in range(4):
            with opened.store.sealing:
                opened.fill(200, name=f"part-{part}")
            wait_until(opened.is_settled)
            delete_some(opened, 5 * part, 5 * part + 5)
        assert opened.collection.compact().state == "idle"
        assert opened.store.manifest.compacted_bytes > 0
        delete_some(opened, 20, 22)
        opened.fill(100, name="more")
        wait_until(opened.is_settled)
        small = opened.database.create_collection("small", dim=DIM, metric="l2")
        small.ingest([{"entity_id": f"s{n}", "vector": [float(n)] * DIM} for n in range(9)])
    shutil.copytree(path, path.with_name("older"))
    with Opened(path, segment_bytes_max=1 << 16) as opened:
        delete_some(opened, 22, 30)
        opened.collection.restore_points(entity_ids=["e4", "e8"])
        for n in range(0, ENTITIES, 4):
            opened.collection.entities.set_entity_attributes(f"e{n}", {"n": n})
        opened.collection.entities.delete_entity("e12")
        for part in range(3):
            with opened.store.sealing:
                opened.fill(300, name=f"later-{part}")
            wait_until(opened.is_settled)
        delete_some(opened, 30, 34)
        wait_until(opened.is_settled)
        opened.collection.ingest([{"entity_id": "e1", "vector": [1.0] * DIM}])
        assert 0 < opened.collection.get_collection_stats().hot_points < 64
    for pattern in KINDS[:4]:
        assert len(list(path.rglob(pattern))) >= 3, pattern
    return path


def delete_some(opened: Opened, first: int, last: int) -> None:
    """Delete a stretch of days of some entities, and give other points new content."""
    start = START_US + 5 * DAY_US
    ids = [f"e{n}" for n in range(first, last)]
    opened.collection.delete_points(entity_ids=ids, start_time=start, end_time=start + 5 * DAY_US)
    for name in ids[:4]:
        old = opened.collection.entities.get_history(name, limit=5).items
        opened.collection.ingest(
            entity_id=[name] * len(old),
            vector=np.full((len(old), DIM), first, np.float32),
            timestamp=[point.timestamp for point in old],
            key=[point.key for point in old],
        )


def questions() -> list[dict[str, Any]]:
    chance = np.random.default_rng(9)
    found = []
    for n in range(20):
        start = START_US + int(chance.integers(0, 20)) * DAY_US
        question: dict[str, Any] = {"k": 15, "include": ("metadata", "vector")}
        if n % 4 == 1:
            question |= {"entity_id": f"e{n % ENTITIES}"}
        else:
            question |= {"query_vector": chance.normal(size=DIM).astype(np.float32)}
        if n % 2:
            question |= {"start_time": start, "end_time": start + 8 * DAY_US}
        if n % 5 == 2:
            question |= {"distinct": "entity"}
        found.append(question)
    return found


def probe(path: Path) -> Probe:
    """Each answer as text, or the error in its place; that there is no such thing is an answer."""
    answers: Probe = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = repr(question())
        except (NotFoundError, InvalidRequestError) as error:
            answers[name] = error.message
        except TsvecError as error:
            answers[name] = error

    try:
        with tsvec.connect(path) as database:
            health = database.get_health()
            for name in (COLLECTION, "small"):
                collection = database.collection(name)
                ask(f"{name} counts", lambda c=collection: counts(c))
                ask(f"{name} deleted", lambda c=collection: c.list_deleted_points(limit=1_000))
                for seq in (0, 3, 250, 500, 700, 900):
                    at = f"{name} as of {seq}"
                    ask(at, lambda c=collection, s=seq: counts(c, as_of=s))
                    question = {"query_vector": [0.1] * DIM, "k": 20, "as_of": seq}
                    ask(f"{at} knn", lambda c=collection, q=question: answer(c, q))
                for n, question in enumerate(questions()):
                    ask(f"{name} {n}", lambda c=collection, q=question: answer(c, q))
            entities = database.collection(COLLECTION).entities
            for n in range(0, ENTITIES, 4):
                ask(f"facts {n}", lambda n=n: entities.get_entity(f"e{n}").model_dump_json())
                ask(f"history {n}", lambda n=n: entities.get_history(f"e{n}").model_dump_json())
            answers["problems"] = health.problems
    except TsvecError as error:
        answers["open"] = error
    return answers


def counts(collection: tsvec.Collection, as_of: int | None = None) -> tuple[int, ...]:
    stats = collection.get_collection_stats(as_of=as_of)
    return (stats.points, stats.dead_points, stats.entities, stats.as_of_seq)


def answer(collection: tsvec.Collection, question: dict[str, Any]) -> str:
    return collection.temporal_knn(**question).model_dump_json()


@pytest.fixture(scope="module")
def truth(sound: Path, tmp_path_factory) -> Probe:
    """The answers of an undamaged copy."""
    copy = tmp_path_factory.mktemp("control") / "copy"
    shutil.copytree(sound, copy)
    found = probe(copy)
    assert not found["problems"]
    return found


def judge(found: Probe, truth: Probe, root: Path) -> str:
    """`identical` or `reported`; an AssertionError for anything else."""
    names = {path.name for path in root.rglob("*")} | {"FORMAT", "log", "manifest.json"}
    names |= {path.name for path in MISSING}
    reports = [value for value in found.values() if isinstance(value, TsvecError)]
    for report in reports:
        assert any(name in report.message for name in names), f"{report} names no file"
    if "open" in found:
        return "reported"
    for name, value in truth.items():
        if name != "problems" and not isinstance(found[name], TsvecError):
            assert found[name] == value, f"{name} has silently changed"
    return "reported" if reports or found["problems"] else "identical"


MISSING: set[Path] = set()


def damage(root: Path, older: Path, pattern: str, how: str, chance: random.Random) -> None:
    """Do one kind of harm to one file of a kind; `older` is what it was before."""
    files = sorted(root.rglob(pattern))
    path = chance.choice(files)
    data = path.read_bytes()
    match how:
        case "flip" if data:
            bit = chance.randrange(8 * len(data))
            if chance.random() < 0.5 and pattern == "*.log":
                bit = chance.randrange(8 * 40_000)
            path.write_bytes(flipped(data, bit))
        case "cut":
            path.write_bytes(data[: chance.randrange(len(data) + 1)])
        case "empty":
            path.write_bytes(b"")
        case "delete":
            MISSING.add(path)
            path.unlink()
        case "swap":
            other = chance.choice(files)
            kept = other.read_bytes()
            other.write_bytes(data)
            path.write_bytes(kept)
        case "older":
            path.write_bytes(chance.choice(sorted(older.rglob(pattern))).read_bytes())
        case "extra":
            shutil.copy(path, path.with_name("extra-" + path.name))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_damage_is_reported_or_harmless(sound: Path, truth: Probe, tmp_path: Path):
    outcomes: Counter[str] = Counter()
    for trial in range(TRIALS):
        chance = random.Random(trial)
        pattern = KINDS[trial % len(KINDS)]
        how = chance.choice(HARMS)
        copy = tmp_path / f"trial-{trial}"
        shutil.copytree(sound, copy)
        damage(copy, sound.with_name("older"), pattern, how, chance)
        try:
            outcomes[judge(probe(copy), truth, copy)] += 1
        except AssertionError as error:
            raise AssertionError(f"trial {trial}, {how} of {pattern}: {error}") from error
        shutil.rmtree(copy)
    control = tmp_path / "control"
    shutil.copytree(sound, control)
    assert judge(probe(control), truth, control) == "identical"
    assert outcomes["reported"] >= TRIALS / 4
    assert outcomes["identical"] >= TRIALS / 8


# Verifying.


def checked_bits(root: Path, pattern: str, chance: random.Random) -> tuple[Path, int]:
    """A file of a kind, and a bit of it that a checksum covers."""
    path = chance.choice(sorted(root.rglob(pattern)))
    if pattern != "*.log":
        return path, chance.randrange(8 * path.stat().st_size)
    segment = Segment.open(path)
    first = decode_frame(segment.map(), SEGMENT_HEADER_BYTES, segment.header.chain)
    segment.close()
    areas = [(0, 60)]
    if first is not None:
        areas.append((SEGMENT_HEADER_BYTES, FRAME_HEADER_BYTES + len(first[0].payload)))
    start, length = chance.choice(areas)
    return path, 8 * start + chance.randrange(8 * length)


def is_dispensable(segment: Path) -> bool:
    """Whether the log is as well without this first segment of it, as if it had got old."""
    place = Manifest.read(segment.parents[1] / "manifest.json").log
    return int(segment.stem) == 1 < place.segment


@pytest.mark.parametrize("pattern", [kind for kind in KINDS if kind != "LOCK"])
def test_verify_reports_every_damage_by_name(sound: Path, tmp_path: Path, pattern: str):
    for trial in range(30 if IS_LONG else 6):
        chance = random.Random(f"{pattern} {trial}")
        copy = tmp_path / str(trial)
        shutil.copytree(sound, copy)
        path, bit = checked_bits(copy, pattern, chance)
        path.write_bytes(flipped(path.read_bytes(), bit))
        if pattern == "FORMAT":
            with pytest.raises(TsvecError, match="FORMAT"):
                verify_directory(copy)
            continue
        report = verify_directory(copy)
        assert len(report.problems) == 1, f"bit {bit} of {path}"
        assert path.name in report.problems[0]
        path.unlink()
        report = verify_directory(copy)
        if pattern == "*.log" and is_dispensable(path):
            assert report.ok
            continue
        assert not report.ok
        assert path.name in " ".join(report.problems) or pattern == "*.log"


def test_verify_finds_a_sound_directory_sound(sound: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(sound, copy)
    before = hashes(copy)
    seen: list[str] = []
    report = verify_directory(copy, progress=seen.append)
    assert report.ok
    assert report.files >= 3 * 2 + 1 + 2 * 2
    assert report.bytes > 1_000_000
    assert len(seen) >= 3
    assert hashes(copy) == before
    with pytest.raises(NotFoundError):
        verify_directory(tmp_path / "nowhere")


def test_verify_repairs_columns_and_nothing_else(sound: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(sound, copy)
    before = hashes(copy)
    first, second, third, *_ = sorted(copy.rglob("columns.bin"))
    first.unlink()
    second.write_bytes(flipped(second.read_bytes(), 8 * 5_000))
    third.write_bytes(third.read_bytes()[:10_000])
    assert len(verify_directory(copy).problems) == 3
    report = verify_directory(copy, repair=True)
    assert report.ok
    assert sorted(report.repaired) == sorted(map(str, (first, second, third)))
    assert hashes(copy) == before
    truth = third.with_name("points.duckdb")
    truth.write_bytes(flipped(truth.read_bytes(), 8 * 300_000))
    third.unlink()
    report = verify_directory(copy, repair=True)
    assert len(report.problems) == 2
    assert report.repaired == []


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.name != "LOCK"
    }


def test_damaged_columns_are_rebuilt_by_the_next_open(sound: Path, truth: Probe, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(sound, copy)
    before = hashes(copy)
    first, second, *_ = sorted(copy.rglob("columns.bin"))
    first.unlink()
    second.write_bytes(flipped(second.read_bytes(), 100))
    assert probe(copy) == truth
    assert hashes(copy) == before


def test_damage_that_is_met_by_a_query_is_refused_and_the_rest_answers(sound, truth, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(sound, copy)
    path = min(copy.rglob("columns.bin"))
    path.write_bytes(flipped(path.read_bytes(), 8 * 4_200))
    found = probe(copy)
    assert judge(found, truth, copy) == "reported"
    assert found["small 0"] == truth["small 0"]
    assert "verify --repair" in found[f"{COLLECTION} 0"].message
    assert verify_directory(copy, repair=True).ok
    assert probe(copy) == truth
