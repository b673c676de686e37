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
        self._meanwhile(data, "seal", lambda: self.bench.seal(early=True))

    @rule(data=st.data(), full=st.booleans())
    def maintain(self, data: Any, full: bool) -> None:
        """Drop what has expired, merge what is worth it, or all that can be tidied."""
        self._look_after(lambda: self.bench.maintain(full=full))
        if full:
            assert self.collection.get_compaction().waiting == 0
        what = data.draw(st.sampled_from(("merge", "merge", "drop")))
        self._meanwhile(data, what, lambda: self.bench.maintain(full=True))

    def _meanwhile(self, data: Any, what: str, work: Callable[[], None]) -> None:
        """In half of all cases let a change come while more of the same is half done."""
        if data.draw(st.booleans()):
            return
        if self.line.versions:
            self._draw_write(data, draws.repeated_rows(self.line))()  # Something to fold in.
        change = self.draw_change(data)
        self.bench.interruptions.at(data.draw(st.sampled_from(draws.STEPS[what])), change)
        self._look_after(work)
        if self.bench.interruptions.clear():
            change()

    def _look_after(self, work: Callable[[], None]) -> None:
        self.reported()
        work()
        self.look_inside()
        self.ask_again()

    @invariant()
    def seals_when_due(self) -> None:
        """In some lives the background is always there in time."""
        if hasattr(self, "bench") and self.is_eager and self.bench.store.is_sealing_due:
            self._look_after(self._seal_and_maintain)

    def _seal_and_maintain(self) -> None:
        self.bench.seal()
        self.bench.maintain()

    @rule(is_clean=st.booleans())
    def restart(self, is_clean: bool) -> None:
        # What was promised to those who asked is forgotten; but time will have passed.
        self.clock.wall = max(self.clock.wall, self.line.asked) + 1
        self.clock.elapsed += 1
        self.bench.restart(is_clean=is_clean)
        self.line.reopen()
        self.reported()
        self.look_inside()
        self.ask_again()

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

    @rule(data=st.data(), of_attributes=st.booleans(), wait=st.booleans())
    def look_at_an_entity(self, data: Any, of_attributes: bool, wait: bool) -> None:
        entity, as_of = (
            data.draw(st.sampled_from(draws.known_entities(self.line))),
            self.moment(data),
        )
        seq = self.line.seq if wait else None

        def ask(at: Any) -> Any:
            entities = self.collection.entities
            read = entities.get_entity_attributes if of_attributes else entities.get_entity
            return read(entity, as_of=at, wait_for_seq=seq)

        model = answers.entity_attributes if of_attributes else answers.entity_info
        reply = self.read(as_of, ask, lambda seq: model(self.line, entity, seq))
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


def live(machine: type[TimeMachine], sequences: int, steps: int = 50) -> None:
    """Try this many sequences of steps, chosen anew in every run."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            derandomize=False,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
