// Puts the marks of a source into its translation by word links, as `mt.inference.markup_transfer` does, where the rules
// are: none lost or doubled, with the same nesting.

import { isVisible, sizeOf } from "./letters.js";
import { parse } from "./markup.js";
import { AtomPair, LEAD, numBefore, numCells, TAIL } from "./markup_atoms.js";
import { isLeaf, LINE } from "./markup_reader.js";
import { written } from "./markup_writing.js";

const FOREIGN = 1; // what a word linked elsewhere costs
const MAX_CELLS = 1 << 24; // marks x (target words + links) up to which each mark is placed by links
const PER_CHARACTER = 1e-6; // decides between equals: the longer word is better evidence
// whether marks may stand inside words, and whether tags without partner go to the ends of the line: the first way that
// reads back correctly is used
const WAYS = [[true, false], [false, false], [false, true]];
const NO_SYNTAX = { "{": "(", "}": ")", "'": "’" };

/** The line for translations of `textsOf(marked)`, in order, { text, links } each; links are [source, target] words. */
export function restoreAll(marked, translations) {
  return restored(marked, translations[Symbol.iterator]());
}

function restored(marked, translations) {
  const { text, links } = translations.next().value;
  const target = marked.syntax === LINE ? text : text.replaceAll("''", "'").replace(/[{}']/g, (one) => NO_SYNTAX[one]);
  if (!marked.messages.length) return restore(marked, target, links);
  const marks = [...marked.marks];
  let line = "";
  let end = 0;
  for (const { number, start, stop, frame, branches } of marked.messages) {
    const raw = frame.slice(0, -1).map((part, at) => part + restored(branches[at], translations)).join("") + frame.at(-1);
    marks[number] = { ...marks[number], raw };
    line += marked.line.slice(end, start) + raw;
    end = stop;
  }
  return restore({ ...marked, line: line + marked.line.slice(end), marks }, target, links);
}

/** The line for `target`, a translation of `marked.text`. Reading it back gives `target`, and the same marks and partners. */
export function restore(marked, target, given) {
  if (!isVisible(marked.text)) return marked.line;
  const unique = new Map(given.map((link) => [link.join("-"), link]));
  const links = [...unique.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const isEncoded = marked.isEncoded ? [true] : [false, true];
  const apart = new AtomPair(marked, target, [], { splitsCopies: false });
  if (numCells(marked, target, links) > MAX_CELLS) return written(apart, inOrder(marked, apart), marked.isEncoded);
  let first;
  for (const [goesInside, pinsSingles] of WAYS) {
    const pair = new AtomPair(marked, target, links, { splitsCopies: goesInside });
    const placed = new Placing(marked.marks, pair, { goesInside, pinsSingles }).inOrder();
    for (const way of isEncoded) {
      const line = written(pair, placed, way);
      if (isReadBack(line, target, placed, marked.syntax)) return line;
      first ??= line;
    }
  }
  // where no place by links can be read back, as between a blank and a quote: between words, in source order
  const placed = inOrder(marked, apart);
  for (const way of isEncoded) {
    const line = written(apart, placed, way);
    if (isReadBack(line, target, placed, marked.syntax)) return line;
  }
  return first; // the translation itself contains text that reads like a mark
}

/** Where in the target each mark goes: a gap, counted by the atoms before it; for an element, two of them. */
class Placing {
  constructor(marks, pair, { goesInside, pinsSingles }) {
    Object.assign(this, { marks, pair, goesInside });
    const starts = pair.source.map(({ start }) => start);
    this.places = marks.map(({ at }) => numBefore(starts, at)); // source atoms before each
    this.children = new Map([[null, []]]);
    this.gaps = new Map([[null, [0, pair.target.length]]]);
    const singles = [...marks.keys()].filter((number) => marks[number].partner === null);
    const ofKind = (kind) => (pinsSingles ? singles.filter((number) => marks[number].kind === kind) : []);
    [this.first, this.last] = [ofKind("close"), ofKind("open")]; // where they cannot be read as partners of each other
    this.findChildren();
    for (const waiting = [null]; waiting.length; ) {
      const element = waiting.pop();
      this.placeChildren(element);
      waiting.push(...this.children.get(element).filter((child) => this.children.has(child)));
    }
  }

  /** All marks in the order of the target. */
  inOrder() {
    const found = this.first.map((number) => [0, number]);
    const waiting = this.sorted(null).reverse().map((number) => [number, false]);
    while (waiting.length) {
      const [number, isOver] = waiting.pop();
      const [start, stop] = this.gaps.get(number);
      if (isOver) {
        found.push([stop, this.marks[number].partner]);
        continue;
      }
      found.push([start, number]);
      if (this.children.has(number)) waiting.push([number, true], ...this.sorted(number).reverse().map((child) => [child, false]));
    }
    found.push(...this.last.map((number) => [this.pair.target.length, number]));
    const sequential = found.map(([, number]) => number).filter((number) => this.marks[number].isSequential).sort((a, b) => a - b);
    let next = 0;
    return found.map(([gap, number]) => {
      const mark = this.marks[number];
      return { gap, number, mark: { ...mark, raw: mark.isSequential ? this.marks[sequential[next++]].raw : mark.raw } };
    });
  }

  findChildren() {
    const pinned = new Set([...this.first, ...this.last]);
    const inside = [null];
    this.marks.forEach((mark, number) => {
      if (mark.kind === "close" && mark.partner !== null) inside.pop();
      else if (!pinned.has(number)) {
        this.children.get(inside.at(-1)).push(number);
        if (mark.partner === null) return;
        this.children.set(number, []);
        inside.push(number);
      }
    });
  }

  /** Of source atoms. */
  range(element) {
    return element === null ? [0, this.pair.source.length] : [this.places[element], this.places[this.marks[element].partner]];
  }

  sorted(element) {
    const keyOf = (child) => [...this.gaps.get(child), child];
    return [...this.children.get(element)].sort((a, b) => {
      const [one, other] = [keyOf(a), keyOf(b)];
      return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
    });
  }

  placeChildren(element) {
    const [low, high] = this.gaps.get(element);
    const isFree = this.pair.target.map((_, atom) => atom >= low && atom < high);
    const isGapFree = Array.from({ length: this.pair.target.length + 1 }, (_, gap) => gap >= low && gap <= high);
    const ranges = new Map(this.children.get(element).filter((child) => this.children.has(child)).map((child) => [child, this.range(child)]));
    const rest = this.children.get(element).filter((child) => !ranges.has(child) || ranges.get(child)[0] === ranges.get(child)[1]);
    const hasNoText = new Set(rest);
    const sizeOf = (child) => ranges.get(child)[1] - ranges.get(child)[0];
    const [first, end] = this.range(element);
    for (const child of [...ranges.keys()].sort((a, b) => sizeOf(a) - sizeOf(b))) {
      if (hasNoText.has(child)) continue;
      const [start, stop] = ranges.get(child);
      let span = null;
      if (low !== high) span = start === first && stop === end ? [low, high] : this.span(start, stop, isFree);
      if (!span) {
        rest.push(child);
        continue;
      }
      this.gaps.set(child, span);
      isFree.fill(false, ...span);
      isGapFree.fill(false, span[0] + 1, Math.max(span[0] + 1, span[1]));
    }
    const gaps = [...isGapFree.keys()].filter((gap) => isGapFree[gap]);
    for (const child of rest) {
      const gap = this.gap(child, gaps);
      this.gaps.set(child, [gap, gap]);
    }
  }

  /** The target atoms of an element that has these source atoms. */
  span(first, end, isFree) {
    const { pair } = this;
    const share = pair.shares(first, end);
    const gain = share.map((of, at) => {
      const length = sizeOf(pair.text.slice(pair.target[at].start, pair.target[at].stop));
      return pair.isLinked[at] ? of * (1 + PER_CHARACTER * length) - FOREIGN * (1 - of) : 0;
    });
    const total = [0]; // no sum of gains justifies a place that is not free
    gain.forEach((of, at) => total.push(total[at] + (isFree[at] ? of : -2 * gain.length - 2)));
    let [start, stop, most] = [0, 0, -Infinity];
    let least = Infinity;
    gain.forEach((_, at) => {
      least = Math.min(least, total[at]);
      if (total[at + 1] - least > most) [most, stop] = [total[at + 1] - least, at + 1];
    });
    if (most > 0) {
      const lowest = Math.min(...total.slice(0, stop));
      start = total.slice(0, stop).lastIndexOf(lowest);
    } else {
      const best = share.map((of, at) => (isFree[at] && of > 0 ? 1 + gain[at] : 0));
      if (!best.some((of) => of)) return null;
      start = best.indexOf(Math.max(...best));
      stop = start + 1;
    }
    // signs that the source lacks join its first and last words where these have signs too
    const isOpenSign = (at, part) => isFree[at] && !pair.isLinked[at] && pair.target[at]?.part === part;
    while (isOpenSign(stop, TAIL) && pair.source[end - 1].part === TAIL) stop++;
    while (isOpenSign(start - 1, LEAD) && pair.source[first].part === LEAD) start--;
    return [start, stop];
  }

  /** The best of some gaps for a mark without text in the target. */
  gap(child, given) {
    const { pair } = this;
    const mark = this.marks[child];
    let gaps = given;
    // a mark that is not glued to a word in the source is not in the target
    const suits = gaps.filter((gap) => {
      const isBetween = pair.isBetweenWords[gap];
      return (isBetween || this.goesInside) && !(isLeaf(mark) && mark.after === "sign" && !isBetween && pair.isBeforeLetter[gap]);
    });
    if (suits.length) gaps = suits;
    else if (isLeaf(mark) && !gaps.every((gap) => pair.isBeforeLetter[gap])) {
      // a leaf before a letter, as in "%dq", might be read as text: the last resort
      gaps = gaps.filter((gap) => !pair.isBeforeLetter[gap]);
    }
    const total = [0];
    pair.before(this.places[child]).forEach((of, at) => total.push(total[at] + of));
    const most = Math.max(...gaps.map((gap) => total[gap]));
    let best = gaps.filter((gap) => total[gap] >= most - 1e-9);
    const wantsBlank = mark.before === "blank" && mark.after === "blank";
    const right = best.filter((gap) => pair.isBetweenWords[gap] === wantsBlank);
    if (right.length) best = right;
    const expected = (this.places[child] / Math.max(pair.source.length, 1)) * pair.target.length;
    return best.reduce((a, b) => (Math.abs(b - expected) < Math.abs(a - expected) ? b : a));
  }
}

/** Every mark in the order of the source, between words, at the same relative position. */
function inOrder(marked, pair) {
  const gaps = [...pair.isBetweenWords.keys()].filter((gap) => pair.isBetweenWords[gap]);
  const share = ({ at }) => sizeOf(marked.text.slice(0, at)) / sizeOf(marked.text);
  return marked.marks.map((mark, number) => ({ gap: gaps[toEven(share(mark) * (gaps.length - 1))], number, mark }));
}

/** The nearest whole number; of two, the even one. */
function toEven(number) {
  const low = Math.floor(number);
  if (number - low !== 0.5) return Math.round(number);
  return low % 2 ? low + 1 : low;
}

/** Whether the line without marks is the target, and its tags have the partners that they were given. */
function isReadBack(line, target, placed, syntax) {
  const again = parse(line, syntax);
  if (again.text !== target || again.marks.length !== placed.length) return false;
  if (again.marks.some(({ raw }, at) => raw !== placed[at].mark.raw)) return false;
  const newNumber = new Map(placed.map(({ number }, at) => [number, at]));
  return again.marks.every(({ partner }, at) => partner === (placed[at].mark.partner === null ? null : newNumber.get(placed[at].mark.partner)));
}
