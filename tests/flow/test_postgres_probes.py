"""Probes: a yes only from what speaks PostgreSQL; anything else is a no that says why. They never raise."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from responder.core import errors
from responder.postgres import addresses, probes

PATIENT, IMPATIENT = timedelta(seconds=20), timedelta(milliseconds=50)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[[Talk], Awaitable[addresses.Address]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(talk: Talk) -> addresses.Address:
            async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                with contextlib.suppress(ConnectionError):
                    await talk(reader, writer)
                writer.close()

            server = await asyncio.start_server(one, "127.0.0.1", 0)
            stack.callback(server.close)
            return addresses.Address("127.0.0.1", server.sockets[0].getsockname()[1])

        yield start


def says(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return talk


def nobody() -> addresses.Address:
    """A port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return addresses.Address("127.0.0.1", free.getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"S", "answers, offers TLS"),
        (b"N", "answers, no TLS"),
        (b"E\x00\x00\x00\x08no\x00\x00", "answers with an error"),
    ],
)
async def test_whatever_speaks_postgresql_answers(listen: Listen, answer: bytes, detail: str):
    found = await probes.probe(await listen(says(answer)), PATIENT)
    assert (found.answered, found.detail) == (True, detail)


async def test_what_speaks_something_else_does_not_answer(listen: Listen):
    found = await probes.probe(await listen(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")), PATIENT)
    assert (found.answered, found.detail) == (False, "does not speak PostgreSQL")


async def test_what_hangs_up_does_not_answer(listen: Listen):
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)

    found = await probes.probe(await listen(hang_up), PATIENT)
    assert (found.answered, found.detail) == (False, "closed the connection without a word")


async def test_silence_is_no_answer_after_the_timeout(listen: Listen):
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    found = await probes.probe(await listen(silence), IMPATIENT)
    assert (found.answered, found.detail) == (False, "no answer within 0.05 s")


async def test_a_refusal_is_told_in_the_systems_words():
    found = await probes.probe(nobody(), PATIENT)
    assert (found.answered, found.detail) == (False, f"cannot connect: {os.strerror(111)}")


@pytest.mark.parametrize("host", ["nosuch.invalid", "a..b", "x" * 300])
async def test_a_name_that_leads_nowhere_is_no_answer(host: str):
    found = await probes.probe(addresses.Address(host, 5432), PATIENT)
    assert not found.answered
    assert found.detail.startswith("cannot connect: ")
    assert "Error" not in found.detail


async def test_many_at_once_leave_no_connection_open(listen: Listen):
    address = await listen(says(b"S"))
    found = await asyncio.gather(*(probes.probe(address, PATIENT) for _ in range(100)))
    assert all(probe.answered for probe in found)


# The address book.


def book(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "addresses.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def test_a_name_in_the_book_leads_where_the_book_says_in_any_case(tmp_path: Path):
    found = addresses.AddressBook(book(tmp_path, {"Orders.example": "127.0.0.1:6000"}))
    assert found.find("orders.EXAMPLE") == addresses.Address("127.0.0.1", 6000)
    assert found.find("other.example") == addresses.Address("other.example", 5432)


def test_without_a_book_a_name_is_itself():
    assert addresses.AddressBook().find("orders.example") == addresses.Address("orders.example", 5432)


def test_the_book_is_read_again_when_it_changes(tmp_path: Path):
    file = book(tmp_path, {"a": "h:1"})
    found = addresses.AddressBook(file)
    file.write_text(json.dumps({"a": "h:2"}))
    os.utime(file, ns=(1, 1))
    assert found.find("a").port == 2


@pytest.mark.parametrize("document", ["{", "[]", {"a": 1}, {"a": "h"}, {"a": "h:x"}, {"a": "h:99999"}, {"a": ":1"}])
def test_a_book_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, document: object):
    with pytest.raises(errors.InputError) as raised:
        addresses.AddressBook(book(tmp_path, document))
    assert raised.value.place.endswith("addresses.json")
    assert "postgres.address_book" in raised.value.remedy


def test_a_book_that_is_spoiled_later_changes_nothing(tmp_path: Path):
    file = book(tmp_path, {"a": "h:1"})
    found = addresses.AddressBook(file)
    file.write_text("{")
    os.utime(file, ns=(1, 1))
    assert found.find("a").port == 1
