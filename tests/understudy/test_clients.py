"""Client environments: made once, kept, and a clear word when one cannot be made."""

import pytest

from understudy import clients
from understudy.errors import TargetError


@pytest.mark.slow
def test_an_environment_is_made_once_and_then_found(tmp_path):
    said = []
    made = clients.client_environment("six", "1.16.0", tmp_path, said.append)
    again = clients.client_environment("six", "1.16.0", tmp_path, said.append)
    assert made == again
    assert (made.version, len(said)) == ("1.16.0", 1)
    assert made.python.exists()


@pytest.mark.slow
def test_one_that_was_broken_off_is_made_anew(tmp_path):
    left = tmp_path / "clients" / "six-1.16.0"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    assert clients.client_environment("six", "1.16.0", tmp_path).version == "1.16.0"
    assert not (left / "half").exists()


@pytest.mark.slow
def test_what_cannot_be_installed_is_said_in_one_error(tmp_path):
    with pytest.raises(TargetError, match=r"six==0\.0\.0"):
        clients.client_environment("six", "0.0.0", tmp_path)


@pytest.mark.slow
def test_pins_decide_what_comes_along_and_other_pins_make_another_environment(tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text("six==1.16.0\n")
    made = clients.client_environment("six", None, tmp_path, pins=pins)
    assert made.version == "1.16.0"
    pins.write_text("six==1.17.0\n")
    other = clients.client_environment("six", None, tmp_path, pins=pins)
    assert (other.version, other.python == made.python) == ("1.17.0", False)


def test_the_session_script_is_there():
    assert clients.SESSION_SCRIPT.is_file()
