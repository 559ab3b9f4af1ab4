// A line and its translation, word by word: the two rows of words, the curves between them, and what is lit.

import { byId, make } from "./elements.js";
import { classesOf, sureness } from "./marks.js";

const BEND = 0.42; // of the height: how far a curve goes straight down before it turns
const LARGEST_TEXT = 21; // pixels
const SMALLEST_TEXT = 16;
const SIDES = ["source", "target"];
const other = (side) => (side === "source" ? "target" : "source");

export class Pair {
  /** `onFocus` gets { source } or { target } or both or null; `onOpen` the number of a target word. */
  constructor({ onFocus, onOpen }) {
    Object.assign(this, { onFocus, onOpen, line: null, words: { source: [], target: [] }, arcs: [], pinned: null });
    const both = byId("both");
    both.addEventListener("pointerover", (event) => this.pointedAt(event));
    both.addEventListener("pointerleave", () => this.onFocus(this.pinned));
    both.addEventListener("focusin", (event) => this.onFocus(this.placeOf(event)));
    both.addEventListener("focusout", () => this.onFocus(this.pinned));
    both.addEventListener("click", (event) => this.chosen(event));
    both.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.line && this.fit()).observe(byId("lines"));
  }

  /** Shows a line as `lineOf` gives it; languages are { source: { code, direction }, target }. */
  show(line, languages) {
    Object.assign(this, { line, pinned: null });
    for (const side of SIDES) {
      const row = byId(`${side}-line`);
      Object.assign(row, { dir: languages[side].direction, lang: languages[side].code });
      this.words[side] = line[side].map((text, index) => this.word(side, text, index));
      row.replaceChildren(...this.words[side].flatMap((word) => [" ", word]));
    }
    this.fit();
  }

  word(side, text, index) {
    const marks = side === "target" ? classesOf(this.line, index) : this.line.omitted.has(index) ? " omitted" : "";
    const attributes = { class: `word${marks}`, role: "button", tabindex: index ? -1 : 0, "data-index": index };
    const label = `${text}: ${this.describe({ [side]: index })}`;
    return make("span", { ...attributes, "aria-label": label }, make("bdi", {}, text));
  }

  /** What is known of a word, in words. */
  describe(focus) {
    const { line } = this;
    const side = focus.target === undefined ? "source" : "target";
    const index = focus[side];
    const partners = line.links.filter((link) => link[side] === index).map((link) => line[other(side)][link[other(side)]]);
    const linked = partners.length ? `${side === "source" ? "becomes" : "from"} ${partners.join(", ")}` : "linked to no word";
    if (side === "source") return line.omitted.has(index) ? `${linked}; seems to be left out` : linked;
    const more = [linked, sureness(line, index), line.repeated.has(index) ? "seems to be repeated" : ""];
    return more.filter(Boolean).join("; ");
  }

  /** As large as the longer row allows; what is longer still is scrolled, partners in sight of each other. */
  fit() {
    const [box, both] = [byId("lines"), byId("both")];
    both.classList.remove("stretched");
    box.style.setProperty("--text", `${LARGEST_TEXT}px`);
    const room = box.clientWidth / both.offsetWidth;
    const size = Math.max(SMALLEST_TEXT, Math.min(LARGEST_TEXT, Math.floor(LARGEST_TEXT * room)));
    box.style.setProperty("--text", `${size}px`);
    const isLonger = both.offsetWidth > box.clientWidth;
    both.classList.toggle("stretched", isLonger);
    box.tabIndex = isLonger ? 0 : -1; // so that it can be scrolled by keys
    this.draw();
  }

  draw() {
    const svg = byId("arcs");
    const height = svg.clientHeight;
    const middle = (word) => word.offsetLeft + word.offsetWidth / 2;
    svg.setAttribute("width", byId("both").clientWidth);
    this.arcs = this.line.links.map(({ source, target }) => {
      const [from, to] = [middle(this.words.source[source]), middle(this.words.target[target])];
      const d = `M${from} 0C${from} ${height * BEND} ${to} ${height * (1 - BEND)} ${to} ${height}`;
      const place = { "data-source": source, "data-target": target, d };
      return make("g", { class: "arc" }, make("path", { ...place, class: "reach" }), make("path", { ...place, class: "ink" }));
    });
    svg.replaceChildren(...this.arcs);
  }

  /** Lights a word or a link, and its partners. */
  light(focus) {
    const isAlone = focus && (focus.source === undefined) !== (focus.target === undefined);
    for (const side of SIDES) {
      this.words[side].forEach((word, index) => {
        const isPartner = isAlone && this.line.links.some((link) => link[side] === index && link[other(side)] === focus[other(side)]);
        word.classList.toggle("here", focus?.[side] === index);
        word.classList.toggle("partner", Boolean(isPartner));
        word.setAttribute("aria-pressed", String(this.pinned?.[side] === index));
      });
    }
    byId("arcs").classList.toggle("dimmed", Boolean(focus));
    this.line?.links.forEach((link, at) => {
      const isLit = focus && SIDES.every((side) => focus[side] === undefined || focus[side] === link[side]);
      this.arcs[at].classList.toggle("lit", Boolean(isLit));
    });
  }

  placeOf(event) {
    const word = event.target.closest(".word");
    if (word) return { [word.closest(".line").id.replace("-line", "")]: Number(word.dataset.index) };
    const { source, target } = event.target.dataset ?? {};
    return source === undefined ? null : { source: Number(source), target: Number(target) };
  }

  pointedAt(event) {
    this.onFocus(this.placeOf(event) ?? this.pinned);
  }

  chosen(event) {
    const place = this.placeOf(event);
    if (!place) return;
    this.pinned = place;
    this.onFocus(place);
    if (place.source === undefined) this.onOpen(place.target);
  }

  unpin() {
    this.pinned = null;
    this.onFocus(null);
  }

  focusWord(side, index) {
    const word = this.words[side][index];
    if (!word) return;
    for (const each of this.words[side]) each.tabIndex = each === word ? 0 : -1;
    word.focus();
  }

  /** Arrow keys: along the row as it is read on the screen, and across to the first partner. */
  walk(event) {
    const place = this.placeOf(event);
    const side = SIDES.find((name) => place?.[name] !== undefined);
    if (!side) return;
    if (["Enter", " "].includes(event.key)) {
      event.preventDefault();
      this.chosen(event);
      return;
    }
    const index = place[side];
    const forward = byId(`${side}-line`).dir === "rtl" ? -1 : 1;
    const across = { source: "ArrowDown", target: "ArrowUp" }[side];
    const steps = {
      ArrowRight: [side, index + forward],
      ArrowLeft: [side, index - forward],
      Home: [side, 0],
      End: [side, this.words[side].length - 1],
      [across]: [other(side), this.line.links.find((link) => link[side] === index)?.[other(side)]],
    };
    const [row, to] = steps[event.key] ?? [];
    if (!this.words[row]?.[to]) return;
    event.preventDefault();
    this.focusWord(row, to);
  }
}
