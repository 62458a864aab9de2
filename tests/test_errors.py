from __future__ import annotations

import json
import pickle

import pytest

from gtahead.errors import GtaheadError, InputError, ResourceError, UsageError, Where, masked


def test_a_message_has_place_value_and_remedy() -> None:
    where = Where("heads.csv", "seq", "000123", 4, "x")
    error = InputError("x lies outside", where=where, value=1920.5, remedy="fix it")
    assert str(error) == (
        "heads.csv > sequence seq > frame 000123 > head 4 > x: x lies outside (got 1920.5); fix it"
    )


def test_long_values_are_cut_and_stay_on_one_line() -> None:
    error = InputError("wrong", value="a\n" * 500)
    assert len(str(error)) < 250
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("kind", "code"), [(InputError, 1), (UsageError, 2), (ResourceError, 4), (GtaheadError, 70)]
)
def test_errors_cross_processes_whole(kind: type[GtaheadError], code: int) -> None:
    error = kind("wrong", where=Where("f", head=0), value=0, remedy="fix")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (str(back), back.where, back.value, back.exit_code) == (
        str(error),
        Where("f", head=0),
        0,
        code,
    )


def test_control_characters_cannot_reach_the_terminal() -> None:
    error = InputError("wrong", where=Where("a\x1b[31m\nb 名 \udcff"), value="\x07")
    assert str(error) == r"a\x1b[31m\nb 名 \udcff: wrong (got '\x07')"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:PW@host/x", "ftp://***@host/x"),
        ("https://user:PW@host/x?token=T&b=1 gone", "https://***@host/x?*** gone"),
        ("https://host/x?a=1;SignedHeaders=host;token=T", "https://host/x?***"),
        ("nope:/me:PW@host/x#T", "nope:/***@host/x#***"),
        ("ftp://me:a/PW@host", "ftp://***@host"),
        ("ftp://me:p@PW@host", "ftp://***@host"),
        ("(got 'sftp://user:PW@host/x'); do", "(got 'sftp://***@host/x'); do"),
        ("simplecache::s3://key:PW@bucket/a", "simplecache::s3://***@bucket/a"),
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("me@home", "me@home"),
    ],
)
def test_what_urls_hold_of_secrets_is_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert shown in str(InputError(text))
    assert shown in str(InputError("a fault", where=Where(text)))
    assert shown in json.dumps(Where(text).as_dict())
