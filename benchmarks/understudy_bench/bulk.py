"""Large bodies: the memory that 100 MB up and down take, what 8 MiB up add in time, and how long others then wait."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from .engine import Engine
from .feeding import Rounds
from .figures import skipped_row, spread
from .limits import limited, sized
from .load import Aim, Client, Tally, length_in, request_head, request_of
from .machine import forget_peak, peak_bytes
from .open_loop import DueRequests
from .payloads import letters, unary_answer, unary_request
from .plan import Plan, Stand
from .playing import READY_LIMIT_S, close, order, pid_of, playing, programs_on, until_ready
from .programs import Program
from .rows import Row
from .upstream import TAIL, Script
from .workloads import DIRECT, GATEWAY, UNARY_PATH, answer_head, http_answer, unary

BULK: Final = "memory-100mb"
INLINE: Final = "inline-8m"
INLINE_BYTES: Final = 8 * 2**20
_MB: Final = 10**6
_PIECE: Final = 10**6
_WARM_REQUESTS: Final = 500
_SETTLE_S: Final = 1.0
_BULK_LIMIT_S: Final = 120.0
_EXCHANGES: Final = 3
_SMALL_CLIENTS: Final = 4
_SMALL_STEP_S: Final = 0.002

Pieces = tuple[bytes, ...]


class BulkClient(Client):
    """One exchange at a time, asked for by `ask`: large in either direction, so nothing of it is kept."""

    def __init__(self, engine: Engine, aim: Aim, tally: Tally, pieces: Pieces, end: bytes) -> None:
        """`pieces` are the request; the answer's body ends with `end`."""
        super().__init__(engine, aim, tally)
        self._pieces = pieces
        self._end = end
        self._tail = b""
        self._left = 0

    def ask(self) -> None:
        """Send the request."""
        for piece in self._pieces:
            self.send(piece)

    def _first(self, size: int) -> None:
        seen = self._grown(size)
        end = seen.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if not seen.startswith(b"HTTP/1.1 200"):
            raise self._wrong("not answered with 200", seen)
        self._left, self._read, self._first_bytes = length_in(seen[:end]), self._body, b""
        self._take(seen[end:])

    def _body(self, size: int) -> None:
        self._take(bytes(self._engine.view[:size]))

    def _take(self, data: bytes) -> None:
        self._left -= len(data)
        self._tail = (self._tail + data)[-len(self._end) :]
        if self._left < 0 or (self._left == 0 and self._tail != self._end):
            raise self._wrong("another body than was sent", data)
        if self._left == 0:
            self._read, self._tail = self._first, b""
            self._tally.done += 1


def media_turn(size: int) -> Pieces:
    """A turn of a user with inline media, `size` bytes of base64, which do not repeat within a megabyte."""
    block = letters("media", _PIECE).encode()
    whole, rest = divmod(size, _PIECE)
    before = b'{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "'
    return (before, *(block for _ in range(whole)), block[:rest], b'"}}]}')


def large_request(aim: Aim, size: int) -> Pieces:
    """The unary request with a turn of media before its own: it ends as that one, which the upstream looks for."""
    opening = b'{"contents": ['
    small = unary_request()
    if not small.startswith(opening):
        raise AssertionError("the unary request begins otherwise")
    body = (opening, *media_turn(size), b", ", small[len(opening) :])
    return (request_head(aim, UNARY_PATH, sum(map(len, body))), *body)


def large_answer(size: int) -> Pieces:
    """A whole answer: the unary one with a picture before its text."""
    opening, _, rest = unary_answer().partition(b'"parts": [')
    block = letters("picture", _PIECE).encode()
    whole, left = divmod(size, _PIECE)
    before = opening + b'"parts": [{"inlineData": {"mimeType": "image/png", "data": "'
    body = (before, *(block for _ in range(whole)), block[:left], b'"}},', rest)
    return (answer_head(sum(map(len, body))), *body)


def bulk_rows(stand: Stand) -> list[Row]:
    """The most memory over that of the idle gateway while a large body goes up, and then one comes down."""
    name, unit, count = f"{BULK}/{GATEWAY}", "MiB", stand.plan.bulk_mb
    with programs_on(stand, (GATEWAY,), {}) as programs:
        program = programs[GATEWAY]
        with playing(stand, unary(BULK, "", ()), program) as tally:
            what = f"{program.name}, {_WARM_REQUESTS} requests"
            stand.engine.run_until(lambda: tally.done >= _WARM_REQUESTS, READY_LIMIT_S, what)
        stand.engine.run_for(_SETTLE_S)
        pid = pid_of(program)
        try:
            forget_peak(pid)
        except OSError as error:
            why = f"the peak of a process cannot be taken here: {error.strerror}"
            stand.say(f"{BULK} is left out: {why}")
            return [skipped_row(name, unit, stand.versions, why)]
        idle = peak_bytes(pid)
        answer = large_answer(count * _MB)
        stand.upstream.script = Script(unary_request()[-TAIL:], answer)
        seconds = _exchanged(stand, program, large_request(program.aim, count * _MB), answer[-1][-TAIL:], 1)
        value = (peak_bytes(pid) - idle) / 2**20
    stand.say(f"{name}: {value:.1f} {unit}, in {seconds[0]:.2f} s")
    row = Row(name=name, value=value, unit=unit, reference=None, ratio=None, versions=stand.versions, repetitions=1)
    return [sized(row, count, Plan().bulk_mb, "MB each way")]


