"use strict";
// The picture beside a sentence: where a target word looked is lit, and a region says which words looked at it.

const DARKEST = 0.72; // of what covers a place without weight
const LOOKED = 0.5; // of a word's largest weight: from there on it looked at a region

const seen = { attention: null, weights: null, side: 0, rows: 0 };

/** The bytes of a sentence's attention to its picture, unpacked; null for a sentence without one. */
async function unpackPicture({ picture }) {
  if (!picture) return null;
  const bytes = Uint8Array.from(atob(picture.packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function buildPicture(sentence, attention) {
  byId("picture-card").hidden = !sentence.picture;
  seen.attention = attention;
  if (!sentence.picture) return;
  seen.side = sentence.picture.side;
  byId("picture").src = sentence.picture.data;
}

/** Weights of a reading on the picture: target tokens down, cells across; rows sum to one, `share` is what lay there. */
function readPicture(sentence, numHeads, { layer, heads, shift, unit }) {
  if (!sentence.picture) return;
  const cells = seen.side ** 2;
  const pieces = sentence.rows.map((row) => {
    const mean = new Float64Array(cells);
    for (const head of heads) {
      const start = ((layer * numHeads + head) * sentence.height + row + shift) * cells;
      for (let cell = 0; cell < cells; cell++) mean[cell] += WEIGHT_OF_BYTE[seen.attention[start + cell]] / heads.length;
    }
    return mean;
  });
  let rows = pieces;
  if (unit === "words") {
    rows = sentence.target.words.map(() => new Float64Array(cells));
    const sums = new Float64Array(rows.length);
    sentence.target.shares.forEach((owners, piece) => {
      for (const [word, share] of owners) {
        sums[word] += share;
        pieces[piece].forEach((weight, cell) => (rows[word][cell] += share * weight));
      }
    });
    rows.forEach((row, word) => row.forEach((weight, cell) => (row[cell] = weight / (sums[word] || 1))));
  }
  const shares = rows.map((row) => row.reduce((sum, weight) => sum + weight, 0));
  seen.weights = rows.map((row, at) => row.map((weight) => (shares[at] ? weight / shares[at] : 0)));
  const mean = shares.reduce((sum, share) => sum + share, 0) / (shares.length || 1);
  byId("picture-share").textContent = `${percent(mean, 1)} % of attention on the picture`;
}

/** Lays the map of a target token over the picture; none: the picture alone. */
function lightPicture(sentence, focus) {
  const canvas = byId("veil");
  if (!sentence.picture) return;
  canvas.width = canvas.height = seen.side;
  const context = canvas.getContext("2d");
  const row = focus?.target === undefined ? null : seen.weights[focus.target];
  if (!row) return;
  const image = context.createImageData(seen.side, seen.side);
  const largest = Math.max(...row) || 1;
  row.forEach((weight, cell) => (image.data[4 * cell + 3] = 255 * DARKEST * (1 - weight / largest)));
  context.putImageData(image, 0, 0);
}

/** The target tokens that looked at the region under the pointer. */
function lookedAt(event) {
  const { left, top, width, height } = byId("veil").getBoundingClientRect();
  const across = Math.floor(((event.clientX - left) / width) * seen.side);
  const down = Math.floor(((event.clientY - top) / height) * seen.side);
  const cell = down * seen.side + across;
  return seen.weights.flatMap((row, at) => (row[cell] && row[cell] >= LOOKED * Math.max(...row) ? [at] : []));
}

function lightLookers(tokens) {
  lines.words.target.forEach((word, at) => word.classList.toggle("partner", tokens.includes(at)));
}
