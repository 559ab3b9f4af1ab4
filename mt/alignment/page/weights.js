"use strict";
// From packed attention to the weights and links of a reading: the rules of alignment.py, words.py and links.py.
//
// A reading is { layer, heads, shift, signal, unit }. A matrix is { rows, columns, values }: target down, source
// across, row by row.

const WEIGHT_OF_BYTE = Float64Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const SPAN_OF_TEN_THOUSAND = 10000;

/** { chosen, norms, attention } of a sentence, as `packed` in page.py wrote them. */
async function unpack(sentence, { layers, all_heads, unit }) {
  const bytes = Uint8Array.from(atob(sentence.packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const rows = sentence.target[unit].length;
  const columns = sentence.source[unit].length;
  const numNorms = sentence.norms ? layers * all_heads * sentence.width : 0;
  const chosen = Float64Array.from(new Uint16Array(buffer, 0, rows * columns), (n) => n / SPAN_OF_TEN_THOUSAND);
  return {
    chosen: { rows, columns, values: chosen },
    norms: new Uint16Array(buffer, 2 * rows * columns, numNorms),
    attention: new Uint8Array(buffer, 2 * (rows * columns + numNorms)),
  };
}

/** { matrix, sink } of pieces: the mean of the heads, special columns dropped, rows made to sum to one. */
function pieceWeights(sentence, data, numHeads, { layer, heads, shift, signal }) {
  const { width, columns, rows } = sentence;
  const matrix = { rows: rows.length, columns: columns.length, values: new Float64Array(rows.length * columns.length) };
  const mean = new Float64Array(width);
  let sink = 0;
  rows.forEach((row, t) => {
    mean.fill(0);
    for (const head of heads) {
      const start = ((layer * numHeads + head) * sentence.height + row + shift) * width;
      const norms = (layer * numHeads + head) * width;
      let sum = 1;
      if (signal === "norms") {
        sum = 0;
        for (let s = 0; s < width; s++) sum += WEIGHT_OF_BYTE[data.attention[start + s]] * data.norms[norms + s];
      }
      for (let s = 0; s < width; s++) {
        const weight = WEIGHT_OF_BYTE[data.attention[start + s]];
        mean[s] += signal === "norms" ? (weight * data.norms[norms + s]) / (sum || 1) : weight;
      }
    }
    const all = mean.reduce((total, weight) => total + weight, 0);
    const kept = columns.reduce((total, s) => total + mean[s], 0);
    sink += all ? (all - kept) / all : 0;
    columns.forEach((s, at) => (matrix.values[t * columns.length + at] = kept ? mean[s] / kept : 0));
  });
  return { matrix, sink: rows.length ? sink / rows.length : 0 };
}

/** The matrix of words: the sum over the source pieces of a word, the mean over the target pieces of a word. */
function wordWeights(pieces, sentence) {
  const rows = sentence.target.words.length;
  const columns = sentence.source.words.length;
  const values = new Float64Array(rows * columns);
  sentence.target.shares.forEach((owners, t) => {
    for (const [row, ofTarget] of owners) {
      sentence.source.shares.forEach((words, s) => {
        const weight = ofTarget * pieces.values[t * pieces.columns + s];
        for (const [column, ofSource] of words) values[row * columns + column] += weight * ofSource;
      });
    }
  });
  for (let row = 0; row < rows; row++) {
    const line = values.subarray(row * columns, (row + 1) * columns);
    const sum = line.reduce((total, weight) => total + weight, 0);
    if (sum) line.forEach((weight, column) => (line[column] = weight / sum));
  }
  return { rows, columns, values };
}

/** [source, target] pairs by the rule { method, threshold } of links.py. */
function linksOf(matrix, { method, threshold }) {
  if (method === "threshold") {
    const links = [];
    matrix.values.forEach((weight, at) => {
      if (weight >= threshold) links.push([at % matrix.columns, Math.floor(at / matrix.columns)]);
    });
    return links;
  }
  const links = bestOfRows(matrix);
  if (method === "argmax") return links;
  const turned = bestOfRows(transposed(matrix)).map(([target, source]) => `${source} ${target}`);
  return links.filter(([source, target]) => turned.includes(`${source} ${target}`));
}

const STRENGTHS = { strong: 0.5, weak: 0.2 }; // strength.py has the same numbers

/** "strong", "weak" or "none" for each row, by the share of its weight that its [source, target] links hold. */
function strengthsOf(matrix, links) {
  const linked = new Float64Array(matrix.rows);
  for (const [source, target] of links) linked[target] += matrix.values[target * matrix.columns + source];
  return Array.from(linked, (share) => Object.keys(STRENGTHS).find((name) => share >= STRENGTHS[name]) ?? "none");
}

function bestOfRows({ rows, columns, values }) {
  const links = [];
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let column = 1; column < columns; column++) {
      if (values[row * columns + column] > values[row * columns + best]) best = column;
    }
    if (columns && values[row * columns + best] > 0) links.push([best, row]);
  }
  return links;
}

function transposed({ rows, columns, values }) {
  const turned = new Float64Array(values.length);
  values.forEach((weight, at) => (turned[(at % columns) * rows + Math.floor(at / columns)] = weight));
  return { rows: columns, columns: rows, values: turned };
}

/** Mean entropy of the rows that hold anything, in bits: 0 where each row looks at one token alone. */
function entropyOf({ rows, columns, values }) {
  let bits = 0;
  let filled = 0;
  for (let row = 0; row < rows; row++) {
    const line = values.subarray(row * columns, (row + 1) * columns);
    if (line.some((weight) => weight > 0)) filled += 1;
    for (const weight of line) if (weight > 0) bits -= weight * Math.log2(weight);
  }
  return filled ? bits / filled : 0;
}

/** What a link is by the gold links: right, allowed (possible only), wrong; and of those not drawn missed or open. */
function judged(links, gold) {
  const keys = (pairs) => new Set(pairs.map((pair) => pair.join(" ")));
  const [drawn, sure, possible] = [keys(links), keys(gold.sure), keys(gold.possible)];
  const kind = (key) => (sure.has(key) ? "right" : possible.has(key) ? "allowed" : "wrong");
  const absent = gold.possible.filter((pair) => !drawn.has(pair.join(" ")));
  return [
    ...links.map(([source, target]) => ({ source, target, kind: kind(`${source} ${target}`) })),
    ...absent.map(([source, target]) => ({ source, target, kind: sure.has(`${source} ${target}`) ? "missed" : "open" })),
  ];
}
