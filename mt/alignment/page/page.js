"use strict";
// What is shown, and what answers to what. `state` says all of it; `refresh` draws it.

const page = JSON.parse(byId("data").textContent);
const { chosen, sentences } = page;
const state = { at: 0, reading: { ...chosen }, hasGold: true, focus: null, pinned: null, place: null };
const drawn = { data: null, matrix: null, marks: [], strengths: [] };
let headChoices = [];

function start() {
  showFacts();
  byId("theme").addEventListener("click", turnTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawColours);
  document.body.classList.toggle("empty", !sentences.length);
  if (!sentences.length) return;
  headChoices = choicesOfHeads();
  buildControls();
  buildList(sentences, select);
  const { roles, agreement } = page;
  buildHeads(chosen.layers, chosen.all_heads, roles, agreement, (layer, members) => change({ layer, heads: members }));
  listen();
  const wanted = Number(location.hash.slice(1));
  const found = sentences.findIndex(({ line }) => line === wanted);
  select(found < 0 ? 0 : found);
}

function showFacts() {
  const [from, to] = chosen?.languages ?? ["", ""];
  const name = (code) => {
    try {
      return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
    } catch {
      return code; // not a code of a language that is known
    }
  };
  if (from) byId("direction").replaceChildren(name(from), make("span", { "aria-label": "to" }, " → "), name(to));
  document.title = from ? `Alignments, ${name(from)} to ${name(to)}` : "Alignments";
  const facts = Object.entries(page.facts);
  byId("facts").replaceChildren(...facts.map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value))));
}

// --- what can be chosen

/** Where the slider of heads can stand: the chosen ones (if they are several), the mean of all, each alone. */
function choicesOfHeads() {
  const all = Array.from({ length: chosen.all_heads }, (_, head) => head);
  const isOwn = chosen.heads.length > 1 && chosen.heads.length < all.length;
  return [
    ...(isOwn ? [{ heads: chosen.heads, name: `mean of ${chosen.heads.join(", ")}` }] : []),
    ...(all.length > 1 ? [{ heads: all, name: "mean of all" }] : []),
    ...all.map((head) => ({ heads: [head], name: `${head}` })),
  ];
}

function buildControls() {
  byId("layer").max = chosen.layers - 1;
  byId("layer").disabled = chosen.layers === 1;
  byId("head").max = headChoices.length - 1;
  byId("head").disabled = headChoices.length === 1;
  byId("layer").addEventListener("input", (event) => change({ layer: Number(event.target.value) }));
  byId("head").addEventListener("input", (event) => change({ heads: headChoices[event.target.value].heads }));
  for (const [name, read] of [["shift", Number], ["unit", String], ["signal", String]]) {
    byId(name).addEventListener("change", (event) => change({ [name]: read(event.target.value) }));
  }
  byId("chosen").addEventListener("click", () => change({ ...chosen }));
  for (const signal of WHOLE_MODEL) byId(signal).hidden = chosen.signal !== signal;
  byId("gold").addEventListener("change", (event) => {
    state.hasGold = event.target.checked;
    refresh();
  });
  byId("gold-switch").hidden = !sentences.some(({ gold }) => gold);
}

const WHOLE_MODEL = ["erasure", "contributions"]; // stored as they were read, not for each layer and head

function change(values) {
  const before = state.reading;
  state.reading = WHOLE_MODEL.includes(values.signal) ? { ...chosen } : { ...before, ...values };
  if (WHOLE_MODEL.includes(state.reading.signal) && !isChosen()) state.reading.signal = "weights";
  if (state.reading.unit !== before.unit) {
    state.pinned = state.focus = state.place = null;
    buildSentence();
  } else if (state.reading.shift !== before.shift || state.reading.signal !== before.signal) {
    drawThumbnails();
  }
  refresh();
}

async function select(at) {
  state.at = at;
  const sentence = sentences[at];
  const [data, attention] = await Promise.all([unpack(sentence, chosen), unpackPicture(sentence)]);
  if (state.at !== at) return; // another one was selected while this one was unpacked
  if (!sentence.norms && state.reading.signal === "norms") state.reading.signal = "weights";
  drawn.data = data;
  buildPicture(sentence, attention);
  state.pinned = state.focus = state.place = null;
  markInList(at);
  history.replaceState(null, "", `#${sentence.line}`);
  buildSentence();
  refresh();
  document.documentElement.dataset.ready = sentence.line;
}

function isChosen() {
  const { reading } = state;
  const names = ["layer", "shift", "signal", "unit"];
  return names.every((name) => reading[name] === chosen[name]) && isSameHeads(reading.heads, chosen.heads);
}

// --- what is drawn

