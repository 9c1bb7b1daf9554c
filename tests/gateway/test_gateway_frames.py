"""The wire-frame reader: what passes, what is copied, what is refused; `websockets` serialises the frames."""

import struct
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from strategies import splits
from understudy_gateway.frames import Closed, FrameReader, Violation, close_frame, cut_reason, unmasked

SIDES = pytest.mark.parametrize("masked", [True, False], ids=["client", "server"])
SENDABLE = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999]
UNSENDABLE = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535]


@dataclass(frozen=True)
class Read:
    """All that came of feeding some pieces."""

    passed: bytes
    messages: tuple[bytes, ...]
    end: Closed | Violation | None


def read(reader: FrameReader, pieces: list[bytes]) -> Read:
    steps = [reader.feed(piece) for piece in pieces]
    ends = [step.end for step in steps if step.end is not None]
    assert len(ends) <= 1
    messages = tuple(message for step in steps for message in step.messages)
    return Read(b"".join(step.passing for step in steps), messages, ends[0] if ends else None)


def wire(opcode: int, payload: bytes, *, masked: bool, fin: bool = True) -> bytes:
    return Frame(Opcode(opcode), payload, fin).serialize(mask=masked)


def raw(first: int, length: int, payload: bytes = b"", *, masked: bool) -> bytes:
    """A frame of any first byte, whether or not it makes sense; the mask is four zero bytes."""
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes((first, bit | length))
    elif length < 65_536:
        head = bytes((first, bit | 126)) + struct.pack("!H", length)
    else:
        head = bytes((first, bit | 127)) + struct.pack("!Q", length)
    return head + (bytes(4) if masked else b"") + payload


payloads = st.binary(max_size=40) | st.integers(100, 70_000).map(lambda size: bytes(range(251)) * (size // 251))
controls = st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[tuple[int, bytes, bool]], list[bytes]]:
    """Legal frames of one direction, as opcode, payload, final; and the messages that they carry."""
    frames: list[tuple[int, bytes, bool]] = []
    messages = []
    for parts in draw(st.lists(st.lists(payloads, min_size=1, max_size=4), max_size=4)):
        opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
        for number, part in enumerate(parts):
            frames += [(control, payload, True) for control, payload in draw(st.lists(controls, max_size=1))]
            frames.append((Opcode.CONT if number else opcode, part, number == len(parts) - 1))
        messages.append(b"".join(parts))
    return frames, messages


@SIDES
@given(data=st.data(), conversation=conversations())
def test_legal_frames_pass_unchanged_in_any_split(masked, data, conversation):
    frames, messages = conversation
    sent = b"".join(wire(opcode, payload, masked=masked, fin=fin) for opcode, payload, fin in frames)
    pieces = data.draw(splits(sent))
    assert read(FrameReader(masked=masked), pieces) == Read(sent, tuple(messages), None)


@SIDES
@given(data=st.data(), conversation=conversations(), code=st.sampled_from(SENDABLE), reason=st.text(max_size=30))
def test_a_close_frame_passes_and_ends_the_direction(masked, data, conversation, code, reason):
    frames, messages = conversation
    sent = b"".join(wire(opcode, payload, masked=masked, fin=fin) for opcode, payload, fin in frames)
    sent += wire(Opcode.CLOSE, Close(code, reason).serialize(), masked=masked)
    pieces = [*data.draw(splits(sent)), wire(Opcode.TEXT, b"too late", masked=masked)]
    assert read(FrameReader(masked=masked), pieces) == Read(sent, tuple(messages), Closed(code, reason))


@given(data=st.data(), garbage=st.binary(max_size=200), masked=st.booleans())
@example(data=None, garbage=b"\x88\x80", masked=True)
def test_any_bytes_read_alike_in_any_split_and_what_passes_is_their_start(data, garbage, masked):
    whole = read(FrameReader(masked=masked), [garbage])
    pieces = [garbage[at : at + 1] for at in range(len(garbage))] if data is None else data.draw(splits(garbage))
    assert read(FrameReader(masked=masked), pieces) == whole
    assert garbage.startswith(whole.passed)


@given(
    data=st.data(),
    start=st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A]),
    rest=st.binary(max_size=60),
    masked=st.booleans(),
)
def test_bytes_that_begin_like_a_frame_never_raise(data, start, rest, masked):
    sent = b"".join(raw(start, len(piece), piece, masked=masked) for piece in data.draw(splits(rest)))
    whole = read(FrameReader(masked=masked), [sent])
    assert read(FrameReader(masked=masked), data.draw(splits(sent))) == whole


def test_a_buffer_of_whole_frames_passes_as_the_same_object():
    sent = wire(Opcode.BINARY, b"{}", masked=False) * 3
    assert FrameReader(masked=False).feed(sent).passing is sent


