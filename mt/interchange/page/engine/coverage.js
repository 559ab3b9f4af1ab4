// What a translation seems to leave out or to repeat (`mt.alignment.omission`, `mt.inference.loops`).

const UNREAD = 0.1; // attention summed over target words
const LEFT_OVER = 0.15; // of a step's attention
const [LEAST_TIMES, LONGEST] = [3, 10]; // of a repetition; words in the phrase
const hasText = (piece) => /[\p{L}\p{N}]/u.test(piece);
const rounded = (number) => Math.round(number * 1e4) / 1e4;

/**
 * The source words that seem to be left out: { position, word, read, left_over }. `weights`: rows of target words over
 * source words; `left`: of each source word how little of it was translated at the end; `isCommon`: which are too common
 * to tell.
 */
export function omittedOf(source, { weights, left, isCommon }) {
  const read = source.map((_, word) => weights.reduce((sum, row) => sum + row[word], 0));
  return source
    .map((word, position) => ({ position, word, read: rounded(read[position]), left_over: rounded(left[position]) }))
    .filter(({ position }) => (read[position] < UNREAD && !isCommon[position]) || left[position] >= LEFT_OVER);
}

/** { coverage, omitted, repeated } of a line with these words. */
export function coverageOf(source, target, omitted) {
  const repeated = loops(source, target).map(({ start, size, times }) => ({ position: start, words: target.slice(start, start + size).join(" "), times }));
  return { coverage: rounded(1 - omitted.length / Math.max(source.length, 1)), omitted, repeated };
}

/** Of each source word, how much more the step of </s> looks at it than any step before, in the mean of all heads. */
export function leftOver(means, pieces, share) {
  const has = pieces.map((piece) => (hasText(piece) ? 1 : 0));
  const numWords = share[0]?.length ?? 0;
  const rows = means.map((row) => {
    const words = new Float64Array(numWords);
    share.forEach((of, piece) => of.forEach((own, word) => (words[word] += row[piece] * has[piece] * own)));
    return words;
  });
  const last = rows.at(-1);
  return Array.from(last, (weight, word) => Math.max(0, weight - rows.slice(0, -1).reduce((most, row) => Math.max(most, row[word]), 0)));
}

/** Phrases that the target repeats, at least three times in a row and more often than the source repeats any. */
function loops(source, target) {
  const allowed = runs(source).reduce((most, { times }) => Math.max(most, times), 1);
  const found = [];
  for (const loop of runs(target).sort((a, b) => a.size - b.size || a.start - b.start)) {
    const end = ({ start, size, times }) => start + size * times;
    const isNew = found.every((old) => loop.start >= end(old) || old.start >= end(loop)); // "a a a a" is also "a a" twice
    if (isNew && loop.times >= Math.max(LEAST_TIMES, allowed + 1)) found.push(loop);
  }
  return found.sort((a, b) => a.start - b.start);
}

function runs(words) {
  const found = [];
  for (let size = 1; size <= Math.min(LONGEST, Math.floor(words.length / 2)); size++) {
    let start = 0;
    for (let end = size; end <= words.length; end++) {
      if (end < words.length && words[end] === words[end - size]) continue;
      const times = Math.floor((end - start) / size);
      if (times > 1) found.push({ start, size, times });
      start = end - size + 1;
    }
  }
  return found;
}