function buildSentence() {
  const sentence = sentences[state.at];
  const { unit } = state.reading;
  byId("line").textContent = `Line ${sentence.line}`;
  const blankless = SIDES.filter((side) => sentence[side].blankless);
  byId("hint").hidden = unit === "pieces" || !blankless.length;
  byId("hint-side").textContent = blankless.length === 2 ? "These lines are" : `The ${blankless[0]} is`;
  buildLines(sentence, unit, chosen.languages);
  byId("map-card").hidden = !sentence.source.words.length; // a picture alone has no words
  buildMap(sentence, unit, chosen.languages);
  drawThumbnails();
}

function drawThumbnails() {
  drawHeads(sentences[state.at], drawn.data, chosen.all_heads, state.reading, scheme());
}

/** Works the reading out and shows it everywhere. */
function refresh() {
  const sentence = sentences[state.at];
  const { reading } = state;
  let [matrix, sink, links] = [drawn.data.chosen, sentence.sink, sentence.links];
  if (!isChosen()) {
    const pieces = pieceWeights(sentence, drawn.data, chosen.all_heads, reading);
    matrix = reading.unit === "words" ? wordWeights(pieces.matrix, sentence) : pieces.matrix;
    sink = pieces.sink;
    links = linksOf(matrix, page.rule);
  }
  const isJudged = sentence.gold && state.hasGold && reading.unit === "words"; // gold links count words
  drawn.matrix = matrix;
  drawn.marks = isJudged
    ? judged(links, sentence.gold)
    : links.map(([source, target]) => ({ source, target, kind: "link" }));
  drawn.strengths = strengthsOf(matrix, links);
  drawArcs(drawn.marks, matrix);
  markStrengths(drawn.strengths);
  drawMap(matrix, drawn.marks, scheme());
  readPicture(sentence, chosen.all_heads, reading);
  markHeads(reading, chosen);
  showReading(sentence);
  showScores(matrix, sink, isJudged);
  light(state.pinned);
}

function showReading(sentence) {
  const { layer, heads: members, shift, unit, signal } = state.reading;
  const at = headChoices.findIndex((choice) => isSameHeads(choice.heads, members));
  byId("layer").value = layer;
  byId("layer-value").textContent = layer;
  byId("head").value = at;
  byId("head").setAttribute("aria-valuetext", headChoices[at].name);
  byId("head-value").textContent = headChoices[at].name;
  for (const [name, value] of Object.entries({ shift, unit, signal })) {
    for (const input of byId(name).querySelectorAll("input")) input.checked = input.value === `${value}`;
  }
  byId("signal").hidden = !sentences.some(({ norms }) => norms);
  byId("signal").disabled = !sentence.norms;
  byId("chosen").setAttribute("aria-pressed", `${isChosen()}`);
  const rule = page.rule.method === "threshold" ? `weights from ${page.rule.threshold}` : page.rule.method;
  const isJoined = page.symmetrize && isChosen();
  const links = isJoined
    ? `Links: ${rule} of both directions, ${page.symmetrize}`
    : `Links: ${rule}${page.symmetrize ? " of this direction alone" : ""}`;
  const [weak, none] = ["weak", "none"].map((name) => make("u", { class: name }, ALIGNED[name]));
  byId("rule").replaceChildren(`${links} · `, weak, " ", none);
}

function showScores(matrix, sink, isJudged) {
  const best = Array.from({ length: matrix.rows }, (_, row) =>
    Math.max(0, ...matrix.values.subarray(row * matrix.columns, (row + 1) * matrix.columns)),
  );
  const scores = {
    confidence: `${percent(best.reduce((sum, weight) => sum + weight, 0) / (best.length || 1), 1)} %`,
    "sink mass": `${percent(sink, 1)} %`,
  };
  const shares = sharesShown();
  if (shares) scores["from the source"] = `${percent(shares.reduce((sum, share) => sum + share, 0) / (shares.length || 1), 1)} %`;
  const count = (...kinds) => drawn.marks.filter(({ kind }) => kinds.includes(kind)).length;
  if (isJudged) {
    const [right, allowed, wrong, missed] = ["right", "allowed", "wrong", "missed"].map((kind) => count(kind));
    const claims = right + allowed + wrong + right + missed; // |A| + |S|
    scores.AER = `${percent(claims ? 1 - (2 * right + allowed) / claims : 0, 1)} %`;
  }
  byId("scores").replaceChildren(
    ...Object.entries(scores).map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value))),
  );
  byId("legend").hidden = !isJudged;
  for (const item of byId("legend").children) {
    item.querySelector("b").textContent = count(item.dataset.kind);
    item.classList.toggle("none", !count(item.dataset.kind));
  }
}

