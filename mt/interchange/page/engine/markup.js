// A line as text and marks, as `mt.inference.markup` reads it: tags and placeholders are taken out before translating.

import { firstOf, isBlank, isSign, lastOf, strip, stripEnd, stripStart } from "./letters.js";
import { BRANCH, isLeaf, LINE, NUMBER_BRANCH, partnered, partsWords, Reader, withOpaqueWhole } from "./markup_reader.js";

const QUOTES = new Set("\"'");
const OPENING = new Set("([{¿¡«„“‘‹");
const CLOSING = new Set(".,;:!?…)]}»”’›。，、！？");
const isText = (item) => typeof item === "string";

/**
 * { line, text, marks, isEncoded, messages, notes, syntax }: the text without marks; `isEncoded`: the line has tags or
 * entities; `messages`, { number, start, stop, frame, branches } each: marks that have branches; `notes`: what could
 * not be read and is kept as text. `depth`: the number of messages around the line.
 */
export function parse(line, syntax = LINE, depth = 0) {
  const reader = new Reader(line, syntax, depth);
  const parts = withOpaqueWhole(line, reader.parts());
  let text = "";
  let found = []; // of the current joint
  const marks = [];
  for (const part of [...merged(parts.map(({ content }) => content)), null]) {
    if (part !== null && (!isText(part) || isBlank(part))) {
      found.push(part);
      continue;
    }
    const body = strip(part ?? "");
    const blanks = part ? part.slice(0, part.length - stripStart(part).length) : "";
    if (blanks) found.push(blanks);
    marks.push(...placed(found, text, body));
    text += joint(text, found, body) + body;
    const behind = part ? part.slice(stripEnd(part).length) : "";
    found = behind ? [behind] : [];
  }
  const messages = [];
  let number = 0;
  for (const part of parts) {
    if (part.frame) messages.push(messageOf(part, number, syntax, depth));
    number += isText(part.content) ? 0 : 1;
  }
  const notes = [...reader.notes, ...messages.flatMap(({ branches }) => branches.flatMap((branch) => branch.notes))];
  return { line, text, marks: partnered(marks), isEncoded: parts.some(({ isCode }) => isCode), messages, notes, syntax };
}

function messageOf({ frame, start, stop }, number, outer, depth) {
  // in a message that selects by a word, `#` stands for the number of the message around it
  const syntax = frame.hasNumbers || outer === NUMBER_BRANCH ? NUMBER_BRANCH : BRANCH;
  const branches = frame.branches.map((branch) => parse(branch, syntax, depth + 1));
  return { number, start, stop, frame: frame.frame, branches };
}

/** All texts to translate, separately: the line, then the branches of its messages, and theirs. */
export function textsOf(marked) {
  return [marked, ...marked.messages.flatMap(({ branches }) => branches.flatMap(textsOf))];
}

/** A joint between two texts (one is empty at an end of the line) without its marks. */
export function joint(before, items, after) {
  if (items.every(isText)) return items.join("");
  const [first, last] = [items[0], items.at(-1)];
  if (!before || !after) {
    const outer = before ? last : first; // only blanks outside the marks belong to the text
    return isText(outer) ? outer : "";
  }
  const marks = items.filter((item) => !isText(item));
  const blanks = items.filter(isText);
  if (!blanks.length) return !isSign(lastOf(before)) && !isSign(firstOf(after)) && marks.some(partsWords) ? " " : "";
  if (marks.some(isLeaf)) {
    if (!isText(last) && closes(after)) return "";
    if (!isText(first) && opens(before)) return "";
  }
  return blanks[0];
}

/** The text encoded for a place between tags. */
export function encoded(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function opens(before) {
  const last = lastOf(before);
  return OPENING.has(last) || (QUOTES.has(last) && isBlank(lastOf(before.slice(0, -1))));
}

function closes(after) {
  const first = firstOf(after);
  return CLOSING.has(first) || (QUOTES.has(first) && !/[\p{L}\p{N}]/u.test(firstOf(after.slice(1))));
}

/** The same with neighbouring texts joined, and without empty ones. */
function merged(parts) {
  const found = [];
  let text = "";
  const flush = () => {
    if (text) found.push(text);
    text = "";
  };
  for (const part of parts) {
    if (isText(part)) text += part;
    else {
      flush();
      found.push(part);
    }
  }
  flush();
  return found;
}

/** The marks of a joint between two texts, each with its position. */
function placed(items, before, after) {
  const lefts = neighbours(items, lastOf(before));
  const rights = neighbours([...items].reverse(), firstOf(after)).reverse();
  return items.flatMap((item, place) => {
    if (isText(item)) return [];
    const isApart = place + 1 < items.length && isText(items[place + 1]);
    return [{ ...item, at: before.length, before: lefts[place], after: rights[place], isApart }];
  });
}

/** The left neighbour of each item; `character` is the one before the first (empty: an end of the line). */
function neighbours(items, character) {
  let now = neighbour(character);
  return items.map((item) => {
    const found = now;
    if (isText(item)) now = "blank";
    else if (isLeaf(item)) now = "leaf";
    else if (now === "letter") now = "blank"; // a word on the other side of a tag is not glued to a mark that may move
    return found;
  });
}

/** The kind of neighbour that this character (empty: none) is for a mark. */
export function neighbour(character) {
  if (isBlank(character)) return "blank";
  return isSign(character) ? "sign" : "letter";
}
