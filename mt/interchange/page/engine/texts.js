// A text into the sentences that are translated, and what stands around them (`mt.serving.texts`).

import { isVisible, strip } from "./letters.js";
import { sentencesOf } from "./sentences.js";

const LINE_END = /(\r\n|\n|\r)/;

/** { sentences, between }: blanks at the ends of a sentence, and lines without visible characters, are not translated. */
export function partsOf(text) {
  const pieces = text.split(LINE_END).flatMap((piece, place) => (place % 2 === 0 && isVisible(piece) ? sentencesOf(piece) : [piece]));
  const [sentences, between] = [[], [""]];
  for (const piece of pieces) {
    const core = strip(piece);
    if (!isVisible(core)) {
      between.push(between.pop() + piece);
      continue;
    }
    const start = piece.indexOf(core);
    between.push(between.pop() + piece.slice(0, start), piece.slice(start + core.length));
    sentences.push(core);
  }
  return { sentences, between };
}