def _exchanged(stand: Stand, program: Program, request: Pieces, end: bytes, times: int) -> list[float]:
    """Seconds of each of so many exchanges, one after the other on one connection."""
    tally, found = Tally(), list[float]()
    client = BulkClient(stand.engine, program.aim, tally, request, end)
    try:
        for number in range(times):
            begin = time.monotonic()
            client.ask()
            what = f"{program.name}, a large exchange"
            stand.engine.run_until(lambda number=number: tally.done > number, _BULK_LIMIT_S, what)
            found.append(time.monotonic() - begin)
    finally:
        close(stand, [client])
    return found


def inline_rows(stand: Stand) -> list[Row]:
    """What the gateway adds to a request with inline media, and the longest that a small request waits meanwhile.

    That wait has in it the longest pause of the gateway's event loop, and the load tool's own of the same work.
    """
    times: dict[str, list[float]] = {DIRECT: [], GATEWAY: []}
    waits: dict[str, list[float]] = {DIRECT: [], GATEWAY: []}
    plan, end = stand.plan, unary_answer()[-TAIL:]
    with programs_on(stand, (DIRECT, GATEWAY), {}) as programs:
        stand.upstream.script = Script(unary_request()[-TAIL:], (http_answer(unary_answer()),))
        for number in range(plan.repetitions):
            for program in order(tuple(programs.values()), plan.seed, INLINE, number):
                request = large_request(program.aim, INLINE_BYTES)
                # The first one finds cold buffers on both sides.
                seconds = median(_exchanged(stand, program, request, end, _EXCHANGES + 1)[1:])
                wait = _longest_wait(stand, program, request, end)
                times[program.name].append(seconds)
                waits[program.name].append(wait)
                place = f"{INLINE} {number + 1}/{plan.repetitions} {program.name}"
                stand.say(f"{place}: {1000 * seconds:.1f} ms, longest wait {1000 * wait:.1f} ms")
    added = [1000 * (own - less) for own, less in zip(times[GATEWAY], times[DIRECT], strict=True)]
    return [
        limited(_row(stand, f"{INLINE}-added/{GATEWAY}", "ms", median(added), added)),
        limited(_row(stand, f"{INLINE}-pause/{GATEWAY}", "ms", *_longest(waits[GATEWAY]))),
        _row(stand, f"{INLINE}-pause/{DIRECT}", "ms", *_longest(waits[DIRECT])),
    ]


def _longest(waits: Sequence[float]) -> tuple[float, list[float]]:
    """The longest in milliseconds, and all."""
    found = [1000 * wait for wait in waits]
    return max(found), found


def _longest_wait(stand: Stand, program: Program, request: Pieces, end: bytes) -> float:
    """Seconds from when a small request was due to its answer, the longest beside some large exchanges."""
    tally, small, engine = Tally(), Tally(), stand.engine
    aim = program.aim
    client = BulkClient(engine, aim, tally, request, end)
    others: list[DueRequests] = []
    what = f"{program.name}, small requests beside large ones"
    try:
        one = request_of(aim, UNARY_PATH, unary_request())
        others.extend(DueRequests(engine, aim, small, one, unary_answer()) for _ in range(_SMALL_CLIENTS))
        until_ready(stand, small, _SMALL_CLIENTS, what)
        rounds = Rounds(others, _SMALL_STEP_S)
        for number in range(_EXCHANGES):
            client.ask()
            _spin(engine, rounds, tally, number)
        small.is_ending = True
        engine.run_until(lambda: all(other.is_idle for other in others), READY_LIMIT_S, what)
        return max((delay for other in others for delay in other.delays), default=0.0)
    finally:
        close(stand, [client, *others])


def _spin(engine: Engine, rounds: Rounds, tally: Tally, number: int) -> None:
    """Until the large exchange of that number is over."""
    deadline = time.monotonic() + _BULK_LIMIT_S
    while tally.done <= number and time.monotonic() < deadline:
        engine.spin_for(_SMALL_STEP_S / 2, rounds)


def _row(stand: Stand, name: str, unit: str, value: float, values: Sequence[float]) -> Row:
    return Row(
        name=name,
        value=value,
        unit=unit,
        reference=None,
        ratio=None,
        versions=stand.versions,
        spread=spread(values) if median(values) > 0 else None,
        repetitions=len(values),
    )
