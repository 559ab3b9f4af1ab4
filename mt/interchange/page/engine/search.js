// Beam search as in Python (`mt.search.beam`): the best hypotheses of every length, until none of them can win.

import { BANNED, BOS, EOS } from "./model.js";

/** The divisor of a score: see Wu et al. 2016. */
export function lengthPenalty(length, alpha) {
  return ((5 + length) / 6) ** alpha;
}

/**
 * The hypotheses that were finished, best first: { ids, logProb, score, logProbs, maps }; `logProbs` are those of
 * each piece and of </s>, `maps` the weights over the source of the steps that give them.
 * `limit` is the most pieces without </s>; `prefix` are pieces that stand first; `heads` are those of alignment;
 * `isOver` ends a search that nobody waits for, whose result is then null.
 */
export async function beamSearch(model, source, { size, alpha, limit, heads, prefix = [], isOver = () => false }) {
  let state = await model.start(source);
  let rows = [{ ids: [], total: 0, logProbs: [], maps: [] }];
  let next = [[BOS]];
  let found = [];
  for (let length = 1; length <= limit + 1; length++) {
    const out = await model.step(state, next);
    if (isOver()) return null;
    const order = best(rows, out.logProbs, size, { onlyEnd: length > limit, forced: prefix[length - 1] });
    const kept = order.map(({ row, token, total }) => {
      const { ids, logProbs, maps } = rows[row];
      const own = weightsOf(out.maps, row, heads);
      return { row, ids: [...ids, token], total, logProbs: [...logProbs, out.logProbs[row][token]], maps: [...maps, own] };
    });
    for (const { ids, total, logProbs, maps } of kept.filter(({ ids }) => ids.at(-1) === EOS)) {
      found.push({ ids: ids.slice(0, -1), logProb: total, score: total / lengthPenalty(length, alpha), logProbs, maps });
    }
    found = found.sort((a, b) => b.score - a.score); // of two equals the earlier stays first
    rows = kept.filter(({ ids }) => ids.at(-1) !== EOS);
    const most = rows.reduce((a, { total }) => Math.max(a, total), -Infinity);
    const divisor = Math.max(lengthPenalty(Math.min(length, limit) + 1, alpha), lengthPenalty(limit + 1, alpha));
    if (!rows.length || (found.length && most / divisor <= found[0].score)) break; // what is unfinished cannot win
    state = model.rows(out.state, rows.map(({ row }) => row));
    next = rows.map(({ ids }) => [ids.at(-1)]);
  }
  return found;
}

/** The likeliest continuations of all rows; of equals the earlier row, then the smaller piece. */
function best(rows, logProbs, size, { onlyEnd, forced }) {
  const found = [];
  let least = -Infinity; // of what is kept, once that is enough
  const offer = (row, token) => {
    const total = rows[row].total + logProbs[row][token];
    let at = found.length;
    while (at && found[at - 1].total < total) at--;
    found.splice(at, 0, { row, token, total });
    if (found.length > size) found.pop();
    if (found.length === size) least = found[size - 1].total;
  };
  const only = forced ?? (onlyEnd ? EOS : undefined);
  for (let row = 0; row < rows.length; row++) {
    const [own, before] = [logProbs[row], rows[row].total];
    if (only !== undefined) offer(row, only);
    else {
      for (let token = 0; token < own.length; token++) {
        if (before + own[token] > least && !BANNED.includes(token)) offer(row, token);
      }
    }
  }
  return found;
}

/** The mean of the chosen heads at the last place of a row. */
function weightsOf(maps, row, heads) {
  const [, count, length, size] = maps.dims;
  const mean = new Float64Array(size);
  for (const head of heads) {
    const start = ((row * count + head) * length + length - 1) * size;
    for (let at = 0; at < size; at++) mean[at] += maps.data[start + at] / heads.length;
  }
  return mean;
}
