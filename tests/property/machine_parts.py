"""What every rule of the time machine needs: the collection, its timeline, and how they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from tests.property import machine_draws as draws
from tests.property import timeline_answers as answers
from tests.property import timeline_writes as writes
from tests.property.timeline import ManualClock, Refused, Row, Timeline
from tests.property.timeline_writes import Reply
from tests.property.workbench import Workbench
from tsvec import Settings, TsvecError
from tsvec.model.validation import DETAILS_MAX

ANSWERS_MAX = 6


@dataclass
class Told:
    """An answer as it was given, to be asked for again: it may never change."""

    ask: Callable[[Any], Any]
    as_of: Any
    text: str
    seen: list[int]


def outcome(call: Callable[[], Any]) -> Any:
    """What a request says, or how it is refused."""
    try:
        return call()
    except TsvecError as error:
        rows = [detail.row for detail in error.details if detail.row is not None]
        return error.code, tuple(rows)


def expected(call: Callable[[], Any]) -> Any:
    """The same of the model."""
    try:
        return call()
    except Refused as refusal:
        code, rows = refusal.args
        return code, rows[:DETAILS_MAX]


@dataclass
class Pages:
    """A list read to its end: all items as plain values, and the first page as it came."""

    first: Any
    items: list[Any]

    @property
    def as_of_seq(self) -> int:
        seq: int = self.first.as_of_seq
        return seq


def turn_pages(
    ask: Callable[[Any, str | None], Any], limit: int, names: Sequence[str] | None = None
) -> Callable[[Any], Pages]:
    """Reads all pages as of a moment, of the items only the fields of these names."""

    def read(as_of: Any) -> Pages:
        pages = [ask(as_of, None)]
        while pages[-1].next_cursor is not None:
            assert len(pages[-1].items) == limit
            pages.append(ask(as_of, pages[-1].next_cursor))
        assert {page.as_of_seq for page in pages} == {pages[0].as_of_seq}
        items = [item for page in pages for item in plain(page)["items"]]
        assert len(items) == sum(len(page.items) for page in pages)
        if names is not None:
            items = [{name: item[name] for name in names} for item in items]
        return Pages(pages[0], items)

    return read


def words(reply: Any) -> str:
    """The very bytes of an answer. A cursor may also say how the question was put."""
    if getattr(reply, "next_cursor", None) is not None:
        reply = reply.model_copy(update={"next_cursor": "more"})
    text: str = reply.model_dump_json()
    return text


def plain(reply: Any) -> Any:
    """A reply as plain values; vectors as text, which tells 0.0 from -0.0."""
    if isinstance(reply, tuple):
        return reply
    shown = reply if isinstance(reply, dict) else reply.model_dump()
    for name in ("hits", "items"):
        for one in shown.get(name, ()):
            if "vector" in one:
                one["vector"] = repr(tuple(one["vector"]))
    if "errors" in shown:
        assert all(error["message"] for error in shown["errors"])
        shown["errors"] = [(error["index"], error["code"]) for error in shown["errors"]]
    return shown


class MachineParts(RuleBasedStateMachine):
    """A collection and what it went through. Rules are in the subclasses."""

    real_duck = False

    @initialize(data=st.data(), metric=st.sampled_from(("l2", "cosine", "dot")))
    def begin(self, data: Any, metric: str) -> None:
        config = data.draw(draws.configs)
        self.clock = ManualClock(draws.NOON)
        forgetful = data.draw(st.booleans())
        settings = Settings(
            seal_rows=data.draw(st.sampled_from((24, 40))),
            seal_age_seconds=60,
            seal_age_rows_min=data.draw(st.sampled_from((4, 1_024))),
            compact_rows_max=data.draw(st.sampled_from((48, 100, 100_000))),
            segment_bytes_min=1 << 16,
            segment_bytes_max=1 << 16,
            feed_bytes_max=0 if forgetful else 1 << 30,
            feed_age_seconds=0 if forgetful else 1e6,
        )
        self.bench = Workbench(
            self.clock,
            settings,
            real_duck=self.real_duck,
            changes_min=data.draw(st.sampled_from((0, 4_096))),
            index_step=data.draw(st.sampled_from((1, 1, 1 << 16))),
        )
        self.line = Timeline(metric, config, self.clock)
        self.bench.interruptions.on_drop = self.see_the_drop
        self.told: list[Told] = []
        self.is_eager = data.draw(st.booleans())
        self.bench.create(
            dim=2,
            metric=metric,
            window_size=config.window_size,
            allowed_lateness=config.allowed_lateness,
            retention=config.retention,
            history_horizon=config.history_horizon,
        )
        if data.draw(st.booleans()):
            self.begin_with(draws.crowd())

    def begin_with(self, rows: Sequence[Row]) -> None:
        """Points that are sealed before anything else happens."""
        self.collection.ingest([row.as_point() for row in rows])
        writes.ingest(self.line, rows, "reject_all", "replace")
        self.bench.seal(early=True)
        self.reported()

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.end()

    @property
    def collection(self) -> Any:
        return self.bench.collection

    def reported(self) -> int:
        """The oldest change that the collection says it can be read after; it must be right."""
        oldest, surely = self.line.note_reach()
        reported = self.bench.store.oldest_as_of()
        assert surely <= reported <= max(oldest, self.line.oldest_ever)
        return reported

    def check(self, call: Callable[[], Any], model: Callable[[], Any]) -> Any:
        """A request must be answered or refused as the model does it; the answer."""
        got, want = plain(outcome(call)), expected(model)
        assert got == want
        # Where the clock was set back, a change may lie beyond the horizon as soon as it is made.
        self.line.note_reach()
        return got

    def read(
        self,
        as_of: Any,
        ask: Callable[[Any], Any],
        model: Callable[[int], Any],
        view: Callable[[Any], Any] = plain,
    ) -> Any:
        """The same of a read, as of some moment. None if it was refused, rightly."""
        reported = self.reported()
        got = outcome(lambda: ask(as_of))
        found = expected(lambda: answers.resolve_moment(self.line, as_of, reported))
        if isinstance(found[0], str):
            assert got[0] == found[0]
            return None
        seq, may_be_gone = found
        if isinstance(got, tuple):
            if not (may_be_gone and got[0] == "gone"):
                assert got == expected(lambda: model(seq))
            return None
        if got.as_of_seq != seq:
            # The last change by that time may have gone with points that have expired.
            assert self.line.has_dropped
            assert not isinstance(as_of, int)
            assert got.as_of_seq < seq
            assert self._seen(got.as_of_seq) == self._seen(seq)
            seq = got.as_of_seq
        assert view(got) == expected(lambda: model(seq))
        return got

    def tell(self, ask: Callable[[Any], Any], as_of: Any, reply: Any) -> None:
        """Remember an answer; one about the present as the answer as of this change."""
        if reply is None:
            return
        moment_ = self.line.seq if as_of is None else as_of
        told = Told(ask, moment_, words(reply), self._seen(reply.as_of_seq))
        self.told = [*self.told[-ANSWERS_MAX + 1 :], told]

    def ask_again(self) -> None:
        """No answer may have changed, unless it lies beyond the horizon or something expired."""
        kept = []
        for told in self.told:
            try:
                found = answers.resolve_moment(self.line, told.as_of, self.reported())
            except Refused:
                continue
            seq, may_be_gone = found
            dropped = self.line.has_dropped and not isinstance(told.as_of, int)
            if may_be_gone or dropped or self._seen(seq) != told.seen:
                continue
            assert words(told.ask(told.as_of)) == told.text
            kept.append(told)
        self.told = kept

    def _seen(self, seq: int) -> list[int]:
        return [version.seq for version in self.line.visible(seq)]

    def see_the_drop(self) -> None:
        """Take note at once: what comes next may be a change, while the work is half done."""
        self.line.tick()
        self.look_inside()

    def look_inside(self) -> None:
        """What is stored is what ought to be, or was let go for a reason."""
        line, kept = self.line, self.bench.kept()
        cutoff = line.cutoff()
        for version in line.versions:
            if version.is_kept and version.seq not in kept:
                is_purged = version.dead_seq is not None and version.dead_seq <= line.oldest_ever
                assert is_purged or version.time < cutoff, version
                version.is_kept, version.has_dropped = False, version.time < cutoff
                line.has_dropped |= version.has_dropped
        expected_deaths = {
            v.seq: (v.dead_seq or 0, v.dead_at, v.dead_by) for v in line.versions if v.is_kept
        }
        assert kept == expected_deaths

    def look_at_the_edge(self) -> None:
        """The oldest moment that can be read, where what is forgotten too early is missed first."""
        oldest = self.reported()
        for entity in draws.ENTITIES if oldest else ():
            for ask, model in self.ways_to_look_at(entity):
                self.read(oldest, ask, model)

    def ways_to_look_at(self, entity: str, **options: Any) -> list[tuple[Any, Any]]:
        entities = self.collection.entities
        return [
            (
                lambda at: entities.get_entity(entity, as_of=at, **options),
                lambda seq: answers.entity_info(self.line, entity, seq),
            ),
            (
                lambda at: entities.get_entity_attributes(entity, as_of=at, **options),
                lambda seq: answers.entity_attributes(self.line, entity, seq),
            ),
        ]

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "line"):
            return
        stats = self.collection.get_collection_stats()
        assert stats.oldest_as_of == self.reported()
        self.compare_stats(stats, answers.stats(self.line, self.line.seq))
        assert stats.compaction.state == "idle"

    def compare_stats(self, stats: Any, want: Reply) -> None:
        assert {name: getattr(stats, name) for name in want} == want
        assert stats.hot_points + stats.sealed_points == stats.points
        assert stats.write_amplification >= 1.0
