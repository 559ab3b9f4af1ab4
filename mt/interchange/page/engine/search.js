// Beam search as in Python (`mt.search.beam`): the best hypotheses of every length, until none of them can win.

import { BANNED, BOS, EOS } from "./model.js";

/** The divisor of a score: see Wu et al. 2016. */
export function lengthPenalty(length, alpha) {
  return ((5 + length) / 6) ** alpha;
}

/**
 * The hypotheses, best first: { ids, logProb, score, logProbs, maps, means, isFinished }; `logProbs` are those of each
 * piece and of </s>, `maps` the weights over the source of the steps that give them, `means` those of all layers and
 * heads; `isFinished`: not cut at the limit. None where the demands cannot be met.
 * `limit` is the most pieces without </s>; `prefix` are pieces that stand first; `terms` are phrases that must occur
 * (`rules.js`); `heads` are those of alignment; `isOver` ends a search that nobody waits for, whose result is then null.
 */
export async function beamSearch(model, source, { size, alpha, limit, heads, prefix = [], terms = null, isOver = () => false }) {
  let state = await model.start(source);
  let rows = [{ ids: [], total: 0, logProbs: [], maps: [], means: [] }];
  let next = [[BOS]];
  let found = [];
  for (let length = 1; length <= limit + 1; length++) {
    const out = await model.step(state, next);
    if (isOver()) return null;
    const only = length > limit ? EOS : prefix[length - 1];
    let order;
    if (!terms) order = best(rows, out.logProbs, size, only);
    else order = size > 1 ? shared(rows, out.logProbs, size, only, terms) : alone(rows[0], out.logProbs[0], only, terms, limit - length + 1);
    const kept = order.map(({ row, token, total, isDue }) => {
      const { ids, logProbs, maps, means } = rows[row];
      const [own, mean] = [weightsOf(out.maps, row, heads, out.norms), lastOf(out.means, row)];
      return { row, isDue, ids: [...ids, token], total, logProbs: [...logProbs, out.logProbs[row][token]], maps: [...maps, own], means: [...means, mean] };
    });
    for (const { row, ids, total, logProbs, maps, means } of kept.filter(({ ids }) => ids.at(-1) === EOS)) {
      const isFinished = length <= limit || isBest(out.logProbs[row], EOS);
      found.push({ ids: ids.slice(0, -1), logProb: total, score: total / lengthPenalty(length, alpha), logProbs, maps, means, isFinished });
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

/** The likeliest continuations of all rows; of equals the earlier row, then the smaller piece. `only`: the one piece that may follow. */
function best(rows, logProbs, size, only, isForbidden = () => false) {
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
  for (let row = 0; row < rows.length; row++) {
    const [own, before] = [logProbs[row], rows[row].total];
    if (only !== undefined) {
      if (!isForbidden(row, only)) offer(row, only);
      continue;
    }
    for (let token = 0; token < own.length; token++) {
      if (before + own[token] > least && !BANNED.includes(token) && !isForbidden(row, token)) offer(row, token);
    }
  }
  return found;
}

/**
 * The continuations that keep their places where phrases are demanded (`mt.search.places`): the likeliest of every row,
 * and those that go on with a phrase, in banks by how much of the demand they have, which share the places.
 */
function shared(rows, logProbs, size, only, terms) {
  const numPieces = logProbs[0].length;
  const isOpen = rows.map(({ ids }) => terms.isOpen(ids));
  const found = rows.flatMap(({ ids, total }, row) => {
    const isForbidden = (_, token) => token === EOS && isOpen[row];
    const own = best([rows[row]], [logProbs[row]], size, only, isForbidden);
    const more = terms.next(ids).filter((token) => (only ?? token) === token && !own.some((one) => one.token === token));
    return [...own.map(({ token }) => token), ...new Set(more)].map((token) => ({ row, token, total: total + logProbs[row][token] }));
  });
  const place = ({ row, token }) => row * numPieces + token;
  found.sort((a, b) => b.total - a.total || place(a) - place(b));
  for (const one of found) one.bank = terms.progress([...rows[one.row].ids, one.token]);
  const counts = new Array(terms.needed + 1).fill(0);
  for (const { bank } of found) counts[bank] += 1;
  const places = placesOf(counts, size);
  return found.filter(({ bank }) => places[bank]-- > 0);
}

/**
 * The continuation of a search with one place (`mt.search.rules.together`): it follows the model, but goes on with a phrase
 * where the model would end, where there is only `room` for what is demanded, and while such a phrase is unfinished.
 */
function alone(row, logProbs, only, terms, room) {
  const { ids } = row;
  const ends = logProbs.every((one) => one <= logProbs[EOS]);
  const [isOpen, isUndone] = [terms.isOpen(ids), terms.isUndone(ids)];
  const isForbidden = (token) => (token === EOS && isOpen) || (isUndone && terms.continuing[token]);
  const missing = terms.needed - terms.progress(ids);
  const rest = terms.needed - terms.progress([...ids, EOS]); // what is missing after one more piece that nothing demands
  const isDue = missing > 0 && (ends || room <= rest || (row.isDue && rest > missing));
  const next = terms.next(ids).filter((token) => (only ?? token) === token && !isForbidden(token));
  const progress = next.map((token) => terms.progress([...ids, token]));
  const most = Math.max(...progress); // a phrase that has begun is continued
  const demanded = new Set(next.filter((_, at) => progress[at] === most));
  const found = best([row], [logProbs], 1, only, (_, token) => isForbidden(token) || (isDue && demanded.size && !demanded.has(token)));
  return found.map((one) => ({ ...one, isDue }));
}

/** Whether no other piece is likelier. */
function isBest(logProbs, token) {
  return logProbs.every((one, id) => one <= logProbs[token] || BANNED.includes(id));
}

/** How many places each bank gets: equal shares, and what is left over goes to those with more of the demand first. */
function placesOf(counts, size) {
  const share = Math.max(1, Math.floor(size / Math.max(1, counts.filter(Boolean).length)));
  const places = counts.map(() => 0);
  let left = size;
  for (const most of [share, size]) {
    for (let bank = counts.length - 1; bank >= 0; bank--) {
      const taken = Math.min(counts[bank] - places[bank], most, left);
      places[bank] += taken;
      left -= taken;
    }
  }
  return places;
}

/** The mean of the chosen heads at the last place of a row: their weights, or these times `norms` of the values. */
function weightsOf(maps, row, heads, norms) {
  const [, count, length, size] = maps.dims;
  const mean = new Float64Array(size);
  for (const head of heads) {
    const start = ((row * count + head) * length + length - 1) * size;
    const ofHead = Float64Array.from(maps.data.subarray(start, start + size));
    if (norms) ofHead.forEach((weight, at) => (ofHead[at] = weight * norms.data[(row * count + head) * size + at]));
    const sum = norms ? ofHead.reduce((a, b) => a + b, 0) || 1 : 1;
    ofHead.forEach((weight, at) => (mean[at] += weight / sum / heads.length));
  }
  return mean;
}

/** The weights at the last place of a row. */
function lastOf(means, row) {
  const [, length, size] = means.dims;
  const start = (row * length + length - 1) * size;
  return means.data.slice(start, start + size);
}
