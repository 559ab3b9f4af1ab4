// Where a sentence ends (`mt.inference.sentence_ends`), and how a long line is split (`mt.inference.segmenter`).

import { isVisible, lastOf, strip, stripStart } from "./letters.js";

const ASCII_MARKS = new Set(".!?…;");
const END =
  /(?<marks>[\p{Sentence_Terminal}…།༎]+|(?<=\p{Script=Greek}\p{M}*);)(?<closing>(?:[\p{Pe}\p{Pf}]|\s?[»›](?=\s|$)|["'“‘«‹”’\p{Sentence_Terminal}](?=[\p{P}\s]|$))*)(?<blank>\s*)/gu;
const MORE_MARKS = /^[\p{Sentence_Terminal}…།༎\p{Pe}]/u;
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}]/u;
const NEXT_LETTER = /[\p{P}\p{S}\s]{0,8}(?<letter>[\p{L}\p{N}])/uy;
const NEXT_WORD = /\p{L}+/uy;
const TOKEN = /[^\s\p{Ps}\p{Pi}"']*$/u;
const TOKEN_CHARACTERS = 40; // of the word before a full stop; a longer one is no abbreviation
const ONE_LETTER = /^(?:.*[.-])?\p{L}\p{M}*$/u; // an initial, or the end of "e.g", "J.-P"
const IS_NUMBER = /^(?:\p{Nd}{1,3}|[IVXLC]{1,6})$/u;
// places to cut where sentence ends are not enough, best first: a clause end, a blank, a blank that should not be broken
const PLACES = [/(?<=[,;:–—،؛၊])\s+|(?<=[，；：、])/gu, /[^\S\u00a0\u2007\u202f]+/gu, /\s+/gu];
const IDEOGRAPHIC = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\u3000-\u303f\uff01-\uff60]/u;
const WIDE_MARK = /^[\u3000-\u3020\uff01-\uff0f\uff1a-\uff20\uff5b-\uff65]/u;
const SENTENCE_SPACED = /^[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tai_Tham}\p{Script=Tibetan}]/u;
const ENDED = /[\p{Sentence_Terminal}…།༎][\p{Pe}\p{Pf}\p{Pi}"'\s]*$/u;

let abbreviations = { before_words: new Set(), before_numbers: new Set(), after_ordinals: new Set() };

/** From now on these abbreviations are known: lists by the names above. */
export function useAbbreviations(lists) {
  abbreviations = Object.fromEntries(Object.entries(lists).map(([name, words]) => [name, new Set(words)]));
}

/** The sentences of a text, each with the blanks after it; together they are the text. */
export function sentencesOf(text) {
  const hasCapitals = /\p{Lu}/u.test(text);
  const found = [];
  let start = 0;
  for (const match of text.matchAll(END)) {
    const end = match.index + match[0].length;
    if (end >= text.length || !isEnd(text, match, end, start, hasCapitals)) continue;
    found.push(text.slice(start, end));
    start = end;
  }
  if (start < text.length) found.push(text.slice(start));
  return found;
}

function after(pattern, text, place) {
  pattern.lastIndex = place;
  return pattern.exec(text);
}

function isEnd(text, match, end, start, hasCapitals) {
  const { marks, closing, blank } = match.groups;
  if (MORE_MARKS.test(text.slice(end))) return false; // "? !", "། །": the last of them ends it
  const isAscii = [...marks].every((mark) => ASCII_MARKS.has(mark));
  if (!blank) {
    const before = lastOf(text.slice(0, match.index));
    // "www.mt.org" and "3.5", but 真的?是的
    if (isAscii) return "!?".includes(marks.at(-1)) && UNSPACED.test(text.slice(end)) && UNSPACED.test(before);
    if (/\p{Nd}/u.test(before) && /^\p{Nd}/u.test(text.slice(end))) return false;
  }
  const letter = after(NEXT_LETTER, text, end)?.groups.letter;
  if (hasCapitals && letter && /\p{Lowercase}/u.test(letter)) return false;
  if (marks !== ".") return true;
  return strip(closing) !== "" || !goesOn(text, match.index, end, start, letter);
}

/** Whether a sentence continues after a full stop: before it is an initial, an abbreviation or an ordinal. */
function goesOn(text, stop, end, start, letter) {
  const [token] = TOKEN.exec(text.slice(Math.max(start, stop - TOKEN_CHARACTERS), stop));
  const place = stop - token.length;
  const word = token.toLowerCase();
  const isNumber = /^\p{Nd}+$/u.test(token);
  if (IS_NUMBER.test(token) && token.length <= (isNumber ? 3 : 6)) {
    const isFirst = !strip(text.slice(start, place));
    const following = after(NEXT_WORD, text, end)?.[0].toLowerCase();
    return isFirst || abbreviations.after_ordinals.has(following);
  }
  if (ONE_LETTER.test(token) && !UNSPACED.test(token)) return !/\p{Nd}\s?$/u.test(text.slice(Math.max(start, place - 3), place));
  if (abbreviations.before_words.has(word) || (word.endsWith("str") && word.length > 4)) return true;
  return letter !== undefined && /\p{N}/u.test(letter) && abbreviations.before_numbers.has(word);
}

/**
 * { parts, isCut }: the text in parts of at most `most` pieces, as `count` counts them: cut at sentence ends, then at clause
 * ends, then at blanks; `isCut`: a word that is too long was cut.
 */
export function splitLong(text, most, count) {
  if (count(text) <= most) return { parts: [text], isCut: false };
  const { parts, isCut } = split(text, (part) => count(strip(part)) <= most);
  return { parts: parts.map(strip), isCut };
}

/** Parts that fit, each with the blanks after it. */
function split(text, fits) {
  if (fits(text)) return { parts: [text], isCut: false };
  for (const cut of [sentencesOf, ...PLACES.map((place) => (whole) => cutAt(whole, place))]) {
    const pieces = cut(text);
    if (pieces.length < 2) continue;
    const found = pieces.map((piece) => split(piece, fits));
    return { parts: packed(found.flatMap(({ parts }) => parts), fits), isCut: found.some(({ isCut }) => isCut) };
  }
  const letters = strip(text);
  if (letters.length < 2) return { parts: [text], isCut: true };
  const middle = text.length - stripStart(text).length + Math.floor(letters.length / 2); // keep the blanks after it
  return { parts: [text.slice(0, middle), text.slice(middle)].flatMap((half) => split(half, fits).parts), isCut: true };
}

/** The text cut after each such place; no part is only blanks. */
function cutAt(text, place) {
  const pieces = [];
  let start = 0;
  for (const match of text.matchAll(place)) {
    const end = match.index + match[0].length;
    if (!isVisible(text.slice(start, end))) continue;
    pieces.push(text.slice(start, end));
    start = end;
  }
  if (isVisible(text.slice(start))) pieces.push(text.slice(start));
  return pieces;
}

/** Neighbours joined again while they fit together: context helps, and fewer parts are faster. */
function packed(parts, fits) {
  const found = [];
  for (let start = 0; start < parts.length; ) {
    let end = start + 1;
    while (end < parts.length && fits(parts.slice(start, end + 1).join(""))) end++;
    found.push(parts.slice(start, end).join(""));
    start = end;
  }
  return found;
}

/** The texts of parts as one: with a blank between them, unless their script has none. `sources` are those of the parts. */
export function joinedParts(texts, sources) {
  let whole = "";
  let previous = ""; // the source of the last part that has a text
  texts.forEach((text, at) => {
    if (!text) return;
    whole += !whole || !hasBlank(lastOf(whole), text, previous) ? text : ` ${text}`;
    previous = sources[at];
  });
  return whole;
}

function hasBlank(before, text, source) {
  if (WIDE_MARK.test(before) || WIDE_MARK.test(text)) return false;
  if (IDEOGRAPHIC.test(before) && IDEOGRAPHIC.test(text)) return false;
  if (SENTENCE_SPACED.test(before) && SENTENCE_SPACED.test(text)) return ENDED.test(source.slice(-8));
  return true;
}
