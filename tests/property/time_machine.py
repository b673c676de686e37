"""The time machine: whatever happens to a collection, it answers as its timeline says.

Also about any moment of its past, and the same for ever: see `Told`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from tests.property import machine_draws as draws
from tests.property import timeline_answers as answers
from tests.property.machine_changes import Changes
from tests.property.machine_parts import plain, turn_pages
from tests.property.timeline import moment
from tests.property.timeline_answers import Near


class TimeMachine(Changes):
    """Time, upkeep, restarts and questions."""

    @rule(micros=st.sampled_from((1, draws.SECOND, 60 * draws.SECOND, draws.HOUR, draws.DAY)))
    def pass_time(self, micros: int) -> None:
        self.reported()
        self.clock.wall += micros
        self.clock.elapsed += micros
        self.reported()
        self.ask_again()

    @rule(micros=st.sampled_from((-1, -30, 29, 90, 60 * 24 * 20)))
    def set_the_clock(self, micros: int) -> None:
        """The wall clock is set, by minutes, while no time passes: an hour ahead is a leap."""
        self.reported()
        self.clock.wall += micros * 60 * draws.SECOND
        self.reported()
        self.ask_again()

    @rule(data=st.data(), early=st.booleans())
    def seal(self, data: Any, early: bool) -> None:
        self._look_after(lambda: self.bench.seal(early=early))
        self._meanwhile(data, "seal")

    @rule(data=st.data(), full=st.booleans())
    def maintain(self, data: Any, full: bool) -> None:
        """Drop what has expired, merge what is worth it, or all that can be tidied."""
        self._look_after(lambda: self.bench.maintain(full=full))
        if full:
            assert self.collection.get_compaction().waiting == 0
        self._meanwhile(data, data.draw(st.sampled_from(("merge", "merge", "drop"))))

    def _meanwhile(self, data: Any, what: str) -> None:
        """In half of all cases let a change come while more of the same is half done."""
        if data.draw(st.booleans()):
            return
        self._prepare(data)
        change = self.draw_change(data)
        self.bench.interruptions.at(data.draw(st.sampled_from(draws.STEPS[what])), change)
        self._look_after(self._work(what))
        if self.bench.interruptions.clear():
            change()
        elif data.draw(st.booleans()):
            self._reopen(from_copy=False)

    def _prepare(self, data: Any) -> None:
        """Let there be something to seal and to fold in."""
        if self.line.versions:
            self._draw_write(data, draws.repeated_rows(self.line))()

    def _work(self, what: str) -> Callable[[], None]:
        if what == "seal":
            return functools.partial(self.bench.seal, early=True)
        return functools.partial(self.bench.maintain, full=True)

    def _look_after(self, work: Callable[[], None]) -> None:
        self.reported()
        work()
        self.look_inside()
        self.ask_again()
        self.look_at_the_edge()

    def _look_at_recorded_times(self) -> None:
        """The change that each of the last recorded times means."""
        for at in sorted(set(self.line.recorded))[-8:]:
            self.read(
                moment(at),
                lambda time: self.collection.list_windows(limit=1, as_of=time),
                lambda seq: seq,
                lambda page: page.as_of_seq,
            )

    @invariant()
    def seals_when_due(self) -> None:
        """In some lives the background is always there in time."""
        if hasattr(self, "bench") and self.is_eager and self.bench.store.is_sealing_due:
            self._look_after(self._seal_and_maintain)

    def _seal_and_maintain(self) -> None:
        self.bench.seal()
        self.bench.maintain()

    @rule(data=st.data())
    def pass_time_to_an_edge(self, data: Any) -> None:
        """Something is just about to be forgotten, and the rest is checkpointed."""
        if self.line.recorded:
            self.pass_time(data.draw(draws.edges(self.line)))
            self._look_after(self._work("seal"))

    @rule(from_copy=st.booleans())
    def restart(self, from_copy: bool) -> None:
        if from_copy:
            self.bench.copy()
        self._reopen(from_copy=from_copy)

    @rule(data=st.data(), what=st.sampled_from(("seal", "merge", "drop")))
    def crash(self, data: Any, what: str) -> None:
        """Go on with the files as they were at some step of the work, after a last change."""
        self._prepare(data)
        self.reported()
        change = self.draw_change(data) if data.draw(st.booleans()) else lambda: None
        interruptions = self.bench.interruptions

        def copy() -> None:
            change()
            self.bench.copy()
            # What happens from here on never happened.
            interruptions.on_drop = lambda: None

        interruptions.at(data.draw(st.sampled_from(draws.STEPS[what])), copy)
        self._work(what)()
        if interruptions.clear():
            copy()
        interruptions.on_drop = self.see_the_drop
        self._reopen(from_copy=True)

    def _reopen(self, *, from_copy: bool) -> None:
        # What was promised to those who asked is forgotten; but time will have passed.
        self.clock.wall = max(self.clock.wall, self.line.asked) + 1
        self.clock.elapsed += 1
        self.bench.restart(from_copy=from_copy)
        self.line.reopen()
        self.look_inside()
        self._look_after(lambda: None)
        self._look_at_recorded_times()

    def moment(self, data: Any) -> Any:
        return data.draw(draws.moments(self.line, self.reported()))

    @rule(data=st.data())
    def ask_for_the_nearest(self, data: Any) -> None:
        for _ in range(2):
            question, as_of = data.draw(draws.near_questions(self.line)), self.moment(data)
            ask = functools.partial(self._ask_near, question)
            counted: list[int] = []
            reply = self.read(
                as_of, ask, functools.partial(self._near, question, counted), _without_count
            )
            if reply is None:
                continue
            if reply.eligible.relation == "eq":
                assert reply.eligible.value == counted[0]
            else:
                assert question.distinct
                assert question.k == reply.returned <= reply.eligible.value <= counted[0]
            self.tell(ask, as_of, reply)
            (again,) = self.collection.temporal_knn_batch(
                [question.arguments() | ({} if as_of is None else {"as_of": as_of})]
            ).results
            assert again.model_dump_json() == reply.model_dump_json()

    def _ask_near(self, question: Near, as_of: Any) -> Any:
        return self.collection.temporal_knn(**question.arguments(), as_of=as_of)

    def _near(self, question: Near, counted: list[int], seq: int) -> answers.Answer:
        want = answers.nearest(self.line, question, seq)
        counted.append(want.pop("eligible"))
        return want

    @rule(data=st.data(), order=st.sampled_from(("asc", "desc")), limit=draws.pages)
    def read_history(self, data: Any, order: str, limit: int) -> None:
        entity = data.draw(st.sampled_from(draws.known_entities(self.line)))
        within, as_of = data.draw(draws.spans(self.line)), self.moment(data)
        include = ("metadata", "vector")

        def ask(at: Any, cursor: str | None = None) -> Any:
            return self.collection.entities.get_history(
                entity,
                **within.arguments(),
                order=order,
                limit=limit,
                cursor=cursor,
                include=include,
                as_of=at,
            )

        def model(seq: int) -> list[answers.Answer]:
            found = answers.history(self.line, entity, within, order, seq)
            return [answers.point(self.line, one, seq, include) for one in found]

        pages = self.read(as_of, turn_pages(ask, limit), model, _items)
        if pages is not None:
            self.tell(ask, as_of, pages.first)

    @rule(data=st.data(), wait=st.booleans())
    def look_at_an_entity(self, data: Any, wait: bool) -> None:
        entity = data.draw(st.sampled_from(draws.known_entities(self.line)))
        as_of = self.moment(data)
        options = {"wait_for_seq": self.line.seq} if wait else {}
        for way in range(2):

            def ask(at: Any, way: int = way) -> Any:
                return self.ways_to_look_at(entity, **options)[way][0](at)

            reply = self.read(as_of, ask, self.ways_to_look_at(entity)[way][1])
            self.tell(ask, as_of, reply)

    @rule(data=st.data(), limit=draws.pages)
    def walk_the_windows(self, data: Any, limit: int) -> None:
        within, as_of = data.draw(draws.spans(self.line)), self.moment(data)

        def ask(at: Any, cursor: str | None) -> Any:
            page = self.collection.list_windows(
                **within.arguments(), limit=limit, cursor=cursor, as_of=at
            )
            for window in page.items:
                assert 0 <= window.hot_points <= window.points
                assert (window.partitions == 0) == (window.points == window.hot_points)
            return page

        names = ("start_time", "end_time", "points", "dead_points", "empty_before")
        self.read(
            as_of,
            turn_pages(ask, limit, names),
            lambda seq: answers.windows(self.line, within, seq),
            _items,
        )
        wanted = answers.stats(self.line, 0)
        self.read(
            as_of,
            lambda at: self.collection.get_collection_stats(as_of=at),
            lambda seq: answers.stats(self.line, seq),
            lambda stats: {name: getattr(stats, name) for name in wanted},
        )

    @rule(data=st.data(), limit=draws.pages)
    def list_what_was_deleted(self, data: Any, limit: int) -> None:
        within, as_of = data.draw(draws.spans(self.line)), self.moment(data)
        entities = data.draw(st.none() | draws.some_entities)
        chosen = {} if entities is None else {"entity_ids": list(entities)}

        def ask(at: Any, cursor: str | None) -> Any:
            return self.collection.list_deleted_points(
                **within.arguments(), **chosen, limit=limit, cursor=cursor, as_of=at
            )

        self.read(
            as_of,
            turn_pages(ask, limit),
            lambda seq: answers.deleted_points(self.line, entities, within, seq, self.reported()),
            _items,
        )


def _items(pages: Any) -> Any:
    return pages.items


def _without_count(reply: Any) -> Any:
    shown = plain(reply)
    del shown["eligible"]
    shown.pop("explain", None)
    return shown


class TimeMachineOnDuckDB(TimeMachine):
    """The same on the files that are used in earnest, which take ten times as long."""

    real_duck = True


def live(
    machine: type[TimeMachine], sequences: int, steps: int = 50, *, anew: bool = False
) -> None:
    """Try this many sequences of steps, the same ones in every run or chosen `anew`."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not anew,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
