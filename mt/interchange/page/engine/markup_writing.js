// Writes marks into a text, with blanks chosen so that removing the marks restores the text (`mt.inference.markup_writing`).

import { firstOf, lastOf } from "./letters.js";
import { encoded, joint, neighbour } from "./markup.js";
import { isLeaf } from "./markup_reader.js";

/** The target with its marks. `placed`: { gap, number, mark } in order: how many target atoms stand before each mark. */
export function written(pair, placed, isEncoded) {
  const atGap = new Map();
  for (const item of placed) atGap.set(item.gap, [...(atGap.get(item.gap) ?? []), item]);
  let line = "";
  for (let gap = 0; gap <= pair.target.length; gap++) {
    const blank = pair.blank(gap);
    const stop = gap ? pair.target[gap - 1].stop : 0;
    const items = atGap.get(gap);
    if (items) {
      const begin = stop + blank.length;
      // joints look at two characters at most
      const [before, after] = [pair.text.slice(Math.max(0, stop - 4), stop), pair.text.slice(begin, begin + 4)];
      line += spaced(before, items, after, blank).map((item) => item.raw ?? item).join("");
    } else line += blank;
    const atom = pair.target[gap];
    if (!atom) continue;
    const text = pair.text.slice(atom.start, atom.stop);
    line += isEncoded ? encoded(text) : text;
  }
  return line;
}

/** The marks of a joint with blanks, so that `blank` remains without them: as in the source where possible. */
function spaced(before, placed, after, blank) {
  let items = [];
  for (const [isFirst, ...isBehind] of spacings(before, placed, after)) {
    items = isFirst ? [blank || " "] : [];
    placed.forEach(({ mark }, at) => items.push(...(isBehind[at] ? [mark, blank || " "] : [mark])));
    if (joint(before, items, after) === blank) break;
  }
  return items;
}

/** Whether a blank stands before all of the marks, and after each; best first, one of the last two always works. */
function* spacings(before, placed, after) {
  const [count, first, last] = [placed.length, placed[0].mark, placed.at(-1).mark];
  yield [
    before !== "" && first.before !== neighbour(lastOf(before)),
    ...placed.slice(1).map((right, at) => isApart(placed[at], right)),
    after !== "" && last.after !== neighbour(firstOf(after)),
  ];
  const border = placed.findLastIndex(({ mark }) => belongsToTheLeft(mark)) + 1;
  // all places between two marks are the same to `joint`: only the nearest one is tried
  const inner = count > 1 ? [Math.min(Math.max(border, 1), count - 1)] : [];
  const distance = (place) => Math.abs(place - border);
  const places = [...new Set([0, ...inner, count])].sort((a, b) => distance(a) - distance(b) || a - b);
  for (const place of places) yield Array.from({ length: count + 1 }, (_, at) => at === place);
  yield new Array(count + 1).fill(false);
  yield Array.from({ length: count + 1 }, (_, at) => at === 0 || at === count);
}

/** Whether a blank stands between two marks. */
function isApart(left, right) {
  const isNext = right.number === left.number + 1 && left.mark.at === right.mark.at; // neighbours in the source
  if (isNext) return left.mark.isApart;
  if (isLeaf(left.mark) && isLeaf(right.mark)) return left.mark.after === "blank" || right.mark.before === "blank";
  if (isLeaf(left.mark)) return right.mark.kind === "open" && left.mark.after === "blank";
  if (isLeaf(right.mark)) return left.mark.kind === "close" && right.mark.before === "blank";
  return left.mark.kind === "close" && right.mark.kind === "open" && left.mark.after === "blank" && right.mark.before === "blank";
}

function belongsToTheLeft(mark) {
  return mark.kind === "close" || (isLeaf(mark) && mark.after === "blank" && mark.before !== "blank");
}
