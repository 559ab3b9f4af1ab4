"""The service with workers that reverse words: batches, refusals, workers that end, models that are loaded anew."""

import asyncio
import os
import signal
import time

import pytest

from mt.serving.ask import Ask, Unit
from mt.serving.keys import ANYBODY
from mt.serving.refusal import Refused
from mt.serving.service import Caller
from tests.children import PATIENCE_SECONDS
from tests.serving.fakes import Reverse


async def translated(client, *texts, **more):
    return await client.post("/api/translate", json={"texts": list(texts), **more}, timeout=PATIENCE_SECONDS)


def texts_of(response):
    assert response.status_code == 200, response.text
    return [one["text"] for one in response.json()["translations"]]


async def until(condition):
    for _ in range(100 * PATIENCE_SECONDS):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def test_lines_of_several_clients_are_translated_together(with_server):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        others = await asyncio.gather(*(translated(client, f"a {number}") for number in range(5)))
        await first
        return [other.json()["translations"][0]["lines"][0]["notes"] for other in others]

    assert with_server(test) == [["5 lines"]] * 5


def test_too_many_alternatives_are_refused_by_their_own_name(with_server):
    async def test(client, service):
        return await client.post("/translate", json={"q": "a", "target": "en", "alternatives": 1_234_567})

    answer = with_server(test)
    assert answer.status_code == 400
    assert answer.json()["error"] == "alternatives (1234567) must be at most 9 (--max-n-best less one)"


def test_a_text_keeps_its_lines_and_alternatives_join_line_by_line(with_server):
    async def test(client, service):
        found = await translated(client, "a b\n\nc d", "e", n_best=2)
        alternatives = await client.post("/translate", json={"q": "a b\nc", "target": "en", "alternatives": 1})
        return texts_of(found), alternatives.json()

    texts, alternatives = with_server(test)
    assert texts == ["b a\n\nd c", "e"]
    assert alternatives["translatedText"] == "b a\nc" and alternatives["alternatives"] == ["b a1\nc1"]


REFUSED = [
    ({"texts": ["a"] * 4}, 413, "texts (4) must be at most 3 (--max-texts)"),
    ({"texts": ["a" * 60]}, 413, "characters (60) must be at most 50 (--max-characters)"),
    ({"texts": ["q " * 24]}, 413, "pieces of line 1 ({n}) must be at most 20 (--max-pieces)"),
    ({"texts": ["a\nb\nc\nd\ne"]}, 413, "lines (5) must be at most 4 (--max-queue)"),
    ({"texts": ["a"], "n_best": 5}, 400, "n_best (5) must be at most 2 (--max-n-best)"),
    ({"texts": ["a"], "beam_size": 9}, 400, "beam_size (9) must be at most 3 (--max-beam)"),
    ({"texts": ["a"], "beam_size": 0}, 400, "beam_size: Input should be greater than or equal to 1"),
    ({"texts": ["x" * 2000]}, 413, "bytes of the body ({n} or more) must be at most 1000 (--max-body)"),
    ({"texts": []}, 400, "texts must hold at least one text"),
    ({"texts": ["a"], "target": "fr"}, 400, "target (fr) must be a served language: en"),
    ({"texts": ["a"], "source": "fr"}, 400, "source-target (fr-any) must be a served pair: de-en"),
    ({"texts": ["a"], "no": 1}, 400, "no: Extra inputs are not permitted"),
    ({"texts": ["a", "b"], "prefix": "c"}, 400, "prefix is for one line: the texts have 2"),
    ({"texts": ["a"], "prefix": "x" * 40}, 413, "pieces of prefix (41) must be at most 20 (--max-pieces)"),
    ({"texts": ["a"], "document": True}, 400, "document: the model of de-en translates single sentences"),
    (
        {"texts": ["a"], "terms": {"a": " "}},
        400,
        "terms, entry 1: source and target must have 1 to 1024 characters",
    ),
    ({"texts": ["a"], "tag": "<2de>"}, 400, "tag must be one of the model's: it has none"),
    ({"texts": ["a"], "glossary": "x"}, 404, "there is no glossary with this id"),
    ({"texts": ["wrong"]}, 400, "this line is wrong"),
    ({"texts": ["broken"]}, 500, "the line could not be translated"),
    ({"texts": ["slow"], "deadline": 0.01}, 504, "no answer within the deadline (--deadline 30 seconds, or "),
]


