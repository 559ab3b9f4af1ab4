"""Ways to compare texts with pictures, by their definitions; and what is wrong with one of them."""

import torch
from torch.nn.functional import cosine_similarity

from mt.inference.similarities import SIMILARITIES

N, T, M, S, E = 3, 4, 5, 7, 16
generator = torch.Generator().manual_seed(2)
WORDS, PLACES = (torch.randn(*size, generator=generator) for size in ((N, T, E), (M, S, E)))
IS_WORD = torch.tensor([[True] * 4, [True, True, False, False], [True] * 3 + [False]])


def test_attended_words_are_compared_with_what_they_find():
    found = SIMILARITIES["attended words"](WORDS, IS_WORD, PLACES)
    for n in range(N):
        for m in range(M):
            cosines = []
            for word in WORDS[n][IS_WORD[n]]:
                unit = PLACES[m] / PLACES[m].norm(dim=1, keepdim=True)
                attended = (9 * unit @ (word / word.norm())).softmax(0) @ unit
                cosines.append(cosine_similarity(word, attended, dim=0))
            torch.testing.assert_close(found[n, m], torch.stack(cosines).mean(), rtol=1e-4, atol=1e-5)


def test_averaged_attention_is_its_definition():
    found = SIMILARITIES["averaged attention"](WORDS, IS_WORD, PLACES)
    for n in range(N):
        for m in range(M):
            mixed = [(PLACES[m] @ word / E**0.5).softmax(0) @ PLACES[m] for word in WORDS[n][IS_WORD[n]]]
            expected = cosine_similarity(torch.stack(mixed).mean(0), PLACES[m].mean(0), dim=0)
            torch.testing.assert_close(found[n, m], expected, rtol=1e-4, atol=1e-5)


def test_vectors_and_words_leave_padding_out():
    cut = WORDS[1:2, :2], IS_WORD[1:2, :2], PLACES
    for name, similarity in SIMILARITIES.items():
        torch.testing.assert_close(similarity(WORDS, IS_WORD, PLACES)[1:2], similarity(*cut), msg=name)


def test_averaged_attention_does_not_find_the_picture_that_a_text_names_a_part_of():
    """What words find elsewhere is closer to the mean of the regions there than what they find in their own picture."""
    places = torch.randn(40, 6, 64, generator=generator)
    words, is_word = places[:, :2] + 0.3 * torch.randn(40, 2, 64, generator=generator), torch.ones(40, 2).bool()
    first = {name: of(words, is_word, places).argmax(1) == torch.arange(40) for name, of in SIMILARITIES.items()}
    assert first["words"].all() and first["attended words"].all()
    assert first["averaged attention"].float().mean() < 0.1
