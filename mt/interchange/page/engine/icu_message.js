// ICU messages with branches, `{count, plural, one {# file} other {# files}}`, as `mt.inference.icu_message` reads them.

import { strip, stripStart, WORD } from "./letters.js";

export const START = `\\{\\s{0,9}[${WORD}.\\-]{1,99}\\s{0,9},\\s{0,9}(?<kind>plural|selectordinal|select)\\s{0,9},`;
export const MAX_DEPTH = 8; // of messages in branches of messages

const at = (pattern) => new RegExp(pattern, "uy");
const [BEGIN, OFFSET, SELECTOR, END] = [at(START), at(String.raw`\s*offset:\s*\p{Nd}+`), at(`\\s*(?:=\\p{Nd}+|[${WORD}\\-]+)\\s*\\{`), at(String.raw`\s*\}`)];
const SIGN = /[{}]|'(?=[{}])|''/g;

function match(pattern, line, place) {
  pattern.lastIndex = place;
  return pattern.exec(line);
}

/**
 * The message that begins at a place: { stop, frame, branches, hasNumbers }; null where there is no complete one. `frame`
 * has one part more than `branches`, which come between its parts.
 */
export function readFrame(line, start) {
  const found = match(BEGIN, line, start);
  if (!found) return null;
  let place = BEGIN.lastIndex;
  const hasNumbers = found.groups.kind !== "select";
  if (hasNumbers && match(OFFSET, line, place)) place = OFFSET.lastIndex;
  const [frame, branches] = [[], []];
  let begin = start;
  while (match(SELECTOR, line, place)) {
    const first = SELECTOR.lastIndex;
    const stop = branchEnd(line, first);
    if (stop === null) return null;
    const branch = line.slice(first, stop);
    const text = strip(branch);
    const textStart = text ? stop - stripStart(branch).length : stop;
    const textStop = textStart + text.length;
    frame.push(line.slice(begin, textStart));
    branches.push(line.slice(textStart, textStop));
    [begin, place] = [textStop, stop + 1];
  }
  if (!match(END, line, place) || !branches.length) return null;
  return { stop: END.lastIndex, frame: [...frame, line.slice(begin, END.lastIndex)], branches, hasNumbers };
}

/** The place of the brace that closes a branch. */
function branchEnd(line, start) {
  let depth = 0;
  let place = start;
  for (;;) {
    const found = match(SIGN, line, place);
    if (!found) return null;
    place = SIGN.lastIndex;
    if (found[0] === "'") {
      const closing = line.indexOf("'", place); // quoted, up to the next apostrophe
      place = closing >= 0 ? closing + 1 : line.length;
    } else if (found[0] === "{") depth += 1;
    else if (found[0] === "}") {
      if (!depth) return found.index;
      depth -= 1;
    }
  }
}