def test_what_cannot_be_is_refused_in_one_line_that_names_it(with_server):
    limits = {"max_texts": 3, "max_characters": 50, "max_n_best": 2, "max_beam": 3, "max_body": 1000, "max_pieces": 20}

    async def test(client, service):
        found = []
        for asked, _, _ in REFUSED:
            response = await client.post("/api/translate", json=asked)
            found.append((response.status_code, response.json()["error"]))
        return found, service.keys.used(service.keys.find(None)), len(service.queue)

    found, used, waiting = with_server(test, limits={**limits, "max_queue": 4})
    for (asked, status, why), (code, said) in zip(REFUSED, found, strict=True):
        before, _, after = why.partition("{n}")
        assert code == status and said.startswith(before) and after in said, asked
    assert used == 0 and waiting == 0  # what is refused is not counted


def test_a_full_queue_refuses_with_the_time_to_come_again(with_server):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        waiting = [asyncio.create_task(translated(client, "b")) for _ in range(2)]
        await until(lambda: len(service.queue) == 2)
        refused = await translated(client, "c")
        return refused, [texts_of(one) for one in await asyncio.gather(first, *waiting)]

    refused, others = with_server(test, limits={"max_queue": 2})
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
    assert others == [["a slow"], ["b"], ["b"]]


def test_a_line_whose_deadline_passes_while_it_waits_is_never_computed(with_server):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        late = await translated(client, "late", deadline=0.05)
        await first
        text = service.metrics.text().decode()
        return late.status_code, text

    status, metrics = with_server(test)
    assert status == 504
    assert "mt_batch_lines_sum 1.0" in metrics and 'mt_refused_total{reason="deadline"} 1.0' in metrics


def test_a_client_that_has_left_is_dropped_from_the_queue(with_server):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        now, pair = time.monotonic(), next(iter(service.models.pairs.values()))
        leaves = Caller(ANYBODY, now, now + PATIENCE_SECONDS, gone=lambda: asyncio.sleep(0.01))
        with pytest.raises(Refused) as left:
            await service.translate([Unit("b")], Ask(), pair, leaves)
        length = len(service.queue)
        await first
        return left.value.status, length

    assert with_server(test) == (499, 0)


def test_no_accepted_request_is_lost_when_a_worker_is_killed(with_server):
    async def test(client, service):
        asked = [asyncio.create_task(translated(client, f"slow {number}")) for number in range(6)]
        await until(lambda: all(slot.is_busy for slot in service._crew.slots))
        for pid in service.pids:
            os.kill(pid, signal.SIGKILL)
        found = [texts_of(one)[0] for one in await asyncio.gather(*asked)]
        await until(lambda: len(service.pids) == 2)
        return found, service.metrics.text().decode()

    found, metrics = with_server(test, workers=2)
    assert found == [f"{number} slow" for number in range(6)] and "mt_worker_restarts_total 2.0" in metrics


def test_a_worker_that_is_killed_while_it_has_nothing_to_do_is_started_again(with_server):
    async def test(client, service):
        before = service.pids
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: not service.is_ready)
        health = (await client.get("/health/ready")).status_code
        await until(lambda: service.is_ready)
        return health, before != service.pids, texts_of(await translated(client, "a b"))

    assert with_server(test) == (503, True, ["b a"])


def test_a_line_that_ends_every_worker_is_refused_and_others_with_it_are_answered(with_server, tmp_path):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        others = [asyncio.create_task(translated(client, text)) for text in ("b 1", "end", "c 2", "end-once 3")]
        return [response.status_code for response in await asyncio.gather(first, *others)]

    assert with_server(test, fake={"marks": tmp_path}) == [200, 200, 500, 200, 200]


