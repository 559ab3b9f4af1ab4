"""What our own engine gives for some lines: an export is measured against it, here and on other machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mt.alignment.alignment import RawAttention
from mt.checkpoint.folder import LoadedModel
from mt.checkpoint.small_file import check_file
from mt.data.source import Text
from mt.data.visible import is_visible
from mt.inference.aligner import Aligner
from mt.inference.request import Request
from mt.inference.scorer import Scorer
from mt.inference.tags import tagged
from mt.inference.translator import Translator
from mt.interchange.plan import Plan

FILE_NAME = "evidence.json"
MAX_BYTES = 2**26
NUM_ALIGNED, NUM_SHORTLISTED = 20, 50  # lines whose attention is kept, and that are translated with a shortlist
# Lines that tokenizers disagree about: blanks, names of special pieces, marks, scripts, characters without a piece.
HOSTILE = (
    *("", " ", "  a  b ", "\ta\tb", "a\u00a0b", "a\u3000b", "\u200bzero\u200d", "\ufeffmark", "a\u2028b"),
    *("<s> text </s>", "</s>", "a<unk>b", "<pad>", "<0x41> byte", "x\u2581y", "\u2581", "<2de> text", "a <2de> b"),
    *("e\u0301 é", "A\u030a Å", "ÄÖÜß ẞ", "ﬁ ligature", "１２３", "½ ² ™", "İı", "ǆ"),
    *("日本語のテスト", "中文，测试。", "한국어 시험", "ภาษาไทย", "हिन्दी", "العربية", "עברית"),
    *("😀 👩‍👩‍👧 🏳️‍🌈 🇩🇪", "\U0001f9ff\U00012345", "a" * 300, "1234567890" * 5, "...!!!???", "http://a.b/c?d=e&f"),
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Lines and what our engine made of them; lists have one entry a line, ids have neither BOS nor EOS.

    hostile         lines for the tokenizer alone, with their ids in `hostile_ids`
    target_ids      targets that are scored: the references, or our translations where there are none
    log_probs       of the target ids and EOS
    found_ids, texts, found_log_probs, scores   our translations by the export's search
    attention       weights_TS of the first lines with our translations: see `Engine.attention`
    shortlisted     our translations of the first lines with the shortlist; None where there is none
    constants       see `Plan.constants`
    left_out        lines that were not used: blank, or longer than the model was trained for
    """

    source_language: str
    target_language: str
    lines: list[str]
    source_ids: list[list[int]]
    references: list[str] | None
    hostile: list[str]
    hostile_ids: list[list[int]]
    target_ids: list[list[int]]
    log_probs: list[list[float]]
    search: Mapping[str, Any]
    found_ids: list[list[int]]
    texts: list[str]
    found_log_probs: list[float]
    scores: list[float]
    attention: list[list[list[float]]]
    shortlisted: list[str] | None
    constants: Mapping[str, float]
    left_out: int

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Evidence:
        """The evidence in an exported folder. Raises ValueError for anything else."""
        path = folder / FILE_NAME
        try:
            check_file(path, MAX_BYTES)
            body = json.loads(path.read_text("utf-8"))
            return cls(**{field.name: body[field.name] for field in fields(cls)})
        except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not the evidence of an export: {type(error).__name__} {error}") from None


def evidence_of(
    load: Callable[[], LoadedModel],
    plan: Plan,
    lines: Sequence[str],
    references: Sequence[str] | None,
    *,
    tag: str | None = None,
) -> Evidence:
    """What the model that `load` gives makes of these lines, each with `tag` before it.

    Raises ValueError where no line can be used, and for lines without a tag of a model that needs one.
    """
    translator = Translator.of(load(), device="cpu")  # uses up what was loaded: its matrices are packed
    translator.tags.check(tag)
    source, target = translator.tokenizers.source, translator.tokenizers.target
    read = [tagged(source.composed(line), tag) for line in lines]
    ids = source.encode_many(read)
    kept = [n for n, line in enumerate(lines) if is_visible(line) and len(ids[n]) <= plan.max_pieces]
    if not kept:
        raise ValueError(f"none of {len(lines)} lines has text and at most {plan.max_pieces} pieces")
    translator.tags.check_lines([(n + 1, read[n]) for n in kept], None)
    lines, source_ids = [read[n] for n in kept], [ids[n] for n in kept]
    found = [best[0] for best in translator.search_ids([Text.of([one]) for one in source_ids], plan.search)]
    texts = [translator.text(one.ids) for one in found]
    targets = texts if references is None else [references[n] for n in kept]
    target_ids = target.encode_many(targets)
    if plan.max_length is not None:  # learned positions
        targets = [
            text if len(of) < plan.max_length else own for text, of, own in zip(targets, target_ids, texts, strict=True)
        ]
        target_ids = target.encode_many(targets)
    scored = Scorer(translator).score([(Request(line), [text]) for line, text in zip(lines, targets, strict=True)])
    aligned = range(min(NUM_ALIGNED, len(kept)))
    raws = Aligner(translator, plan.alignment).attention_of_encoded(
        [Text.of([source_ids[n]]) for n in aligned], [found[n].ids for n in aligned]
    )
    shortlisted = None
    if plan.has_shortlist:
        short = Translator.of(load(), device="cpu", shortlist=True)
        of_first = short.search_ids([Text.of([one]) for one in source_ids[:NUM_SHORTLISTED]], plan.search)
        shortlisted = [short.text(best[0].ids) for best in of_first]
    return Evidence(
        source_language=plan.source_language,
        target_language=plan.target_language,
        lines=lines,
        source_ids=source_ids,
        references=None if references is None else [references[n] for n in kept],
        hostile=list(HOSTILE),
        hostile_ids=source.encode_many(list(HOSTILE)),
        target_ids=target_ids,
        log_probs=[list(one[0].token_log_probs) for _, one in scored],
        search=plan.search_settings(),
        found_ids=[list(one.ids) for one in found],
        texts=texts,
        found_log_probs=[one.log_prob for one in found],
        scores=[one.score for one in found],
        attention=[_weights(raw, plan).round(8).tolist() for raw in raws],
        shortlisted=shortlisted,
        constants=plan.constants,
        left_out=len(read) - len(kept),
    )


def _weights(raw: RawAttention, plan: Plan) -> np.ndarray:
    chosen_HTS = raw.weights_LHTS[plan.alignment.layer, list(plan.alignment.heads)]
    return chosen_HTS.mean(axis=0)[:-1, :-1]  # without EOS
