// The model in onnxruntime-web: an encoder, and a decoder with its caches, a row for each hypothesis.

export const [PAD, UNK, BOS, EOS] = [0, 1, 2, 3];
export const BANNED = [PAD, UNK, BOS];

export class Model {
  /** `ort` is onnxruntime-web; encoder and decoder are the bytes of their files. */
  static async load(ort, encoder, decoder) {
    const how = { executionProviders: ["wasm"] };
    const sessions = [await ort.InferenceSession.create(encoder, how), await ort.InferenceSession.create(decoder, how)];
    return new Model(ort, ...sessions);
  }

  constructor(ort, encoder, decoder) {
    Object.assign(this, { ort, encoder, decoder });
    const about = decoder.inputMetadata.filter(({ name }) => name.startsWith("past_key_values"));
    this.caches = about.map(({ name, shape }) => ({ name, heads: shape[1], size: shape[3] }));
    this.maps = decoder.outputNames.find((name) => name.startsWith("cross_attentions"));
    this.readsPieces = decoder.inputNames.includes("encoder_input_ids");
  }

  whole(numbers, dims) {
    return new this.ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), dims);
  }

  /** What the first step gets, of a source (ids without </s>). */
  async start(source) {
    const ids = [...source, EOS];
    const [input, mask] = [this.whole(ids, [1, ids.length]), this.whole(ids.map(() => 1), [1, ids.length])];
    const { last_hidden_state: states } = await this.encoder.run({ input_ids: input, attention_mask: mask });
    const feed = { encoder_hidden_states: states, encoder_attention_mask: mask };
    if (this.readsPieces) feed.encoder_input_ids = input;
    for (const { name, heads, size } of this.caches) feed[name] = new this.ort.Tensor("float32", new Float32Array(0), [1, heads, 0, size]);
    return { feed, isLater: false };
  }

  /** The same state with these rows, in this order. */
  rows(state, numbers) {
    const feed = {};
    for (const [name, tensor] of Object.entries(state.feed)) {
      const [count, ...dims] = tensor.dims;
      const isSame = numbers.length === count && numbers.every((number, at) => number === at);
      feed[name] = isSame ? tensor : new this.ort.Tensor(tensor.type, taken(tensor.data, numbers, count), [numbers.length, ...dims]);
    }
    return { ...state, feed };
  }

  /** `pieces`: of each row its next ones. Gives log-probabilities of what follows each, weights of alignment, means of all, and norms of values. */
  async step(state, pieces) {
    const [count, length] = [pieces.length, pieces[0].length];
    const isLater = new this.ort.Tensor("bool", [state.isLater], [1]);
    const found = await this.decoder.run({ ...state.feed, input_ids: this.whole(pieces.flat(), [count, length]), use_cache_branch: isLater });
    const feed = { ...state.feed };
    for (const { name } of this.caches) feed[name] = found[name.replace("past_key_values", "present")];
    const size = found.logits.dims[2];
    const logProbs = Array.from({ length: count * length }, (_, row) => logSoftmax(found.logits.data.subarray(row * size, (row + 1) * size)));
    return { logProbs, maps: found[this.maps], means: found.mean_cross_attention, norms: found.value_norms, state: { feed, isLater: true } };
  }
}

function taken(data, rows, count) {
  const size = data.length / count;
  const found = new data.constructor(rows.length * size);
  rows.forEach((row, at) => found.set(data.subarray(row * size, (row + 1) * size), at * size));
  return found;
}

function logSoftmax(logits) {
  let most = -Infinity;
  for (const one of logits) if (one > most) most = one;
  let sum = 0;
  for (const one of logits) sum += Math.exp(one - most);
  const shift = most + Math.log(sum);
  return Float64Array.from(logits, (one) => one - shift);
}
