"""Lines with markup, drawn by hypothesis: trees of elements, each with a name of its own, placeholders, single tags."""

from hypothesis import strategies as st

from mt.inference.markup import encoded

WORDS = ["Haus", "(ab", "c.", "«d»", "e-f", "!", "A&B", "x<y", "größer,", '"q"', "g"]
HOLES = ["{{name{}}}", "${{p{}}}", "%({})s", "%{}$s"]
VOIDS = ['<br id="{}"/>', "<img src='{}>'>", "<!-- {} <b> -->", "<x{}/>"]
SEQUENTIAL = ["%s", "{}", "%5.2f"]
SINGLES = ["<b>", "</b>", "<p class='>'>", "</p>"]


@st.composite
def marked_lines(draw):
    """A line; every mark in it, but for tags without partner and `%s`, is like no other."""
    count = 0

    def fresh(pattern):
        nonlocal count
        count += 1
        return pattern.format(count)

    def content(depth):
        pieces = []
        for _ in range(draw(st.integers(0, 4))):
            kinds = ["word", "word", "hole", "void", "sequential", "single", *["element"] * (depth < 4)]
            kind = draw(st.sampled_from(kinds))
            if kind == "word":
                pieces.append(encoded(draw(st.sampled_from(WORDS))))
            elif kind == "element":
                name = fresh(draw(st.sampled_from(["n{}", "div id='{}'", 'a href="{}&amp;"'])))
                pieces.append(f"<{name}>{content(depth + 1)}</{name.split()[0]}>")
            else:
                patterns = {"hole": HOLES, "void": VOIDS, "sequential": SEQUENTIAL, "single": SINGLES}[kind]
                pattern = draw(st.sampled_from(patterns))
                pieces.append(fresh(pattern) if kind in ("hole", "void") else pattern)
            pieces.append(draw(st.sampled_from(["", " "])))
        return "".join(pieces)

    return f"<i>A&amp;B</i> {content(0)} Ende".replace("  ", " ")


@st.composite
def translations(draw, num_words):
    """A target for a source of so many words, and links of their words, any."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=8))
    link = st.tuples(st.integers(0, num_words - 1), st.integers(0, max(len(words) - 1, 0)))
    return " ".join(words), draw(st.lists(link, max_size=12)) if words else []