@SIDES
@pytest.mark.parametrize("length", [0, 5, 125, 126, 65535, 65536, 1_000_000])
def test_no_more_than_an_unfinished_head_is_held_back(masked, length):
    sent = raw(0x82, length, bytes(length), masked=masked)
    head = len(sent) - length
    assert head <= 14
    for cut in range(head):
        assert FrameReader(masked=masked).feed(sent[:cut]).passing == b""
    for cut in range(head, min(len(sent), head + 3)):
        assert FrameReader(masked=masked).feed(sent[:cut]).passing == sent[:cut]


def violation_of(sent: bytes, *, masked: bool, before: bytes = b"") -> Violation:
    """The violation in `sent` after the legal `before`, which alone passes."""
    found = read(FrameReader(masked=masked), [before + sent])
    assert found.passed == before
    assert isinstance(found.end, Violation)
    return found.end


@SIDES
@pytest.mark.parametrize("rsv", [1, 2, 4, 7])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.CLOSE, Opcode.PING])
def test_a_reserved_bit_is_a_violation(masked, rsv, opcode):
    sent = raw(0x80 | rsv << 4 | opcode, 0, masked=masked)
    assert violation_of(sent, masked=masked) == Violation(1002, "reserved bit that was not negotiated")


@SIDES
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
def test_a_reserved_opcode_is_a_violation(masked, opcode):
    before = wire(Opcode.TEXT, b"fine", masked=masked)
    sent = raw(0x80 | opcode, 0, masked=masked)
    assert violation_of(sent, masked=masked, before=before) == Violation(1002, "reserved opcode")


@SIDES
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING])
def test_wrong_masking_is_a_violation(masked, opcode):
    why = "unmasked client frame" if masked else "masked server frame"
    assert violation_of(wire(opcode, b"", masked=not masked), masked=masked) == Violation(1002, why)


@SIDES
@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_a_control_frame_may_not_be_fragmented(masked, opcode):
    assert violation_of(raw(opcode, 0, masked=masked), masked=masked).why == "fragmented control frame"


@SIDES
@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
@pytest.mark.parametrize("length", [126, 70_000])
def test_a_control_frame_may_not_be_over_125_bytes(masked, opcode, length):
    assert violation_of(raw(0x80 | opcode, length, masked=masked), masked=masked).why == "control frame over 125 bytes"


@SIDES
def test_fragments_out_of_order_are_violations(masked):
    begun = wire(Opcode.TEXT, b"a", masked=masked, fin=False)
    whole = wire(Opcode.TEXT, b"a", masked=masked)
    more = wire(Opcode.CONT, b"b", masked=masked)
    inside = Violation(1002, "message begun inside another")
    assert violation_of(more, masked=masked) == Violation(1002, "continuation of no message")
    assert violation_of(more, masked=masked, before=whole) == Violation(1002, "continuation of no message")
    assert violation_of(whole, masked=masked, before=begun) == inside
    assert violation_of(begun, masked=masked, before=begun) == inside


@SIDES
@pytest.mark.parametrize("code", SENDABLE)
def test_close_codes_that_may_be_sent_pass(masked, code):
    sent = wire(Opcode.CLOSE, struct.pack("!H", code), masked=masked)
    assert read(FrameReader(masked=masked), [sent]) == Read(sent, (), Closed(code, ""))


@SIDES
@pytest.mark.parametrize("code", UNSENDABLE)
def test_close_codes_that_may_not_be_sent_are_violations_before_a_byte_has_passed(masked, code):
    sent = wire(Opcode.CLOSE, struct.pack("!H", code) + b"why", masked=masked)
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        found = read(FrameReader(masked=masked), pieces)
        assert found == Read(b"", (), Violation(1002, "close code that may not be sent"))


@SIDES
def test_a_close_frame_without_a_code_passes_as_one(masked):
    sent = wire(Opcode.CLOSE, b"", masked=masked)
    assert read(FrameReader(masked=masked), [sent]) == Read(sent, (), Closed(None, ""))


@SIDES
def test_half_a_close_code_is_a_violation(masked):
    assert violation_of(raw(0x88, 1, b"\x03", masked=masked), masked=masked).why == "close frame with half a code"


@SIDES
def test_a_close_reason_that_is_not_utf8_passes_and_is_left_to_the_end(masked):
    sent = wire(Opcode.CLOSE, struct.pack("!H", 1000) + b"\xff!", masked=masked)
    assert read(FrameReader(masked=masked), [sent]) == Read(sent, (), Closed(1000, "\ufffd!"))


@SIDES
@pytest.mark.parametrize(
    "head", [b"\x00\x05", b"\x00\x7d", bytes(7) + b"\x05", bytes(6) + b"\xff\xff", b"\x80" + bytes(7)]
)
def test_a_length_that_is_not_in_its_shortest_form_is_a_violation(masked, head):
    bit = 0x80 if masked else 0
    sent = bytes((0x82, bit | (126 if len(head) == 2 else 127))) + head + bytes(20)
    assert violation_of(sent, masked=masked) == Violation(1002, "frame length not in its shortest form")