def test_models_are_loaded_anew_while_requests_are_answered(with_server, tokenizer_folder):
    async def test(client, service):
        asked = [asyncio.create_task(translated(client, f"slow {number}")) for number in range(4)]
        before = service.pids
        await service.reload()
        found = [texts_of(one)[0] for one in await asyncio.gather(*asked)]
        await until(lambda: not set(before) & set(service.pids))
        return found, texts_of(await translated(client, "a b"))

    assert with_server(test, workers=2) == ([f"{number} slow" for number in range(4)], ["b a"])


def test_models_of_other_languages_do_not_replace_those_that_are_served(with_server, tokenizer_folder, caplog):
    async def test(client, service):
        before = service.pids
        service._crew._function = Reverse(tokenizer_folder, languages=(("fr", "en"),))
        await service.reload()
        return before == service.pids, texts_of(await translated(client, "a b")), service.metrics.text().decode()

    is_same, found, metrics = with_server(test)
    assert is_same and found == ["b a"] and 'mt_reloads_total{result="failed"} 1.0' in metrics
    assert "must have the languages that are served (de-en), not fr-en" in caplog.text


def test_a_document_gives_each_line_the_context_that_its_model_was_trained_with(with_server):
    async def test(client, service):
        found = await translated(client, "a\nb", "c", document=True)
        return [line["notes"][1:] for one in found.json()["translations"] for line in one["lines"]]

    assert with_server(test, fake={"context": 1}) == [[], ["a"], ["b"]]


def test_the_source_is_detected_among_the_pairs_that_are_served(with_server):
    async def test(client, service):
        german = await translated(client, "das ist nicht gut", source="auto", target="en")
        english = await translated(client, "this is not good")
        unsure = await client.post("/api/detect", json={"texts": ["das ist ein Haus", "the house"]})
        return german.json(), english.json(), unsure.json()

    fake = {"languages": (("de", "en"), ("en", "de"))}
    german, english, both = with_server(test, fake=fake)
    assert (german["source"], german["target"]) == ("de", "en") and german["detected"]["confidence"] > 0.8
    assert (english["source"], english["target"]) == ("en", "de")
    assert [one[0]["language"] for one in both] == ["de", "en"]


def test_two_checkpoints_of_one_pair_are_refused(with_server):
    async def test(client, service):
        raise AssertionError("it must not start")

    with pytest.raises(ValueError, match=r"checkpoints \(de-en and de-en\) must have different languages"):
        with_server(test, fake={"languages": (("de", "en"), ("de", "en"))})


def test_texts_stand_neither_in_the_log_nor_in_the_metrics(with_server, caplog):
    async def test(client, service):
        for text in ("secret", "wrong secret", "broken secret"):
            await translated(client, text)
        return service.metrics.text().decode()

    metrics = with_server(test)
    assert "secret" not in metrics and "secret" not in caplog.text and "somewhere" in caplog.text


def test_a_refusal_within_events_is_an_event(with_server):
    async def test(client, service):
        async with client.stream("POST", "/api/translate", json={"texts": ["a", "wrong"], "stream": True}) as got:
            return (await got.aread()).decode()

    text = with_server(test)
    assert (
        text.count("event: line") == 1 and 'event: error\ndata: {"status": 400, "error": "this line is wrong"}' in text
    )


def test_more_requests_at_the_same_time_than_allowed_are_refused_and_health_is_still_told(with_server):
    async def test(client, service):
        first = asyncio.create_task(translated(client, "slow a"))
        await until(lambda: any(slot.is_busy for slot in service._crew.slots))
        refused, health = await translated(client, "b"), await client.get("/health/ready")
        return refused, health.status_code, texts_of(await first)

    refused, health, first = with_server(test, limits={"max_requests": 1})
    assert refused.status_code == 503 and "--max-requests" in refused.json()["error"]
    assert refused.headers["retry-after"] == "1" and (health, first) == (200, ["a slow"])


def test_a_stream_that_is_refused_at_once_has_the_code_of_its_refusal(with_server):
    async def test(client, service):
        return await translated(client, "a", n_best=99, stream=True)

    answer = with_server(test)
    assert answer.status_code == 400 and "--max-n-best" in answer.json()["error"]
