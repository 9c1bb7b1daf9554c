"""Makes the video that the simulator delivers: `simulator/understudy_simulator/_media/sample.mp4`.

Run once, by hand, when the video is to change; the result is committed. Needs PyAV, which the project itself does not:

    python -m venv /tmp/media && /tmp/media/bin/pip install av && /tmp/media/bin/python scripts/make_media.py

The video is four seconds of H.264 (constrained baseline, yuv420p, 320 x 180, 8 pictures a second) with a quiet 440 Hz
tone in AAC, its index ahead of its data so that it plays while it loads.
"""

import math
from array import array
from fractions import Fraction
from pathlib import Path

import av

TARGET = Path(__file__).parents[1] / "simulator" / "understudy_simulator" / "_media" / "sample.mp4"
SECONDS, RATE, WIDTH, HEIGHT = 4, 8, 320, 180
SAMPLE_RATE, AUDIO_FRAME, TONE_HZ, VOLUME = 24_000, 1024, 440.0, 0.1


def picture(number: int) -> av.VideoFrame:
    """A light bar that wanders over a dark ground, in yuv420p."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    left = number * (WIDTH - 40) // (SECONDS * RATE - 1)
    for plane, (width, height, ground, bar) in zip(
        frame.planes, ((WIDTH, HEIGHT, 40, 200), (160, 90, 140, 110), (160, 90, 110, 150)), strict=True
    ):
        scale = WIDTH // width
        row = bytearray([ground] * plane.line_size)
        row[left // scale : (left + 40) // scale] = bytes([bar] * (40 // scale))
        plane.update(bytes(row) * height)
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def sound(number: int) -> av.AudioFrame:
    """One frame of the tone."""
    start = number * AUDIO_FRAME
    samples = array(
        "f", (VOLUME * math.sin(2 * math.pi * TONE_HZ * (start + i) / SAMPLE_RATE) for i in range(AUDIO_FRAME))
    )
    frame = av.AudioFrame("fltp", "mono", AUDIO_FRAME)
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
    return frame


def main() -> None:
    """Write the video."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(TARGET), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"profile": "baseline", "preset": "slow", "crf": "30", "x264-params": "threads=1"}
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 24_000
        for number in range(SECONDS * RATE):
            out.mux(video.encode(picture(number)))
        for number in range(SECONDS * SAMPLE_RATE // AUDIO_FRAME):
            out.mux(audio.encode(sound(number)))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
