/* A step of the decoder: rows are hypotheses, whose earlier positions are cached in blocks of their sentence. */
#ifndef DECODING_STEP_H
#define DECODING_STEP_H
#include "decoding_layers.h"

/* A row of the decoder: the newest token of a hypothesis. */
typedef struct {
    int64_t token, place, S;
    float *memory;        /* of its sentence */
    void *const *blocks; /* what is cached of its sentence: positions in blocks of BLOCK */
    int64_t ahead;         /* bytes of a block that belong to earlier members of an ensemble */
    const uint16_t *slots; /* which slot of the cache holds each earlier position */
    int64_t slot, num_slots;
} Row;

#define BLOCK 16

enum Recurrence { DENSE, GATE_OF_ELEMENT, GATE_OF_HEAD }; /* of the decoder: none, or SSRU with these gates */

/* What is cached of one position: keys and values, or the state of a recurrence, which stays in float32. */
static int64_t cached_bytes(const Model *m, const Layer *layer) {
    return self_width(m, layer) * (m->recurrence != DENSE ? 4 : m->has_half_cache ? 4 : 8);
}

static int64_t block_bytes(const Model *m, int64_t num_slots) {
    int64_t bytes = 0;
    for (int64_t l = 0; l < m->decoder_layers; l++) bytes += cached_bytes(m, decoder_layer(m, l));
    return bytes * BLOCK * num_slots;
}

/* The cache of one layer for a row. */
typedef struct {
    const Row *row;
    int64_t before, bytes; /* of one position: of the layers before it together, and its own */
} Cache;

static void *cached(Cache in, int64_t place, int64_t slot) {
    const int64_t slots = in.row->num_slots;
    return (char *)in.row->blocks[place / BLOCK] + in.row->ahead + in.before * BLOCK * slots + (place % BLOCK * slots + slot) * in.bytes;
}

/* Writes the key and the value of a row's own position, of A numbers each. */
static void remember(const Model *m, Cache cache, const float *both, int64_t A) {
    void *to = cached(cache, cache.row->place, cache.row->slot);
    if (!m->has_half_cache)
        memcpy(to, both, (size_t)(8 * A));
    else
        for (int64_t i = 0; i < 2 * A; i += LANES) store_bf16((bf16 *)to + i, load(both + i));
}

INLINE vf load_cached(const void *from, int64_t i, int is_half) {
    return is_half ? load_bf16((const bf16 *)from + i) : load((const float *)from + i);
}

/* Attention of one row over its own past and itself; `scores`: heads x padded positions. */
INLINE void look_back_in(const Model *m, Cache cache, int64_t H, const float *q, float *out, float *scores, int is_half) {
    const Row *row = cache.row;
    const int64_t K = m->head, A = H * K, T = row->place + 1, padded = rounded(T, LANES);
    for (int64_t t = 0; t < T; t++) {
        const void *key = cached(cache, t, t == row->place ? row->slot : row->slots[t]);
        for (int64_t h = 0; h < H; h++) {
            vf total = {0};
            for (int64_t k = h * K; k < h * K + K; k += LANES) total += load(q + k) * load_cached(key, k, is_half);
            scores[h * padded + t] = sum(total) * m->query_scale;
        }
    }
    for (int64_t h = 0; h < H; h++) {
        for (int64_t t = T; t < padded; t++) scores[h * padded + t] = -INFINITY;
        const float factor = exponents(scores + h * padded, padded);
        for (int64_t t = 0; t < T; t++) scores[h * padded + t] *= factor;
    }
    memset(out, 0, (size_t)(4 * A));
    for (int64_t t = 0; t < T; t++) {
        const void *value = cached(cache, t, t == row->place ? row->slot : row->slots[t]);
        for (int64_t h = 0; h < H; h++)
            for (int64_t k = h * K; k < h * K + K; k += LANES)
                store(out + k, load(out + k) + load_cached(value, A + k, is_half) * scores[h * padded + t]);
    }
}

static void look_back(const Model *m, Cache cache, int64_t H, const float *q, float *out, float *scores) {
    if (m->has_half_cache)
        look_back_in(m, cache, H, q, out, scores, 1);
    else
        look_back_in(m, cache, H, q, out, scores, 0);
}

/* 1 / (1 + e^-x), without overflow. */
INLINE vf sigmoid(vf x) {
    const vf e = exponential(choose(x < 0, x, -x)), part = 1 / (1 + e);
    return choose(x < 0, e * part, part);
}

