// From pieces to words, as `mt.alignment.words` does it: which word a piece belongs to, links, and how sure words are.

import { isBlank } from "./letters.js";
import { charactersOf } from "./tokenizer.js";

const BLANK = "▁";
const LEAST = 1e-6; // of a probability in a logit
const CASELESS = { "ß": "ss", "ς": "σ", "և": "եւ" }; // small letters with another form where case does not count
const BYTE = /^<0x([0-9A-F]{2})>$/;

export function splitWords(text) {
  return text.split(" ").filter(Boolean);
}

/** share[piece][word]: how much of each piece belongs to each word of the text. */
export function sharesOf(pieces, text) {
  const words = splitWords(text);
  const spelled = lettersOf(pieces).filter(({ letter }) => !isBlank(letter) || letter === " ");
  const letters = spelled.filter(({ letter }) => letter !== " ");
  const wordOf = wordsOfLetters(spelled, letters, words);
  const share = pieces.map(() => new Float64Array(words.length));
  letters.forEach(({ owners }, at) => {
    if (wordOf[at] !== undefined) for (const piece of owners) share[piece][wordOf[at]] += 1;
  });
  let following;
  for (let piece = pieces.length - 1; piece >= 0; piece--) {
    const sum = share[piece].reduce((a, b) => a + b, 0);
    if (sum) {
      following = share[piece].indexOf(Math.max(...share[piece]));
      share[piece] = share[piece].map((one) => one / sum);
    } else if (words.length && letters.length) {
      share[piece][following ?? words.length - 1] = 1;
    }
  }
  return share;
}

/** The characters that pieces spell, each with the pieces that spell it. */
function lettersOf(pieces) {
  const found = [];
  let bytes = [];
  const flush = () => {
    let at = 0;
    for (const { letter, size } of charactersOf(bytes.map(({ byte }) => byte))) {
      found.push({ letter, owners: bytes.slice(at, at + size).map(({ piece }) => piece) });
      at += size;
    }
    bytes = [];
  };
  pieces.forEach((text, piece) => {
    const byte = BYTE.exec(text)?.[1];
    if (byte) return bytes.push({ byte: Number.parseInt(byte, 16), piece });
    if (bytes.length) flush();
    for (const letter of text) found.push({ letter: letter === BLANK ? " " : letter, owners: [piece] });
  });
  if (bytes.length) flush();
  return found;
}

function wordsOfLetters(spelled, letters, words) {
  const have = letters.flatMap(({ letter }, at) => [...folded(letter)].map((part) => ({ part, at })));
  const want = words.flatMap((text, word) => [...folded(text)].map((part) => ({ part, word })));
  const found = [];
  if (have.map(({ part }) => part).join("") === want.map(({ part }) => part).join("")) {
    have.forEach(({ at }, place) => (found[at] = want[place].word)); // the same text except for blanks
    return filled(found, letters.length);
  }
  const byBlanks = wordsByBlanks(spelled);
  if ((byBlanks.at(-1) ?? -1) + 1 === words.length) return byBlanks;
  for (const { ofHave, ofWant, size } of runsOf(have, want)) {
    for (let at = 0; at < size; at++) found[have[ofHave + at].at] = want[ofWant + at].word;
  }
  return filled(found, letters.length);
}

/** The word of each letter by the blanks that are spelled. */
function wordsByBlanks(spelled) {
  let word = -1;
  let isInside = false;
  const found = [];
  for (const { letter } of spelled) {
    if (letter === " ") isInside = false;
    else {
      word += isInside ? 0 : 1;
      isInside = true;
      found.push(word);
    }
  }
  return found;
}

/** Letters without a word take that of the letter before; at the start, of the first letter that has one. */
function filled(found, count) {
  let last = found.find((word) => word !== undefined);
  return Array.from({ length: count }, (_, at) => (last = found[at] ?? last));
}

