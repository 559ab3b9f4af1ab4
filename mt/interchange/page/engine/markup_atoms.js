// The two texts of a line with markup, cut into atoms, between which marks may stand, and the links of the atoms
// (`mt.inference.markup_atoms`): opening signs, core and closing signs of words, each linked to the same kind.

import { firstOf, isSign, sizeOf } from "./letters.js";
import { neighbour } from "./markup.js";

export const [LEAD, CORE, TAIL] = [0, 1, 2];

/** The place of the first character of each word. */
export function wordStarts(text) {
  return Array.from(text.matchAll(/[^ ]+/g), ({ index }) => index);
}

/** How many of the sorted numbers are below one, or at most one. */
function numBelow(numbers, most, isIncluded) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < most || (isIncluded && numbers[middle] === most)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const numBefore = (numbers, place) => numBelow(numbers, place, false);
const wordAt = (starts, place) => numBelow(starts, place, true) - 1;

/** { start, stop, word, part } of each atom; `cuts`: places in words at which marks stand, in order. */
export function atomsOf(text, cuts = []) {
  const starts = wordStarts(text);
  const found = [];
  for (const run of text.matchAll(/\S+/g)) {
    const letters = [...run[0]]; // one word may be several runs, separated by blanks other than U+0020
    const [start, stop] = [run.index, run.index + run[0].length];
    const word = wordAt(starts, start);
    let [low, high] = [0, letters.length];
    while (low < high && isSign(letters[low])) low++;
    while (high > low && isSign(letters[high - 1])) high--;
    if (low === high) [low, high] = [0, letters.length]; // only signs
    const first = start + letters.slice(0, low).join("").length;
    const last = start + letters.slice(0, high).join("").length;
    for (const [part, begin, end] of [[LEAD, start, first], [CORE, first, last], [TAIL, last, stop]]) {
      const edges = [begin, ...cuts.filter((cut) => cut > begin && cut < end), end];
      for (let at = 1; at < edges.length; at++) if (edges[at - 1] < edges[at]) found.push({ start: edges[at - 1], stop: edges[at], word, part });
    }
  }
  return found;
}

/** The atoms of both sides and their links [target, source, share]; the shares of a target atom sum to one. */
export class AtomPair {
  constructor(marked, text, links, { splitsCopies }) {
    this.text = text;
    this.source = atomsOf(marked.text, [...new Set(marked.marks.map(({ at }) => at))].sort((a, b) => a - b));
    const ofPart = new Map();
    this.source.forEach(({ word, part }, number) => {
      const key = `${word} ${part}`;
      ofPart.set(key, [...(ofPart.get(key) ?? []), number]);
    });
    const linked = new Map();
    for (const [from, to] of links) linked.set(to, [...(linked.get(to) ?? []), from]);
    [this.target, this.links] = [[], []];
    const sizes = this.source.map(({ start, stop }) => sizeOf(marked.text.slice(start, stop)));
    for (const atom of atomsOf(text)) {
      const groups = (linked.get(atom.word) ?? []).map((word) => ofPart.get(`${word} ${atom.part}`) ?? []);
      const pieces = groups.length === 1 ? groups[0].map((number) => this.source[number]) : [];
      if (splitsCopies && pieces.length > 1 && isCopy(marked.text, pieces, text, atom)) {
        groups[0].forEach((number, at) => {
          this.links.push([this.target.length, number, 1]);
          const start = atom.start + pieces[at].start - pieces[0].start;
          this.target.push({ ...atom, start, stop: start + pieces[at].stop - pieces[at].start });
        });
        continue;
      }
      const all = groups.flat();
      const total = all.reduce((sum, number) => sum + sizes[number], 0);
      for (const number of all) this.links.push([this.target.length, number, sizes[number] / total]);
      this.target.push(atom);
    }
    this.isLinked = this.target.map(() => false);
    for (const [target] of this.links) this.isLinked[target] = true;
    this.isBetweenWords = Array.from({ length: this.target.length + 1 }, (_, gap) => {
      const isEdge = !gap || gap === this.target.length;
      return isEdge || this.target[gap - 1].stop < this.target[gap].start;
    });
    this.isBeforeLetter = [...this.target.map(({ start }) => neighbour(firstOf(text.slice(start))) === "letter"), false];
  }

  /** The share of each target atom that is linked to source atoms first ... end - 1. */
  shares(first, end) {
    const found = this.target.map(() => 0);
    for (const [target, source, share] of this.links) if (source >= first && source < end) found[target] += share;
    return found;
  }

  /** For each target atom, its share linked before that place in the source, minus its share linked after it. */
  before(place) {
    const found = this.target.map(() => 0);
    for (const [target, source, share] of this.links) {
      const distance = place - source; // 1 for the atom before it, 0 for the one after it
      found[target] += share * (distance > 0 ? 1 / distance : -1 / (1 - distance));
    }
    return found;
  }

  /** The text before a target atom; after the last one, the text that follows it. */
  blank(gap) {
    const start = gap ? this.target[gap - 1].stop : 0;
    return this.text.slice(start, this.target[gap]?.start);
  }
}

/** The most steps that placing all marks by links can take: marks x (target words + links). */
export function numCells(marked, text, links) {
  const starts = wordStarts(marked.text);
  const partsOf = new Map();
  for (const { at } of marked.marks) partsOf.set(wordAt(starts, at), (partsOf.get(wordAt(starts, at)) ?? 0) + 1);
  const numLinks = links.reduce((sum, [source]) => sum + 1 + (partsOf.get(source) ?? 0) + (partsOf.get(source - 1) ?? 0), 0);
  return marked.marks.length * (wordStarts(text).length + numLinks);
}

function isCopy(source, pieces, target, atom) {
  return source.slice(pieces[0].start, pieces.at(-1).stop) === target.slice(atom.start, atom.stop);
}