@SIDES
def test_a_message_at_the_limit_passes_and_one_over_it_is_refused_on_its_head(masked):
    at_limit = wire(Opcode.BINARY, bytes(1000), masked=masked)
    assert read(FrameReader(masked=masked, max_message=1000), [at_limit]).passed == at_limit
    head = raw(0x82, 1001, masked=masked)
    found = read(FrameReader(masked=masked, max_message=1000), [head])
    assert found == Read(b"", (), Violation(1009, "message over 1000 bytes"))


@SIDES
def test_the_limit_counts_all_fragments_of_a_message_and_begins_anew_with_the_next(masked):
    reader = FrameReader(masked=masked, max_message=1000)
    half = bytes(500)
    whole = wire(2, half, masked=masked, fin=False) + wire(9, bytes(100), masked=masked) + wire(0, half, masked=masked)
    begun = wire(2, half, masked=masked, fin=False)
    found = read(reader, [whole, whole, begun, wire(0, bytes(501), masked=masked)])
    assert found == Read(whole * 2 + begun, (bytes(1000),) * 2, Violation(1009, "message over 1000 bytes"))


def test_by_default_a_message_of_sixteen_mebibytes_passes_and_not_a_byte_more():
    sixteen = 16 * 1024 * 1024
    assert FrameReader(masked=False).feed(raw(0x82, sixteen, masked=False)).end is None
    assert FrameReader(masked=False).feed(raw(0x82, sixteen + 1, masked=False)).end is not None


@SIDES
def test_fragments_without_end_are_refused(masked):
    reader = FrameReader(masked=masked, max_fragments=3)
    pieces = [wire(2, b"", masked=masked, fin=False)] + [wire(0, b"", masked=masked, fin=False)] * 3
    found = read(reader, pieces)
    assert found == Read(b"".join(pieces[:3]), (), Violation(1009, "message in over 3 fragments"))


@SIDES
@given(data=st.data())
def test_a_message_too_long_to_copy_passes_and_is_counted(masked, data):
    long = wire(2, bytes(60), masked=masked, fin=False) + wire(0, bytes(60), masked=masked)
    sent = wire(1, b"before", masked=masked) + long + wire(1, b"after", masked=masked)
    reader = FrameReader(masked=masked, max_copy=100)
    assert read(reader, data.draw(splits(sent))) == Read(sent, (b"before", b"after"), None)
    assert reader.unread == 1


def test_a_reader_is_at_a_boundary_only_where_a_whole_frame_has_passed():
    sent = wire(2, b"abc", masked=False, fin=False)
    reader = FrameReader(masked=False)
    seen = [reader.at_boundary]
    for at in range(len(sent)):
        reader.feed(sent[at : at + 1])
        seen.append(reader.at_boundary)
    assert seen == [True, True, False, False, False, True]  # half a head has not passed


@SIDES
@given(data=st.data(), cut=st.integers(0, 30))
def test_after_stop_only_the_frame_under_way_passes_and_the_close_is_still_seen(masked, data, cut):
    first, second = wire(2, bytes(10), masked=masked), wire(2, bytes(9), masked=masked)
    sent = first + second + wire(8, struct.pack("!H", 1000), masked=masked)
    reader = FrameReader(masked=masked)
    before = reader.feed(sent[:cut])
    reader.stop()
    after = read(reader, data.draw(splits(sent[cut:])))
    passed = before.passing + after.passed
    whole = (b"", first, first + second, sent)
    assert passed == next(frames for frames in whole if len(frames) >= len(before.passing))
    assert reader.at_boundary
    assert (before.end or after.end) == Closed(1000, "", passed=passed == sent)


@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\x04"], ids=["to-client", "to-upstream"])
@given(code=st.none() | st.sampled_from(SENDABLE), reason=st.text(max_size=200))
def test_our_own_close_frame_is_one_that_passes(mask, code, reason):
    frame = close_frame(code, reason, mask=mask)
    said = "" if code is None else cut_reason(reason).decode()
    assert read(FrameReader(masked=bool(mask)), [frame]) == Read(frame, (), Closed(code, said))


@given(st.text(st.characters(), max_size=200))
@example("x" * 122 + "é")
@example("\N{PILE OF POO}" * 31)
@example("\ud800")
def test_a_reason_is_cut_at_a_character_and_never_further_than_needed(reason):
    cut = cut_reason(reason).decode()
    clean = reason.encode("utf-8", "replace").decode()
    assert clean.startswith(cut)
    assert len(cut.encode()) <= 123
    assert cut == clean or len((cut + clean[len(cut)]).encode()) > 123


@given(st.binary(max_size=3000), st.binary(min_size=4, max_size=4))
@example(bytes(1023), b"\x01\x02\x03\x04")
@example(bytes(1025), b"\x01\x02\x03\x04")
def test_unmasking_is_byte_by_byte_exclusive_or(payload, mask):
    assert unmasked(payload, mask) == bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
