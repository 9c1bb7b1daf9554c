"""Makes the seeds of the films that the simulator delivers, in `simulator/understudy_simulator/_media`.

Run by hand when the films are to change; the result is committed. Needs PyAV, as the extra `media` has it:

    pip install -e '.[media]' && python scripts/make_videos.py

A seed is one second of H.264 of one size, without sound; `films` plays it over and over, for as long as was asked for.
`tone.aac` is one frame of AAC out of a steady tone, which fits to itself.
"""

import sys
from fractions import Fraction
from pathlib import Path

from understudy_simulator.films.encoder import encoded_pictures, encoded_tone
from understudy_simulator.films.film import Film
from understudy_simulator.films.matrix import MATRIX, seed_name
from understudy_simulator.films.mp4 import film_bytes

TARGET = Path(__file__).parents[1] / "simulator" / "understudy_simulator" / "_media"
MOST_BYTES = 1_500_000


def main() -> int:
    """Write all seeds and the tone; 1 if together they are larger than a package should carry."""
    TARGET.mkdir(parents=True, exist_ok=True)
    total = 0
    for size in MATRIX:
        pictures = encoded_pictures(size)
        data = film_bytes(Film(size, Fraction(1), has_sound=False), pictures, b"")
        (TARGET / seed_name(size)).write_bytes(data)
        total += len(data)
        print(f"{seed_name(size)}: {len(data)} bytes")
    tone = encoded_tone()
    (TARGET / "tone.aac").write_bytes(tone)
    total += len(tone)
    print(f"tone.aac: {len(tone)} bytes; {total} in all")
    return 0 if total <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
