"""Everything becomes 8 kHz float32 with full scale 1, whatever the encoding, the rate and the cut."""

import io

import generated as gen
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from amd.audio import Encoding, StreamDecoder, check_rate, check_samples, decode
from amd.errors import AudioError

ALL_CODES = bytes(range(256))


def decoded(chunks, encoding=Encoding.PCM16, rate_hz=8000):
    decoder = StreamDecoder(encoding, rate_hz)
    return np.concatenate([*(decoder.feed(chunk) for chunk in chunks), decoder.finish()])


def libsndfile_decodes(subtype):
    with io.BytesIO(ALL_CODES) as file:
        samples, _ = soundfile.read(
            file, format="RAW", subtype=subtype, samplerate=8000, channels=1, dtype="int16"
        )
    return samples


@pytest.mark.parametrize(("encoding", "subtype"), [(Encoding.MULAW, "ULAW"), (Encoding.ALAW, "ALAW")])
def test_g711_codes_mean_what_libsndfile_says(encoding, subtype):
    expected = libsndfile_decodes(subtype).astype(np.float32) / 32768
    assert expected.size == 256
    np.testing.assert_array_equal(decode(ALL_CODES, encoding), expected)


@pytest.mark.parametrize(("encoding", "dtype"), [(Encoding.PCM16, "<i2"), (Encoding.PCM16BE, ">i2")])
def test_every_16_bit_value_survives_the_round_trip(encoding, dtype):
    values = np.arange(-32768, 32768)
    samples = decode(values.astype(dtype).tobytes(), encoding)
    assert samples.dtype == np.float32
    assert samples.min() == -1.0
    np.testing.assert_array_equal(samples * 32768, values)


def test_the_two_byte_orders_are_not_the_same():
    assert decode(b"\x01\x00", Encoding.PCM16)[0] == np.float32(1 / 32768)
    assert decode(b"\x01\x00", Encoding.PCM16BE)[0] == np.float32(256 / 32768)


@pytest.mark.parametrize("encoding", [Encoding.PCM16, Encoding.PCM16BE])
def test_half_a_sample_is_an_error_that_names_the_count_and_the_slip(encoding):
    with pytest.raises(AudioError, match=r"^7 bytes .*2 bytes: 8-bit audio decoded as 16-bit\?"):
        decode(b"\x00" * 7, encoding)


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_any_number_of_bytes_is_whole_samples_of_8_bit_audio(encoding):
    assert decode(b"\x55" * 7, encoding).shape == (7,)


@pytest.mark.parametrize("encoding", list(Encoding))
@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=30))
def test_any_cut_of_the_bytes_gives_equal_samples(encoding, data, cuts):
    whole = decode(data[: len(data) - len(data) % encoding.sample_bytes], encoding)
    pieces = [piece.tobytes() for piece in gen.cut(np.frombuffer(data, np.uint8), cuts)]
    np.testing.assert_array_equal(decoded(pieces, encoding), whole)
    np.testing.assert_array_equal(decoded([data[i : i + 1] for i in range(len(data))], encoding), whole)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
@given(cuts=st.lists(st.integers(0, 4800), max_size=12), seed=st.integers(0, 99))
def test_any_cut_gives_equal_samples_at_other_rates(rate_hz, cuts, seed):
    samples = np.random.default_rng(seed).integers(-9000, 9000, 2400, dtype=np.int16)
    data = np.frombuffer(samples.tobytes(), np.uint8)
    pieces = [piece.tobytes() for piece in gen.cut(data, cuts)]
    np.testing.assert_array_equal(decoded(pieces, rate_hz=rate_hz), decoded([samples.tobytes()], rate_hz=rate_hz))


@pytest.mark.parametrize("rate_hz", [4_000, 11_025, 16_000, 24_000, 44_100, 48_000, 192_000])
def test_single_bytes_give_equal_samples_at_other_rates(rate_hz):
    data = np.random.default_rng(rate_hz).integers(-9000, 9000, 3000, dtype=np.int16).tobytes()
    bytewise = decoded([data[i : i + 1] for i in range(len(data))], rate_hz=rate_hz)
    np.testing.assert_array_equal(bytewise, decoded([data], rate_hz=rate_hz))


