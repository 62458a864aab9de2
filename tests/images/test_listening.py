"""What decoders say goes into findings, and everything else to stderr as before."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from unittest import mock

import cv2
import pytest
from helpers import image

from gtahead.images import listening as module
from gtahead.images import reading
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


def test_a_decoder_that_hangs_does_not_keep_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    go_on, gone = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        go_on.wait()
        gone.set()

    monkeypatch.setattr(cv2, "imdecode", hang)
    monkeypatch.setattr(reading, "DECODE_LIMIT_S", 0.1)
    with pytest.raises(ImageError, match="not decoded within"):
        reading.decode(image(1), cv2.IMREAD_COLOR)
    os.write(2, b"why it is set aside\n")
    assert capfd.readouterr().err == "why it is set aside\n"
    go_on.set()
    gone.wait()
    with module._one_at_a_time:  # the hung thread is through
        os.write(2, b"and on\n")
    assert capfd.readouterr().err == "and on\n"


def test_no_room_for_a_file_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", mock.Mock(side_effect=OSError(28, "full")))
    with listening() as said:
        os.write(2, b"Corrupt JPEG data: 3 extraneous bytes\n")
    assert said == []
    assert capfd.readouterr().err.startswith("Corrupt JPEG")


def test_a_closed_stderr_is_no_fault() -> None:
    code = (
        "import os; os.close(2)\n"
        "from gtahead.images.listening import listening\n"
        "with listening() as said: pass\n"
        "print(said)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n")
