/* The layers of a Transformer with dense attention, for translating: no gradients, no dropout, no padding. Layers may
 * differ in their numbers of heads and neurons, and the decoder may be recurrent (SSRU) where it would look back.
 *
 * Rows are tokens. All rows go through a product together; attention is computed row by row, over the keys of the
 * row's own sentence or hypothesis.
 */
#ifndef DECODING_LAYERS_H
#define DECODING_LAYERS_H
#include "decoding_choices.h"

typedef struct {
    const float *gain, *bias; /* no bias: RMSNorm, else LayerNorm */
} Norm;

typedef struct {
    Product *self_in, *self_out, *cross_in, *cross_memory, *cross_out, *up, *down; /* an encoder's has no cross_… */
    Norm self_norm, feed_forward_norm, cross_norm;
    int64_t self_heads, cross_heads, hidden;
} Layer;

enum Activation { USES_RELU, USES_GELU, USES_SWIGLU };

typedef struct Model {
    int64_t dim, head, rotated, encoder_layers, decoder_layers, activation, is_post;
    int64_t has_half_cache; /* keys and values of earlier positions are stored in bfloat16 */
    int64_t recurrence;     /* of the decoder: see decoding_step.h */
    float scale, query_scale, epsilon;         /* of embeddings, of scores, of norms */
    const float *source_rows, *target_rows;    /* embeddings */
    const float *source_places, *target_places; /* places x dim, added to embeddings; or NULL */
    const float *cosines, *sines;              /* places x rotated / 2, for self-attention; or NULL */
    Layer *layers;                             /* of the encoder, then of the decoder */
    Norm encoder_norm, decoder_norm;           /* without gain: none */
    Product *output;            /* by rows where there is a shortlist */
    const Shortlist *shortlist; /* NULL: every target piece may come next */
    const struct Model *next;   /* the next member of an ensemble, with the same vocabularies and no shortlist; or NULL */
} Model;

#define EACH_MEMBER(m, first) for (const Model *m = first; m; m = m->next)

/* Memory for the rows of one pass; grows as needed. */
typedef struct {
    int64_t rows;
    float *x, *normed, *joint, *heads, *hidden, *scores;
    void *room;
} Scratch;

static int64_t most64(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t self_width(const Model *m, const Layer *layer) { return layer->self_heads * m->head; }

static int64_t cross_width(const Model *m, const Layer *layer) { return layer->cross_heads * m->head; }

static const Layer *decoder_layer(const Model *m, int64_t l) { return m->layers + m->encoder_layers + l; }

static int64_t most_heads(const Model *m) {
    int64_t most = 0;
    for (const Layer *layer = m->layers; layer < decoder_layer(m, m->decoder_layers); layer++)
        most = most64(most, most64(layer->self_heads, layer->cross_heads));
    return most;
}

static int64_t most_hidden(const Model *m) {
    int64_t most = 0;
    for (const Layer *layer = m->layers; layer < decoder_layer(m, m->decoder_layers); layer++)
        most = most64(most, layer->hidden);
    return most;
}

static void scratch_free(Scratch *s) {
    free(s->x), free(s->normed), free(s->joint), free(s->heads), free(s->hidden), free(s->room);
    memset(s, 0, sizeof *s);
}

/* Whether there is memory for so many rows. */
/* Room for `rows` of every member. */
static int scratch_for(Scratch *s, const Model *first, int64_t rows) {
    if (rows <= s->rows) return 1;
    scratch_free(s);
    int64_t D = 0, A = 0, F = 0, wide = 1;
    EACH_MEMBER(m, first) {
        D = most64(D, m->dim), A = most64(A, most_heads(m) * m->head), F = most64(F, most_hidden(m));
        if (m->activation == USES_SWIGLU) wide = 2;
    }
    s->x = aligned(4 * rows * D), s->normed = aligned(4 * rows * D);
    s->joint = aligned(4 * rows * most64(3 * A, D)), s->heads = aligned(4 * rows * A);
    s->hidden = aligned(4 * rows * F * wide);
    s->room = aligned(rows * (2 * rounded(most64(most64(D, A), F), 64) + 16) + 64);
    if (!s->x || !s->normed || !s->joint || !s->heads || !s->hidden || !s->room) return scratch_free(s), 0;
    return s->rows = rows, 1;
}

static void normalize(const Model *m, Norm norm, const float *x, float *y, int64_t rows) {
    const int64_t D = m->dim;
    for (int64_t r = 0; r < rows; r++, x += D, y += D) {
        vf total = {0}, squares = {0};
        float mean = 0;
        if (norm.bias) {
            for (int64_t i = 0; i < D; i += LANES) total += load(x + i);
            mean = sum(total) / D;
        }
        for (int64_t i = 0; i < D; i += LANES) {
            const vf apart = load(x + i) - mean;
            squares += apart * apart;
        }
        const float factor = 1 / sqrtf(sum(squares) / D + m->epsilon);
        for (int64_t i = 0; i < D; i += LANES) {
            vf scaled = (load(x + i) - mean) * factor * load(norm.gain + i);
            if (norm.bias) scaled += load(norm.bias + i);
            store(y + i, scaled);
        }
    }
}

static void activate(const Model *m, int64_t F, float *hidden, int64_t rows) {
    if (m->activation == USES_GELU)
        for (int64_t i = 0; i < rows * F; i++) hidden[i] = 0.5f * hidden[i] * (1 + erff(hidden[i] * 0.70710678f));
    if (m->activation == USES_SWIGLU) /* gate, up -> silu(gate) up, rows of F side by side */
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < F; i += LANES) {
                const vf gate = load(hidden + 2 * r * F + i), up = load(hidden + 2 * r * F + F + i);
                store(hidden + r * F + i, gate / (1 + exponential(-gate)) * up);
            }
}