/* The simpler simple recurrent unit (Kim et al. 2019) as mt.attention.ssru has it: c = f c' + (1 - f) v of the gate
 * f = sigmoid(k), where c' is the state of the position before, or v at the first; out = max(0, c). */
static void recur(const Model *m, Cache cache, int64_t H, const float *both, float *out) {
    const Row *row = cache.row;
    const int64_t K = m->head, A = H * K, t = row->place;
    const float *keys = both, *values = both + A, *past = t ? cached(cache, t - 1, row->slots[t - 1]) : values;
    float *state = cached(cache, t, row->slot);
    for (int64_t h = 0; h < H; h++) {
        float of_head = 0;
        if (m->recurrence == GATE_OF_HEAD) {
            vf total = {0};
            for (int64_t k = h * K; k < h * K + K; k += LANES) total += load(keys + k);
            of_head = sum(total) * m->query_scale;
        }
        for (int64_t k = h * K; k < h * K + K; k += LANES) {
            const vf score = m->recurrence == GATE_OF_HEAD ? all(of_head) : load(keys + k);
            const vf now = sigmoid(score) * load(past + k) + sigmoid(-score) * load(values + k);
            store(state + k, now);
            store(out + k, larger(now, all(0)));
        }
    }
}

/* What a row knows of its own past, into s->heads; `work`: room for scores. */
static void read_past(const Model *m, const Layer *layer, const Row *rows, int64_t R, int64_t before, Scratch *s, float *work) {
    const int64_t H = layer->self_heads, A = H * m->head;
    const int64_t parts = m->recurrence == DENSE ? 3 : 2; /* a recurrence has no queries */
    for (int64_t r = 0; r < R; r++) {
        const Cache cache = {rows + r, before, cached_bytes(m, layer)};
        float *joint = s->joint + r * parts * A, *out = s->heads + r * A;
        if (m->recurrence != DENSE) {
            recur(m, cache, H, joint, out);
            continue;
        }
        rotate(m, joint, 2 * H, rows[r].place);
        remember(m, cache, joint + A, A);
        look_back(m, cache, H, joint, out, work);
    }
}

/* One step of the decoder for R rows, those of a sentence side by side: s->normed (or s->x) holds the states that the
 * output projection reads, which are returned. `work`: room for scores. */
static const float *decode(const Model *m, const Row *rows, int64_t R, Scratch *s, float *work) {
    const int64_t K = m->head;
    int64_t cached_before = 0, read_before = 0; /* of the layers before */
    for (int64_t r = 0; r < R; r++) embed(m, m->target_rows, rows[r].token, m->target_places, rows[r].place, s->x + r * m->dim);
    for (int64_t l = 0; l < m->decoder_layers; l++) {
        const Layer *layer = decoder_layer(m, l);
        const float *x = before(m, layer->self_norm, s, R);
        const Product *in = layer->self_in;
        multiply(in, x, m->dim, R, s->joint, in->out, in->out, SET, s->room);
        read_past(m, layer, rows, R, cached_before, s, work);
        cached_before += cached_bytes(m, layer);
        add_product(m, layer->self_out, s->heads, s, R);
        after(m, layer->self_norm, s, R);

        const int64_t H = layer->cross_heads, A = H * K;
        x = before(m, layer->cross_norm, s, R);
        multiply(layer->cross_in, x, m->dim, R, s->joint, A, A, SET, s->room);
        for (int64_t r = 0, next; r < R; r = next) {
            for (next = r + 1; next < R && rows[next].memory == rows[r].memory;) next++;
            const int64_t S = rows[r].S, padded = rounded(S, LANES);
            const float *keys = memory_keys(rows[r].memory, S, read_before), *values = keys + A * padded;
            for (int64_t h = 0; h < H; h++)
                read_keys(s->joint + r * A + h * K, A, next - r, keys + h * K * padded, values + h * K, A, S, padded, K,
                          m->query_scale, s->heads + r * A + h * K, A, work);
        }
        read_before += A;
        add_product(m, layer->cross_out, s->heads, s, R);
        after(m, layer->cross_norm, s, R);
        feed_forward(m, layer, s, R);
    }
    if (!m->decoder_norm.gain) return s->x;
    normalize(m, m->decoder_norm, s->x, s->normed, R);
    return s->normed;
}
#endif
