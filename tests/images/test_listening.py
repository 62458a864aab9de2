"""What decoders say goes into findings, and everything else to stderr as before."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest import mock

import pytest
from helpers import image

from gtahead.images import listening as module
from gtahead.images.listening import listening
from gtahead.images.reading import ImageError, check_health, read_header


def cut_with_end_mark() -> bytes:
    data = image(1, (200, 100))
    return data[: len(data) * 2 // 3] + b"\xff\xd9"


def test_a_jpeg_cut_short_that_ends_in_the_end_mark(capfd: pytest.CaptureFixture[str]) -> None:
    data = cut_with_end_mark()
    with pytest.raises(ImageError) as caught:
        check_health(data, read_header(data))
    assert caught.value.code == "image-truncated"
    assert "premature end" in caught.value.detail
    assert capfd.readouterr() == ("", "")


def test_a_healthy_image_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    data = image(1, (200, 100))
    assert check_health(data, read_header(data)) == []
    assert capfd.readouterr() == ("", "")


def test_other_lines_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with listening() as said:
        os.write(2, b"Corrupt JPEG data: 3 extraneous bytes\nsomething else\n")
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\n")
    assert said == [
        "Corrupt JPEG data: 3 extraneous bytes",
        "libpng warning: iCCP: known incorrect sRGB profile",
    ]
    assert capfd.readouterr().err == "something else\n"


def test_an_error_in_between_leaves_stderr_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), listening():
        _ = 1 / 0
    os.write(2, b"still there\n")
    assert capfd.readouterr().err == "still there\n"


def test_one_image_waits_for_a_decoder_that_hangs_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = mock.Mock(spec=("acquire", "release"))
    monkeypatch.setattr(module, "_one_at_a_time", lock)
    for free in (False, False, False, True, True):
        lock.acquire.return_value = free
        with listening() as said:
            assert said == []
    waited = [call.kwargs["timeout"] for call in lock.acquire.call_args_list]
    assert waited == [module.PATIENCE_S, 0, 0, 0, module.PATIENCE_S]
    assert lock.release.call_count == 2


def test_a_closed_stderr_is_no_fault() -> None:
    code = (
        "import os; os.close(2)\n"
        "from gtahead.images.listening import listening\n"
        "with listening() as said: pass\n"
        "print(said)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n")