/* x += f(norm(x)), or x = norm(x + f(x)): the input of f, then what follows its output. */
static const float *before(const Model *m, Norm norm, Scratch *s, int64_t rows) {
    if (m->is_post) return s->x;
    normalize(m, norm, s->x, s->normed, rows);
    return s->normed;
}

static void after(const Model *m, Norm norm, Scratch *s, int64_t rows) {
    if (m->is_post) normalize(m, norm, s->x, s->x, rows);
}

static void add_product(const Model *m, const Product *p, const float *from, Scratch *s, int64_t rows) {
    multiply(p, from, p->in, rows, s->x, m->dim, m->dim, ADD, s->room);
}

static void feed_forward(const Model *m, const Layer *layer, Scratch *s, int64_t rows) {
    const float *x = before(m, layer->feed_forward_norm, s, rows);
    const Product *up = layer->up;
    multiply(up, x, m->dim, rows, s->hidden, up->out, up->out, m->activation == USES_RELU ? RELU : SET, s->room);
    activate(m, layer->hidden, s->hidden, rows);
    add_product(m, layer->down, s->hidden, s, rows);
    after(m, layer->feed_forward_norm, s, rows);
}

static void embed(const Model *m, const float *table, int64_t id, const float *places, int64_t place, float *x) {
    const float *row = table + id * m->dim, *position = places ? places + place * m->dim : NULL;
    for (int64_t i = 0; i < m->dim; i += LANES) {
        vf embedded = load(row + i) * m->scale;
        if (position) embedded += load(position + i);
        store(x + i, embedded);
    }
}

/* Rotates heads of a row (Su et al. 2021): pairs (i, i + rotated / 2). */
static void rotate(const Model *m, float *row, int64_t heads, int64_t place) {
    if (!m->cosines) return;
    const int64_t half = m->rotated / 2;
    const float *cosines = m->cosines + place * half, *sines = m->sines + place * half;
    for (int64_t h = 0; h < heads; h++, row += m->head)
        for (int64_t i = 0; i < half; i++) {
            const float left = row[i], right = row[i + half];
            row[i] = left * cosines[i] - right * sines[i];
            row[i + half] = right * cosines[i] + left * sines[i];
        }
}

/* scores -> softmax, in place; returns 1 / their total, by which the mixed values are multiplied. Rows are padded to LANES
 * with -inf. */
static float exponents(float *scores, int64_t padded) {
    vf most = load(scores), total = {0};
    for (int64_t s = LANES; s < padded; s += LANES) most = larger(most, load(scores + s));
    const float highest = largest(most);
    for (int64_t s = 0; s < padded; s += LANES) {
        const vf e = exponential(load(scores + s) - highest);
        store(scores + s, e);
        total += e;
    }
    return 1 / sum(total);
}

/* Attention of `rows` queries of a head over S keys that all of them see: keys_KS are padded to whole vectors of S,
 * values have S rows of `ldv`. Queries and heads have rows of ldq and ldo. `scores`: rows x padded numbers. */
INLINE void read_some(
    const int rows, const float *q, int64_t ldq, const float *keys, const float *values, int64_t ldv, int64_t S,
    int64_t padded, int64_t K, float scale, float *out, int64_t ldo, float *scores) {
    float factor[4];
    for (int64_t s = 0; s < padded; s += LANES) {
        vf sums[4] = {{0}};
        for (int64_t k = 0; k < K; k++) {
            const vf key = load(keys + k * padded + s);
            EACH_ROW sums[r] += key * q[r * ldq + k];
        }
        EACH_ROW store(scores + r * padded + s, sums[r] * scale);
    }
    for (int r = 0; r < rows; r++) {
        for (int64_t s = S; s < padded; s++) scores[r * padded + s] = -INFINITY;
        factor[r] = exponents(scores + r * padded, padded);
    }
    for (int64_t k = 0; k < K; k += LANES) {
        vf sums[4] = {{0}};
        for (int64_t s = 0; s < S; s++) {
            const vf value = load(values + s * ldv + k);
            EACH_ROW sums[r] += value * scores[r * padded + s];
        }
        EACH_ROW store(out + r * ldo + k, sums[r] * factor[r]);
    }
}