@pytest.mark.parametrize("rate_hz", [4_000, 12_000, 16_000, 24_000, 44_100, 48_000, 96_000, 192_000])
def test_a_resampled_second_lasts_a_second_and_keeps_a_1_khz_tone_in_place(rate_hz):
    times_s = np.arange(rate_hz) / rate_hz
    out = decoded([np.sin(2 * np.pi * 1000 * times_s).astype(np.float32)], rate_hz=rate_hz)
    assert abs(out.size - 8000) <= 1
    middle = np.arange(1000, 7000)
    # One complex amplitude against the ideal tone says gain, frequency and delay at once.
    turns = out[middle] * np.exp(-2j * np.pi * 1000 * middle / 8000)
    for part in np.split(turns, 6):
        amplitude = 2j * np.mean(part)
        assert abs(20 * np.log10(abs(amplitude))) < 0.1
        assert abs(np.angle(amplitude)) < 0.05  # a twentieth of a radian at 1 kHz is 8 us


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
def test_what_8_khz_cannot_carry_is_taken_out_and_does_not_alias(rate_hz):
    times_s = np.arange(rate_hz) / rate_hz
    out = decoded([np.sin(2 * np.pi * 5000 * times_s).astype(np.float32)], rate_hz=rate_hz)
    assert 10 * np.log10(np.mean(out[1000:7000] ** 2) / 0.5) < -60


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "expected"), [(0.02, 8000, 160), (0, 8000, 0), (3600, 8000, 28_800_000)]
)
def test_a_gap_is_digital_silence_of_its_length(seconds, rate_hz, expected):
    silence = StreamDecoder(rate_hz=rate_hz).gap(seconds)
    assert silence.size == expected
    assert not silence.any()


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_gap_lasts_as_long_at_other_rates(rate_hz):
    decoder = StreamDecoder(rate_hz=rate_hz)
    out = [
        decoder.feed(np.ones(rate_hz, np.float32) / 2),
        decoder.gap(0.5),
        decoder.feed(np.ones(rate_hz, np.float32) / 2),
    ]
    out = np.concatenate([*out, decoder.finish()])
    assert abs(out.size - 20_000) <= 1
    assert np.abs(out[8100:11_900]).max() < 1e-3
    assert out[7900] == pytest.approx(0.5, abs=1e-2)
    assert out[12_100] == pytest.approx(0.5, abs=1e-2)


@pytest.mark.parametrize("seconds", [-0.02, float("nan"), float("inf"), -float("inf")])
def test_a_gap_that_is_no_time_is_an_error_that_names_it(seconds):
    with pytest.raises(AudioError, match=rf"gap of {seconds} s must be finite and not negative"):
        StreamDecoder().gap(seconds)


def test_a_gap_beyond_an_hour_is_taken_for_milliseconds():
    with pytest.raises(AudioError, match=r"gap of 3600.5 s is beyond 3600 s: milliseconds\?"):
        StreamDecoder().gap(3600.5)


@pytest.mark.parametrize("rate_hz", [4000, 8000, 192_000, np.int32(8000)])
def test_rates_from_4_to_192_khz_are_heard(rate_hz):
    assert check_rate(rate_hz) == rate_hz


@pytest.mark.parametrize(
    ("rate_hz", "slip"),
    [
        (8, r"rate_hz=8 is outside 4000 to 192000: kHz instead of Hz\?"),
        (16, r"rate_hz=16 .*kHz instead of Hz\?"),
        (3999, r"rate_hz=3999 is outside 4000 to 192000"),
        (192_001, r"rate_hz=192001 is outside 4000 to 192000"),
        (10**6, r"rate_hz=1000000 is outside 4000 to 192000: a byte rate"),
        (0, r"rate_hz=0 is outside"),
        (-8000, r"rate_hz=-8000 is outside"),
        (True, r"rate_hz=True must be an int"),
        (8000.0, r"rate_hz=8000.0 must be an int"),
        ("8000", r"rate_hz='8000' must be an int"),
        (None, r"rate_hz=None must be an int"),
    ],
)
def test_a_rate_that_cannot_be_meant_is_an_error_that_names_the_slip(rate_hz, slip):
    with pytest.raises(AudioError, match=slip):
        StreamDecoder(rate_hz=rate_hz)


