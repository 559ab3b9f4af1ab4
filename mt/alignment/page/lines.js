"use strict";
// The two lines of text and the links between them.

const BEND = 0.42; // of the height: how far a link goes straight down before it turns
const LARGEST_TEXT = 21; // pixels
const SMALLEST_TEXT = 14;
const SIDES = ["source", "target"];

const lines = { words: { source: [], target: [] }, arcs: [] };

function buildLines(sentence, unit, languages) {
  SIDES.forEach((side, at) => {
    const line = byId(side);
    line.dir = sentence[side].rtl ? "rtl" : "ltr";
    line.lang = languages[at];
    lines.words[side] = sentence[side][unit].map((token, index) => {
      // a piece that opens a word stands apart from the one before, which is all that its sign says
      const text = unit === "pieces" ? token.replace(/^▁(?=.)/u, "") : token;
      const attributes = { class: "word", role: "button", tabindex: index ? -1 : 0, "data-index": index };
      return make("span", attributes, make("bdi", {}, shown(text)));
    });
    line.classList.toggle("pieces", unit === "pieces");
    line.replaceChildren();
    lines.words[side].forEach((word, index) => {
      const isInside = unit === "pieces" && !sentence[side].pieces[index].startsWith("▁");
      line.append(isInside ? "" : " ", word);
    });
  });
  fitLines();
}

/** As large as the longer line allows; what is longer still is scrolled, and partners are kept in sight of each other. */
function fitLines() {
  const box = byId("lines");
  byId("both").classList.remove("stretched");
  box.style.setProperty("--text", `${LARGEST_TEXT}px`);
  const room = box.clientWidth / byId("both").offsetWidth;
  const size = Math.max(SMALLEST_TEXT, Math.min(LARGEST_TEXT, Math.floor(LARGEST_TEXT * room)));
  box.style.setProperty("--text", `${size}px`);
  byId("both").classList.toggle("stretched", byId("both").offsetWidth > box.clientWidth);
}

/** Draws { source, target, kind } with as much ink as there is weight. */
function drawArcs(marks, matrix) {
  const svg = byId("arcs");
  const height = svg.clientHeight;
  const middles = Object.fromEntries(
    SIDES.map((side) => [side, lines.words[side].map((word) => word.offsetLeft + word.offsetWidth / 2)]),
  );
  svg.setAttribute("width", byId("both").clientWidth);
  lines.arcs = marks.filter(({ kind }) => kind !== "open").map(({ source, target, kind }) => {
    const [from, to] = [middles.source[source], middles.target[target]];
    const [down, up] = [height * BEND, height * (1 - BEND)];
    const d = `M${from} 0C${from} ${down} ${to} ${up} ${to} ${height}`;
    const weight = matrix.values[target * matrix.columns + source];
    const place = { "data-source": source, "data-target": target, d };
    return make(
      "g",
      { class: `arc ${kind}`, style: `--weight: ${weight.toFixed(3)}` },
      make("path", { ...place, class: "reach" }), // wide and unseen, to be pointed at
      make("path", { ...place, class: "ink" }),
    );
  });
  svg.replaceChildren(...lines.arcs);
  for (const side of SIDES) lines.words[side].forEach((word, index) => nameWord(word, side, index, marks));
}

function nameWord(word, side, index, marks) {
  const other = side === "source" ? "target" : "source";
  const partners = marks
    .filter((mark) => mark[side] === index && mark.kind !== "open")
    .map((mark) => `${lines.words[other][mark[other]].textContent}${mark.kind === "link" ? "" : ` (${KINDS[mark.kind]})`}`);
  word.setAttribute("aria-label", `${word.textContent}: ${partners.join(", ") || "no link"}`);
}

/** Underlines the target words that are weakly aligned, or not at all. */
function markStrengths(strengths) {
  lines.words.target.forEach((word, index) => {
    word.dataset.strength = strengths[index];
    if (strengths[index] === "weak") word.setAttribute("aria-description", ALIGNED.weak);
    else if (strengths[index] === "none") word.setAttribute("aria-description", ALIGNED.none);
    else word.removeAttribute("aria-description");
  });
}

/** Lights the words and links of a focus { source, target } (one of them or both; null lights nothing). */
function lightLines(focus, marks, matrix) {
  const linked = marks.filter(({ kind }) => kind !== "open");
  for (const side of SIDES) {
    const other = side === "source" ? "target" : "source";
    const isAlone = focus && (focus[side] === undefined) !== (focus[other] === undefined);
    lines.words[side].forEach((word, index) => {
      const isPartner = isAlone && linked.some((mark) => mark[side] === index && mark[other] === focus[other]);
      word.classList.toggle("here", Boolean(focus) && focus[side] === index);
      word.classList.toggle("partner", Boolean(isPartner));
      const at = side === "source" ? [focus?.target, index] : [index, focus?.source];
      const weight = isAlone && focus[other] !== undefined ? matrix.values[at[0] * matrix.columns + at[1]] : 0;
      word.style.setProperty("--weight", weight.toFixed(3));
    });
  }
  byId("arcs").classList.toggle("dimmed", Boolean(focus));
  for (const arc of lines.arcs) {
    const { source, target } = arc.firstChild.dataset;
    const isLit =
      focus &&
      (focus.source === undefined || focus.source === Number(source)) &&
      (focus.target === undefined || focus.target === Number(target));
    arc.classList.toggle("lit", Boolean(isLit));
  }
}

/** The focus that an event in the lines is about, if any. */
function focusInLines(event) {
  const word = event.target.closest?.(".word");
  if (word) return { [word.closest(".line").id]: Number(word.dataset.index) };
  const { source, target } = event.target.dataset ?? {};
  return source === undefined ? null : { source: Number(source), target: Number(target) };
}

/** Arrow keys: along the line as it is read on the screen, and across to the first partner. */
function walkLines(event, marks) {
  const focus = focusInLines(event);
  const side = SIDES.find((name) => focus && focus[name] !== undefined);
  if (!side) return;
  const other = side === "source" ? "target" : "source";
  const index = focus[side];
  const forward = byId(side).dir === "rtl" ? -1 : 1;
  const across = { source: "ArrowDown", target: "ArrowUp" }[side];
  const steps = {
    ArrowRight: [side, index + forward],
    ArrowLeft: [side, index - forward],
    Home: [side, 0],
    End: [side, lines.words[side].length - 1],
    [across]: [other, marks.find((mark) => mark[side] === index && mark.kind !== "open")?.[other]],
  };
  const [line, to] = steps[event.key] ?? [];
  const word = lines.words[line]?.[to];
  if (!word) return;
  event.preventDefault();
  for (const each of lines.words[line]) each.tabIndex = each === word ? 0 : -1;
  word.focus();
}