static void read_keys(
    const float *q, int64_t ldq, int64_t num_rows, const float *keys, const float *values, int64_t ldv, int64_t S,
    int64_t padded, int64_t K, float scale, float *out, int64_t ldo, float *scores) {
    for (int64_t r = 0; r < num_rows; r += 4) {
        const float *of_q = q + r * ldq;
        float *of_out = out + r * ldo;
#define CALL(n) read_some(n, of_q, ldq, keys, values, ldv, S, padded, K, scale, of_out, ldo, scores)
        switch (num_rows - r) {
            case 1: CALL(1); break;
            case 2: CALL(2); break;
            case 3: CALL(3); break;
            default: CALL(4);
        }
#undef CALL
    }
}

/* Keys of one head, S rows of ldk, as columns of whole vectors. */
static void turn(const float *keys, int64_t ldk, int64_t S, int64_t padded, int64_t K, float *turned) {
    for (int64_t k = 0; k < K; k++) {
        for (int64_t s = 0; s < S; s++) turned[k * padded + s] = keys[s * ldk + k];
        for (int64_t s = S; s < padded; s++) turned[k * padded + s] = 0;
    }
}

/* Encodes sentences side by side: `ids` are those of all of them, lengths[n] belong to the n-th. The states are in
 * s->x. `work` has room for the keys of a head of the longest sentence and for 4 rows of scores. */
static void encode(const Model *m, const int32_t *ids, const int64_t *lengths, int64_t N, Scratch *s, float *work) {
    const int64_t K = m->head;
    int64_t rows = 0;
    for (int64_t n = 0; n < N; n++)
        for (int64_t t = 0; t < lengths[n]; t++, rows++) embed(m, m->source_rows, ids[rows], m->source_places, t, s->x + rows * m->dim);
    for (int64_t l = 0; l < m->encoder_layers; l++) {
        const Layer *layer = m->layers + l;
        const int64_t H = layer->self_heads, A = H * K;
        const float *x = before(m, layer->self_norm, s, rows);
        multiply(layer->self_in, x, m->dim, rows, s->joint, 3 * A, 3 * A, SET, s->room);
        float *joint = s->joint, *heads = s->heads;
        for (int64_t n = 0; n < N; n++) {
            const int64_t S = lengths[n], padded = rounded(S, LANES);
            for (int64_t t = 0; t < S; t++) rotate(m, joint + t * 3 * A, 2 * H, t); /* queries and keys */
            for (int64_t h = 0; h < H; h++) {
                const float *q = joint + h * K;
                turn(q + A, 3 * A, S, padded, K, work);
                read_keys(q, 3 * A, S, work, q + 2 * A, 3 * A, S, padded, K, m->query_scale, heads + h * K, A,
                          work + K * padded);
            }
            joint += S * 3 * A, heads += S * A;
        }
        add_product(m, layer->self_out, s->heads, s, rows);
        after(m, layer->self_norm, s, rows);
        feed_forward(m, layer, s, rows);
    }
    if (m->encoder_norm.gain) normalize(m, m->encoder_norm, s->x, s->x, rows);
}

/* What the decoder attends to of one sentence, of every layer: keys of each head as columns, then rows of values. */
static int64_t memory_size(const Model *m, int64_t S) {
    int64_t widths = 0;
    for (int64_t l = 0; l < m->decoder_layers; l++) widths += cross_width(m, decoder_layer(m, l));
    return widths * (rounded(S, LANES) + S);
}

/* The keys of a layer; `before`: the widths of the layers before it together. */
static float *memory_keys(float *memory, int64_t S, int64_t before) { return memory + before * (rounded(S, LANES) + S); }

/* Fills the memories of N sentences from the encoder's states in s->x. */
static void summarize(const Model *m, const int64_t *lengths, int64_t N, Scratch *s, float **memories) {
    const int64_t K = m->head;
    int64_t rows = 0, before = 0;
    for (int64_t n = 0; n < N; n++) rows += lengths[n];
    for (int64_t l = 0; l < m->decoder_layers; l++) {
        const Layer *layer = decoder_layer(m, l);
        const int64_t H = layer->cross_heads, A = H * K;
        multiply(layer->cross_memory, s->x, m->dim, rows, s->joint, 2 * A, 2 * A, SET, s->room);
        const float *joint = s->joint;
        for (int64_t n = 0; n < N; n++) {
            const int64_t S = lengths[n], padded = rounded(S, LANES);
            float *keys = memory_keys(memories[n], S, before), *values = keys + A * padded;
            for (int64_t h = 0; h < H; h++) turn(joint + h * K, 2 * A, S, padded, K, keys + h * K * padded);
            for (int64_t t = 0; t < S; t++) memcpy(values + t * A, joint + t * 2 * A + A, (size_t)(4 * A));
            joint += S * 2 * A;
        }
        before += A;
    }
}

#endif