/** The longest common runs of two lists, one after the other, as Python's `difflib.SequenceMatcher` finds them. */
function runsOf(have, want) {
  const places = new Map();
  want.forEach(({ part }, at) => places.set(part, [...(places.get(part) ?? []), at]));
  const found = [];
  const waiting = [[0, have.length, 0, want.length]];
  while (waiting.length) {
    const [low, high, first, end] = waiting.pop();
    let best = { ofHave: low, ofWant: first, size: 0 };
    let sizes = new Map(); // of runs that end at each place of `want`
    for (let at = low; at < high; at++) {
      const next = new Map();
      for (const place of places.get(have[at].part) ?? []) {
        if (place < first || place >= end) continue;
        const size = (sizes.get(place - 1) ?? 0) + 1;
        next.set(place, size);
        if (size > best.size) best = { ofHave: at - size + 1, ofWant: place - size + 1, size };
      }
      sizes = next;
    }
    if (!best.size) continue;
    found.push(best);
    waiting.push([low, best.ofHave, first, best.ofWant], [best.ofHave + best.size, high, best.ofWant + best.size, end]);
  }
  return found.sort((one, other) => one.ofHave - other.ofHave);
}

/** Letters without case, width and composition, and without what cannot be seen. */
function folded(text) {
  const small = text.normalize("NFKD").toLowerCase().replace(/[ßςև]/g, (letter) => CASELESS[letter]);
  return small.replace(/[\s\p{Cc}\p{Cf}]/gu, "");
}

/** Of each target word its weights over the source words. `maps`: those of each step; columns and rows of </s> are left out. */
export function weightsByWords(maps, sourceShare, targetShare, shift) {
  const numSource = sourceShare.length;
  const rows = targetShare.map((_, at) => normalized(maps[at + shift].subarray(0, numSource)));
  const [numTargets, numSources] = [targetShare[0]?.length ?? 0, sourceShare[0]?.length ?? 0];
  return Array.from({ length: numTargets }, (_, target) => {
    const weights = new Float64Array(numSources);
    rows.forEach((row, piece) => {
      const share = targetShare[piece][target];
      if (share) row.forEach((weight, at) => sourceShare[at].forEach((own, word) => (weights[word] += share * weight * own)));
    });
    return normalized(weights);
  });
}

/** Links [source, target] by the weights of each target word; no threshold: each is linked to its best source word. */
export function linksOf(weights, threshold) {
  const links = [];
  weights.forEach((own, target) => {
    const most = Math.max(...own);
    own.forEach((weight, source) => {
      const isLinked = threshold === null ? most > 0 && source === own.indexOf(most) : weight >= threshold;
      if (isLinked) links.push([source, target]);
    });
  });
  return links;
}

function normalized(weights) {
  const sum = weights.reduce((a, b) => a + b, 0);
  return sum > 0 ? Float64Array.from(weights, (one) => one / sum) : Float64Array.from(weights);
}

/** The probability of each word: the product over its pieces. */
export function probabilitiesOf(logProbs, share) {
  return Array.from({ length: share[0]?.length ?? 0 }, (_, word) => {
    const sum = share.reduce((total, of, piece) => total + of[word] * Math.max(logProbs[piece], -1e6), 0);
    return Math.exp(sum);
  });
}

/** How sure the model is of each word of a line, by a `calibration` (`mt.inference.confidence`: an intercept and two weights). */
export function calibrated(probabilities, calibration) {
  if (!calibration) return probabilities.map((one) => (one === null ? null : rounded(one)));
  const clipped = probabilities.map((one) => Math.min(Math.max(one, LEAST), 1 - LEAST));
  const mean = clipped.reduce((sum, one) => sum + Math.log(one), 0) / (clipped.length || 1);
  const [intercept, ofWord, ofLine] = calibration;
  return clipped.map((one) => {
    const sum = intercept + ofWord * (Math.log(one) - Math.log1p(-one)) + ofLine * mean;
    return rounded(1 / (1 + Math.exp(-Math.min(Math.max(sum, -30), 30))));
  });
}

function rounded(share) {
  return Math.round(share * 1e4) / 1e4;
}
