"""Lines with markup, drawn by hypothesis: trees of elements, each with a name of its own, placeholders, single tags."""

from hypothesis import strategies as st

from mt.inference.markup import encoded

WORDS = ["Haus", "(ab", "c.", "«d»", "e-f", "!", "A&B", "x<y", "größer,", '"q"', "g"]
HOLES = [
    *(
        "{{name{}}}",
        "${{p{}}}",
        "%({})s",
        "%{}$s",
        "%<r{}>s",
        "%{{r{}}}",
        "{{{{{{raw{}}}}}}}",
        "{{{{x{}}}}}",
        "{{ $f{} }}",
    ),
    *("{{0!r:>{{w{}}}}}", "$t(k{})", "@:{{v{}}}", "{{ NUMBER($n{}, a: 1) }}", "{{% if j{} %}}", "{{d{}, date, short}}"),
    *("<code>c{} <b>d</b></code>", '<p translate="no">&amp;{} %s</p>', "<span class='a notranslate'>{}</span>"),
    *("<script>if (a<b) {{ {} }}</script>", "<pre>  {}</pre>"),
]
VOIDS = ['<br id="{}"/>', "<img src='{}>'>", "<!-- {} <b> -->", "<x{}/>", "<{}/>", '<x id="{}"/>', "<![CDATA[<{}>]]>"]
SEQUENTIAL = ["%s", "{}", "%5.2f", "%@", "%lld"]
ELEMENTS = ["n{}", "div id='{}'", 'a href="{}&amp;"', "{}", 'g id="{}"']
SINGLES = ["<b>", "</b>", "<p class='>'>", "</p>"]


@st.composite
def marked_lines(draw, has_messages=False):
    """A line, with ICU messages where they are asked for.

    Every mark in it, but for tags without partner and `%s`, is like no other.
    """
    count = 0

    def fresh(pattern):
        nonlocal count
        count += 1
        return pattern.format(count)

    def content(depth):
        pieces = []
        for _ in range(draw(st.integers(0, 4))):
            kinds = ["word", "word", "hole", "void", "sequential", "single", *["element"] * (depth < 4)]
            kinds += ["block"] * (depth < 4) + ["message"] * (has_messages and depth < 2)
            kind = draw(st.sampled_from(kinds))
            if kind == "word":
                pieces.append(encoded(draw(st.sampled_from(WORDS))))
            elif kind == "element":
                name = fresh(draw(st.sampled_from(ELEMENTS)))
                pieces.append(f"<{name}>{content(depth + 1)}</{name.split()[0]}>")
            elif kind == "block":
                name = fresh("if{}")
                pieces.append(f"{{{{#{name}}}}}{content(depth + 1)}{{{{/{name}}}}}")
            elif kind == "message":
                form = draw(st.sampled_from(["plural", "select", "selectordinal"]))
                name = fresh("m{}")
                branches = f"one {{{content(depth + 2)}}} other {{ # {content(depth + 2)}}}"
                pieces.append(f"{{{name}, {form}, {branches}}}")
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
