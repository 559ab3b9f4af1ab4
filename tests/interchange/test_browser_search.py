"""The page's constrained search and its glossary are those of Python."""

import random

import pytest
import torch

from mt.inference.terms import Glossary, continuing_pieces
from mt.interchange.browser import tokenizer_data
from mt.search.beam import Beam
from mt.search.rules.prefix import Prefix
from mt.search.rules.terms import Terms
from tests.interchange.node import asked, needs_node

pytestmark = needs_node
PIECES = 30
SEARCH = """
const [{ beamSearch }, { Terms }] = [await from("search"), await from("rules")];
const softmax = (row) => {
  const sum = Math.log(row.reduce((all, one) => all + Math.exp(one), 0));
  return Float64Array.from(row, (one) => one - sum);
};
const table = given.table.map(softmax);
const model = { // what follows a piece depends on it and on the number of pieces alone
  start: () => 0,
  rows: (state) => state,
  step: (state, next) => {
    const data = new Float32Array(next.length);
    const logProbs = next.map(([id]) => table[(id + 7 * state) % table.length]);
    const [maps, means] = [[1, 1, 1], [1, 1]].map((more) => ({ dims: [next.length, ...more], data }));
    return { logProbs, maps, means, state: state + 1 };
  },
};
const found = [];
for (const { phrases, ...how } of given.cases) {
  const terms = phrases.length ? new Terms(phrases, given.continuing) : null;
  const hypotheses = await beamSearch(model, [5], { ...how, heads: [0], terms });
  found.push(hypotheses.slice(0, 1).map(({ ids, score }) => ({ ids, score })));
}
return found;
"""
GLOSSARY = """
const [{ Glossary, continuingPieces }, { Tokenizer }] = [await from("glossary"), await from("tokenizer")];
const [glossary, tokenizer] = [new Glossary(given.terms), new Tokenizer(given.tokenizer)];
return {
  hits: given.lines.map((line) => [...glossary.hits(line)]),
  phrases: given.lines.map((line) => glossary.phrases(line, tokenizer).map(({ ids, count }) => [ids, count])),
  uses: given.lines.map((line) => glossary.uses(line, line)),
  continuing: continuingPieces(tokenizer),
};
"""


def drawn_case(rng):
    """A search with phrases that share pieces, and perhaps a prefix."""
    phrases = {}
    for _ in range(rng.randint(0, 3)):
        ids = tuple(rng.choices(range(4, 12), k=rng.randint(1, 3)))
        phrases[ids] = rng.randint(1, 2)
    prefix = rng.choices(range(4, PIECES), k=rng.choice([0, 0, 1, 3]))
    how = {"size": rng.choice([1, 2, 3, 5, 8]), "alpha": rng.choice([0.0, 0.6, 1.0])}
    return {**how, "limit": rng.randint(6, 24), "prefix": prefix, "phrases": phrases}


def ours(case, table, continuing):
    """The best hypothesis of the same search in Python: [{ids, score}], or nothing where the demands are not met."""

    class State(int):
        def rows(self, index_R, sentences_M=None):
            return self

    def step(tokens_R, state):
        return table[(tokens_R + 7 * state) % PIECES], State(state + 1)

    rules = [Prefix([case["prefix"]])] if case["prefix"] else []
    if case["phrases"]:
        rules.append(Terms([case["phrases"]], eos=3, continuing_V=torch.tensor(continuing)))
    search = Beam(size=case["size"], length_penalty=case["alpha"])
    [[best]] = search(step, State(0), max_lengths=[case["limit"]], banned_ids=(0, 1, 2), rules=rules)
    return [] if best.log_prob == -float("inf") else [{"ids": list(best.ids), "score": best.score}]


def test_constrained_searches_find_the_same_pieces():
    rng, generator = random.Random(1), torch.Generator().manual_seed(1)
    table = torch.randn(PIECES, PIECES, generator=generator) * 2
    continuing = [4 <= piece < 12 and piece % 3 == 0 for piece in range(PIECES)]
    cases = [drawn_case(rng) for _ in range(500)]
    plain = [{**case, "phrases": [{"ids": ids, "count": n} for ids, n in case["phrases"].items()]} for case in cases]
    found = asked(SEARCH, {"table": table.tolist(), "continuing": continuing, "cases": plain})
    expected = [ours(case, table, continuing) for case in cases]
    assert sum(bool(case["phrases"]) for case in cases) > 300 and sum(map(bool, expected)) > 400
    for case, theirs, own in zip(cases, found, expected, strict=True):
        assert [one["ids"] for one in theirs] == [one["ids"] for one in own], case
        assert [one["score"] for one in theirs] == pytest.approx([one["score"] for one in own], abs=1e-4)


def test_terms_are_found_spelled_and_counted_as_in_python(vocabulary, real_lines):
    words = sorted({word.strip(".,!?") for line in real_lines[:400] for word in line.split() if len(word) > 2})
    rng = random.Random(2)
    terms = {word: rng.choice(words) for word in rng.sample(words, 120)}
    terms |= {
        "A man": "Ein Mann",
        "a MAN in": "ein Mann in",
        "e\u0301t": "\u00e9t",
        "a.b": "x|y",
        "中文": "日本",
        "(a": "[b]",
    }
    terms |= {"straße": "STRASSE", "ΣΊΣΥΦΟΣ": "Sisyphos", "½": "1/2", "x": "。"}
    lines = [
        *real_lines[:300],
        "A MAN in a man, a.b aab (a) x",
        "中文文字 STRASSE Straße",
        "ÉT e\u0301t été",
        "σίσυφος ½",
    ]
    data = {"terms": terms, "lines": lines, "tokenizer": tokenizer_data(vocabulary)}
    glossary = Glossary(terms)
    try:
        phrases = [glossary.phrases(line, vocabulary) for line in lines]
    except ValueError as error:  # a vocabulary without bytes: the same line is refused in the same words
        with pytest.raises(AssertionError, match=str(error).replace("(", r"\(").replace(")", r"\)")):
            asked(GLOSSARY, data)
        return
    found = asked(GLOSSARY, data)
    assert found["hits"] == [[list(hit) for hit in glossary.hits(line).items()] for line in lines]
    assert sum(map(len, found["hits"])) > 200
    assert found["phrases"] == [[[list(ids), count] for ids, count in one.items()] for one in phrases]
    uses = [[{**vars(use), "is_honoured": use.is_honoured} for use in glossary.uses(line, line)] for line in lines]
    assert found["uses"] == uses
    assert found["continuing"] == continuing_pieces(vocabulary).tolist()