/** Lights a focus in both lines and in the map, and says what is there. */
function light(focus) {
  state.focus = focus;
  lightLines(focus, drawn.marks, drawn.matrix);
  lightMap(focus, drawn.marks);
  lightPicture(sentences[state.at], focus);
  byId("readout").replaceChildren(...told(focus));
}

// what a link is by the gold links
const KINDS = {
  right: "right",
  allowed: "possible",
  wrong: "wrong",
  missed: "missed",
  open: "possible, not drawn",
};

// how surely a target word is aligned
const ALIGNED = { strong: "strongly aligned", weak: "weakly aligned", none: "not aligned" };

/** How much of each target token comes from the source, where what is shown knows it. */
function sharesShown() {
  return isChosen() ? sentences[state.at].shares : null;
}

function told(focus) {
  if (!focus) return ["Point at a word or a cell, or go there with Tab and the arrow keys. A click keeps it."];
  const token = (side, index) => make("bdi", { class: "token" }, shown(sentences[state.at][side][state.reading.unit][index]));
  const { source, target } = focus;
  if (source !== undefined && target !== undefined) {
    const weight = drawn.matrix.values[target * drawn.matrix.columns + source];
    const kind = drawn.marks.find((mark) => mark.source === source && mark.target === target)?.kind;
    const words = [token("target", target), " looks at ", token("source", source), ` with ${percent(weight, 1)} %`];
    return kind ? [...words, `, ${KINDS[kind] ?? "linked"}`] : words;
  }
  const side = source === undefined ? "target" : "source";
  const other = side === "source" ? "target" : "source";
  const partners = drawn.marks.filter((mark) => mark[side] === focus[side] && mark.kind !== "open");
  const share = side === "target" ? sharesShown()?.[focus.target] : undefined;
  const from = share === undefined ? "" : `, ${percent(share, 1)} % from the source`;
  if (!partners.length) return [token(side, focus[side]), ` has no link${from}`];
  const sure = side === "target" ? `, ${ALIGNED[drawn.strengths[focus.target]]}${from}` : "";
  return [
    token(side, focus[side]),
    " — ",
    ...partners.flatMap((mark, at) => {
      const weight = percent(drawn.matrix.values[mark.target * drawn.matrix.columns + mark.source], 1);
      return [at ? ", " : "", token(other, mark[other]), ` ${weight} %${mark.kind === "link" ? "" : ` (${KINDS[mark.kind]})`}`];
    }),
    sure,
  ];
}

// --- pointers and keys

function listen() {
  const both = byId("lines");
  for (const type of ["pointerover", "focusin"]) {
    both.addEventListener(type, (event) => light(focusInLines(event) ?? state.pinned));
  }
  for (const type of ["pointerleave", "focusout"]) both.addEventListener(type, () => light(state.pinned));
  both.addEventListener("click", (event) => pin(focusInLines(event)));
  both.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pin(focusInLines(event));
    } else {
      walkLines(event, drawn.marks);
    }
  });

  const cells = byId("cells");
  cells.addEventListener("pointermove", (event) => light(focusInMap(event) ?? state.pinned));
  cells.addEventListener("pointerleave", () => light(state.pinned));
  cells.addEventListener("click", (event) => pin(focusInMap(event)));
  cells.addEventListener("keydown", (event) => {
    const place = walkMap(event, state.place);
    if (place) light((state.place = place));
  });
  cells.addEventListener("blur", () => light(state.pinned));

  byId("veil").addEventListener("pointermove", (event) => lightLookers(lookedAt(event)));
  byId("veil").addEventListener("pointerleave", () => light(state.pinned));

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") pin(null);
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("to-pieces").addEventListener("click", () => change({ unit: "pieces" }));
  let width = 0;
  new ResizeObserver(() => {
    const isSame = width === byId("sentence").clientWidth; // heights follow from what is drawn
    width = byId("sentence").clientWidth;
    if (!drawn.data || isSame) return;
    fitLines();
    fitMap();
    refresh();
  }).observe(byId("sentence"));
}

/** Keeps a focus lit; the same once more, or none, lets it go. */
function pin(focus) {
  const isSame = focus && state.pinned && focus.source === state.pinned.source && focus.target === state.pinned.target;
  state.pinned = isSame ? null : focus;
  light(state.pinned);
}

function step(by) {
  const at = neighbourInList(by);
  if (at !== undefined) select(at);
}

// --- light and dark

function scheme() {
  const own = document.documentElement.style.colorScheme;
  return own || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function turnTheme() {
  document.documentElement.style.colorScheme = scheme() === "dark" ? "light" : "dark";
  redrawColours();
}

function redrawColours() {
  if (!drawn.data) return;
  drawThumbnails();
  refresh();
}

start();