WITH_NAN = np.array([0.0, 0.1, np.nan, np.inf], np.float32)
REFUSED = {
    "list": ([0.0, 0.1], r"bytes or a numpy array, not list"),
    "str": ("abc", r"bytes or a numpy array, not str"),
    "int32": (np.zeros(4, np.int32), r"dtype int32 must be float32, float64 or int16: use \.astype"),
    "uint8": (np.zeros(4, np.uint8), r"dtype uint8 must be .*: encoded bytes\? pass them as bytes"),
    "complex": (np.zeros(4, np.complex64), r"dtype complex64 must be float32"),
    "float16": (np.zeros(4, np.float16), r"dtype float16 must be float32"),
    "stereo": (np.zeros((4, 2), np.float32), r"shape \(4, 2\) must be mono.*take one channel first\?"),
    "scalar": (np.zeros((), np.float32), r"shape \(\) must be mono"),
    "cube": (np.zeros((4, 2, 1), np.float32), r"shape \(4, 2, 1\) must be mono.*ravel"),
    "nan": (WITH_NAN, r"sample 2 is nan: audio must be finite"),
    "inf": (WITH_NAN[::-1].copy(), r"sample 0 is inf: audio must be finite"),
    "minus inf": (np.array([0.0, -np.inf]), r"sample 1 is -inf: audio must be finite"),
    "integers": (np.array([0.0, -12_000.0], np.float32), r"magnitude 12000 .*divide by 32768"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_audio_that_cannot_be_meant_is_an_error_that_names_it(what):
    chunk, message = REFUSED[what]
    with pytest.raises(AudioError, match=message):
        check_samples(chunk)


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
@pytest.mark.parametrize("what", REFUSED)
def test_nothing_of_a_refused_chunk_is_taken(what, rate_hz):
    rng = np.random.default_rng(1)
    data = rng.integers(-9000, 9000, 800, dtype=np.int16).tobytes()
    decoder, out = StreamDecoder(rate_hz=rate_hz), []
    out.append(decoder.feed(data[:401]))  # within a sample: its first byte must be kept, too
    with pytest.raises(AudioError):
        decoder.feed(REFUSED[what][0])
    with pytest.raises(AudioError):
        decoder.gap(-1)
    out += [decoder.feed(data[401:]), decoder.finish()]
    np.testing.assert_array_equal(np.concatenate(out), decoded([data], rate_hz=rate_hz))


@pytest.mark.parametrize("peak", [1.0, 1.5, 15.9])
def test_clipped_and_hot_float_audio_is_taken_as_it_is(peak):
    samples = np.array([0.0, -peak, peak], np.float32)
    np.testing.assert_array_equal(check_samples(samples), samples)


def test_arrays_of_every_legal_dtype_mean_the_same_samples():
    values = np.array([-32768, -1, 0, 1, 32767], np.int16)
    expected = values / np.float32(32768)
    for samples in (values, expected.astype(np.float32), expected.astype(np.float64)):
        out = check_samples(samples)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_are_taken(kind):
    np.testing.assert_array_equal(
        StreamDecoder(Encoding.ALAW).feed(kind(ALL_CODES)), decode(ALL_CODES, Encoding.ALAW)
    )


def test_a_caller_may_reuse_its_buffer():
    buffer = np.ones(160, np.float32) / 4
    out = StreamDecoder().feed(buffer)
    buffer[:] = 0
    assert (out == 0.25).all()


def test_an_unknown_encoding_is_an_error():
    with pytest.raises(ValueError, match="opus"):
        StreamDecoder("opus")
