"""What each head does most of the time."""

from dataclasses import replace

import numpy as np

from mt.alignment.alignment import RawAttention
from mt.alignment.head_roles import HeadRoles, Role

SOURCES = [["▁the", "▁old", "▁ze", "bra", "</s>"], ["▁the", "▁old", "▁the", "▁gnu", "</s>"]]
TARGET = ["▁das", "▁alte", "▁Ze", "bra", "</s>"]
LINKS = [{(0, 1), (1, 0), (2, 2)}, {(3, 2)}]  # of words: source, target
PLACES = {  # the column of each row, of each sentence
    "position": [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]],
    "position -1": [[0, 0, 1, 2, 3], [0, 0, 1, 2, 3]],
    "end": [[4, 4, 4, 4, 4], [4, 4, 4, 4, 0]],
    "rare": [[2, 3, 2, 2, 4], [3, 3, 3, 3, 4]],
    "links": [[1, 0, 3, 2, 4], [2, 2, 3, 3, 4]],  # of the second sentence, two rows have a link
    None: [[0, 3, 4, 1, 4], [1, 0, 0, 2, 4]],
}


def raw(sentence, shift=0):
    weights_HTS = np.full((len(PLACES), 5, 5), 0.1)
    for head, places in enumerate(PLACES.values()):
        for row, column in enumerate(places[sentence]):
            weights_HTS[head, min(row + shift, 4), column] = 0.6
    return RawAttention(np.stack((weights_HTS, weights_HTS[::-1])), SOURCES[sentence], TARGET)


def test_the_role_of_a_head_is_what_most_of_its_rows_do():
    roles = HeadRoles()
    for sentence, links in enumerate(LINKS):
        source = "".join(SOURCES[sentence][:-1]).replace("▁", " ").strip()
        roles.add(raw(sentence), source, "das alte Zebra", links, unit="words")
    found = roles.roles()
    assert [role and role.name for role in found[0]] == list(PLACES)
    assert found[1] == found[0][::-1]
    # the first row has no place before its own
    shares = {role.name: role.share for role in found[0] if role}
    assert shares == {"position": 1.0, "position -1": 0.75, "end": 1.0, "rare": 1.0, "links": 0.75}


def test_a_link_may_be_read_in_the_row_that_knows_the_word():
    roles = HeadRoles()
    roles.add(raw(0, shift=1), "the old zebra", "das alte Zebra", LINKS[0], unit="words")
    linked = roles.roles()[0][list(PLACES).index("links")]
    assert linked is not None and linked.name == "links" and linked.share >= 0.75


def test_links_may_be_of_pieces():
    roles = HeadRoles()
    roles.add(raw(0), "the old zebra", "das alte Zebra", {(1, 0), (0, 1), (3, 2), (2, 3)}, unit="pieces")
    assert roles.roles()[0][list(PLACES).index("links")] == Role("links", 1.0)


def test_a_removed_head_and_one_that_looks_at_the_picture_have_no_role():
    roles, one = HeadRoles(), raw(0)
    one.weights_LHTS[:, 0] = 0.0
    regions_LHTR = np.zeros((2, len(PLACES), 5, 3))
    regions_LHTR[:, 1] = 0.7
    one = replace(one, regions_LHTR=regions_LHTR)
    roles.add(one, "the old zebra", "das alte Zebra", LINKS[0], unit="words")
    assert roles.roles()[0][:2] == [None, None] and roles.roles()[0][2] == Role("end", 1.0)


def test_nothing_has_no_roles():
    roles = HeadRoles()
    roles.add(RawAttention(np.ones((1, 1, 1, 1)), ["</s>"], ["</s>"]), "", "", [], unit="words")
    assert roles.roles() == []
