"""RTP: order, loss, duplicates, sources, wraps, comfort noise, keys; and the reordering behind it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import audio_of, rtp, told

from amd.adapters.media import Audio, ComfortNoise, Dtmf, MediaEvent, Restarted, Started, Stopped
from amd.adapters.reorder import Reorder
from amd.adapters.rtp import WINDOW_PACKETS, RtpDecoder, parse_packet
from amd.audio import Encoding
from amd.errors import WireError

CLOSED = Stopped(reason="closed")
STARTED = Started(stream_id="00001234")


def packets(n, *, number=65_530, timestamp=2**32 - 400, source=0x1234):
    """Packets of 160 samples, each of one value; both counts wrap soon."""
    return [rtp(number + k, timestamp + 160 * k, bytes([k % 251]) * 160, source=source) for k in range(n)]


def placed(events):
    return [(event.at_sample, event.data[0]) for event in events if isinstance(event, Audio)]


def test_packets_in_order_come_at_once_and_both_counts_wrap():
    decoder = RtpDecoder()
    for k, packet in enumerate(packets(20)):
        *before, audio = decoder.feed(packet)
        assert before == ([STARTED] if k == 0 else [])
        assert audio == Audio(data=bytes([k]) * 160, encoding=Encoding.MULAW, rate_hz=8000, at_sample=160 * k)
    assert (decoder.n_lost, decoder.n_late) == (0, 0)
    assert decoder.finish() == (CLOSED,)
    assert decoder.feed(packets(1)[0]) == decoder.finish() == ()


@given(
    st.lists(st.integers(0, WINDOW_PACKETS), min_size=2, max_size=60),
    st.integers(0, 65_535),
    st.integers(0, 2**32 - 1),
)
def test_any_order_within_the_window_is_put_right(delays, number, timestamp):
    sent = packets(len(delays), number=number, timestamp=timestamp)
    order = sorted(range(1, len(sent)), key=lambda k: (k + delays[k], k))
    events = told(RtpDecoder(), [sent[0], *(sent[k] for k in order)])
    assert placed(events) == [(160 * k, k) for k in range(len(sent))]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60))
def test_what_comes_twice_or_more_counts_once(copies):
    sent = packets(len(copies))
    decoder = RtpDecoder()
    events = told(
        decoder, [packet for packet, n in zip(sent, copies, strict=True) for packet in [packet] * (n + 1)]
    )
    assert placed(events) == [(160 * k, k) for k in range(len(sent))]
    assert decoder.n_late == sum(copies)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_what_is_lost_leaves_a_gap_of_its_length(kept):
    there = [True, *kept, True]
    decoder = RtpDecoder()
    events = told(
        decoder, [packet for packet, is_there in zip(packets(len(there)), there, strict=True) if is_there]
    )
    assert placed(events) == [(160 * k, k) for k, is_there in enumerate(there) if is_there]
    assert decoder.n_lost == there.count(False)


def test_a_missing_packet_is_awaited_by_three_others_and_then_dropped():
    sent = packets(8)
    decoder = RtpDecoder()
    decoder.feed(sent[0])
    assert [len(decoder.feed(sent[k])) for k in (2, 3, 4, 5)] == [0, 0, 0, 4]
    assert decoder.feed(sent[1]) == ()
    assert (decoder.n_lost, decoder.n_late) == (1, 1)
    assert placed(decoder.feed(sent[6])) == [(960, 6)]


def test_flush_gives_up_what_is_missing():
    decoder = RtpDecoder()
    sent = packets(4)
    decoder.feed(sent[0])
    assert decoder.feed(sent[2]) == ()
    assert placed(decoder.flush()) == [(320, 2)]
    assert placed(decoder.feed(sent[3])) == [(480, 3)]


def test_one_stray_packet_is_no_new_source_and_two_in_a_row_are():
    first, second = packets(4), packets(4, number=7, timestamp=99, source=0x5678)
    decoder = RtpDecoder()
    decoder.feed(first[0])
    assert decoder.feed(second[0]) == ()
    assert placed(decoder.feed(first[1])) == [(160, 1)]
    assert decoder.feed(second[1]) == ()
    events = decoder.feed(second[2])
    assert events[0] == Restarted()
    assert placed(events) == [(0, 1), (160, 2)]
    assert decoder.feed(first[2]) == ()


def test_another_payload_type_of_another_rate_counts_anew():
    decoder = RtpDecoder({118: (Encoding.PCM16BE, 16_000)})
    events = told(
        decoder,
        [
            rtp(1, 0, bytes(160)),
            rtp(2, 320, bytes(640), payload_type=118),
            rtp(3, 640, bytes(640), payload_type=118),
        ],
    )
    assert [type(event) for event in events] == [Started, Audio, Restarted, Audio, Audio, Stopped]
    assert [(event.rate_hz, event.at_sample) for event in events if isinstance(event, Audio)] == [
        (8000, 0),
        (16_000, 0),
        (16_000, 320),
    ]


def test_comfort_noise_names_its_place_and_level():
    sent = [
        rtp(1, 0, b"a" * 160, payload_type=8),
        rtp(2, 160, b"\x3c", payload_type=13),
        rtp(3, 1600, b"b" * 160, payload_type=8),
    ]
    events = told(RtpDecoder(), [*sent, rtp(4, 1760, b"", payload_type=13)])
    assert [event for event in events if isinstance(event, ComfortNoise)] == [
        ComfortNoise(at_sample=160, level_db=-60),
        ComfortNoise(at_sample=1760, level_db=None),
    ]
    assert [event.at_sample for event in events if isinstance(event, Audio)] == [0, 1600]


def test_a_key_is_told_once_though_it_is_sent_many_times():
    keys = [rtp(2 + k, 160, bytes([11, 0x80 * (k > 2), 0, k]), payload_type=101) for k in range(6)]
    events = told(RtpDecoder(), [rtp(1, 0, bytes(160)), *keys, rtp(8, 900, b"\x05\x0a\x00\x00", payload_type=101)])
    assert [event.digit for event in events if isinstance(event, Dtmf)] == ["#", "5"]


def test_headers_lists_extensions_and_padding_are_not_audio():
    plain = rtp(1, 0, b"")
    listed = bytes([0x82]) + plain[1:] + bytes(8) + b"audio"
    extended = bytes([0x90]) + plain[1:] + b"\xbe\xde\x00\x01" + bytes(4) + b"audio"
    padded = bytes([0xA0]) + plain[1:] + b"audio" + b"\x00\x00\x03"
    assert {parse_packet(datagram).payload for datagram in (plain + b"audio", listed, extended, padded)} == {
        b"audio"
    }


@pytest.mark.parametrize(
    ("datagram", "match"),
    [
        (b"", "no RTP packet"),
        (bytes(12), "version 0"),
        (rtp(1, 0, b"", first=0x8F), "shorter than its headers"),
        (rtp(1, 0, b"ab", first=0x90), "header extension"),
        (rtp(1, 0, b"\x00\x00\x00\xff", first=0x90), "shorter than its headers"),
        (rtp(1, 0, b"\xff", first=0xA0), "shorter than its headers"),
        (bytes(9000), "beyond the limit"),
        (rtp(1, 0, b"abc", payload_type=11), "whole number"),
        ("text", "a websocket"),
    ],
)
def test_what_is_no_packet_is_refused_and_the_next_one_is_read(datagram, match):
    decoder = RtpDecoder()
    with pytest.raises(WireError, match=match):
        decoder.feed(datagram)
    assert audio_of(decoder.feed(rtp(5, 0, b"ok"))) == b"ok"


def test_rtcp_on_the_same_port_is_passed_over():
    decoder = RtpDecoder()
    assert decoder.feed(b"\x80\xc9\x00\x01" + bytes(4)) == ()
    assert decoder.feed(b"\x80\xc8\x00\x06" + bytes(24)) == ()


HEADS = st.builds(
    rtp,
    st.integers(0, 65_535),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=12),
    payload_type=st.sampled_from([0, 8, 11, 13, 72, 96, 101, 0x80]),
    source=st.integers(0, 2),
    first=st.sampled_from([0x80, 0x80, 0x80, 0x90, 0xA0, 0x81]),
)


@given(st.lists(st.one_of(st.binary(max_size=40), HEADS), max_size=30))
def test_whatever_comes_only_the_declared_error_is_raised_and_little_is_held(datagrams):
    decoder = RtpDecoder()
    events = []
    for datagram in datagrams:
        try:
            events += decoder.feed(datagram)
        except WireError:
            continue
        assert len(decoder._order._held) <= WINDOW_PACKETS
        assert len(decoder._candidate) <= 1
    events += decoder.finish()
    assert all(isinstance(event, MediaEvent) for event in events)
    assert events[-1] == CLOSED


@given(st.integers(0, 8), st.lists(st.integers(0, 40), max_size=60))
def test_reordering_gives_every_number_once_and_upwards(window, numbers):
    order: Reorder[int] = Reorder(window)
    given_out = []
    for number in numbers:
        given_out += order.push(number, number)
        assert len(order._held) <= window
    given_out += order.flush()
    assert given_out == sorted(set(given_out))
    assert len(given_out) + order.n_late == len(numbers)


def test_a_sender_that_starts_anew_far_off_is_followed():
    order: Reorder[int] = Reorder(3)
    assert [order.push(n, n) for n in (10, 11, 90_000, 90_001, 5, 6)] == [[10], [11], [90_000], [90_001], [5], [6]]
