/* softmax(scale * q kᵀ) v of short sequences, and its gradients, in float: a sentence and a head at a time, which then
 * lie in the first-level cache. */
#include "vectors.h"

typedef struct {
    int64_t batch, head, place; /* numbers between neighbours; the numbers of a head lie side by side */
} Strides;

#define MOST_ROWS 6
INLINE void tile(const int rows, const int wide, const float *a, int64_t a_row, int64_t a_step, const float *b,
                 int64_t b_step, int64_t depth, float scale, float *c, int64_t c_row, int adds) {
    vf sums[MOST_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = all(0);
    for (int64_t k = 0; k < depth; k++, a += a_step, b += b_step) {
        vf first = load(b), second = wide > 1 ? load(b + LANES) : first;
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            sums[i][0] += a[i * a_row] * first;
            if (wide > 1) sums[i][1] += a[i * a_row] * second;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < wide; j++) {
            vf result = sums[i][j] * scale;
            if (adds) result += load(c + i * c_row + j * LANES);
            store(c + i * c_row + j * LANES, result);
        }
}

/* C (M x N) = or += scale * A (M x depth) B (depth x N), where a(i, k) is at i * a_row + k * a_step; N is a multiple of
 * LANES. */
static void product(const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t b_step, float *c,
                    int64_t c_row, int64_t M, int64_t N, int64_t depth, float scale, int adds) {
#define ROWS(n) \
    case n: \
        if (N - j >= 2 * LANES) tile(n, 2, left, a_row, a_step, b + j, b_step, depth, scale, to + j, c_row, adds); \
        else tile(n, 1, left, a_row, a_step, b + j, b_step, depth, scale, to + j, c_row, adds); \
        break;
    for (int64_t i = 0; i < M; i += MOST_ROWS) {
        const float *left = a + i * a_row;
        float *to = c + i * c_row;
        for (int64_t j = 0; j < N; j += 2 * LANES) switch (M - i) {
                ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5)
                default: ROWS(6)
            }
    }
#undef ROWS
}

/* Copies of rows in float, side by side. */
static void get_rows(const void *from, int is_bf16, int64_t base, int64_t place, int64_t rows, int64_t size,
                     float *to) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += LANES)
            store(to + i * size + j, load_any(from, base + i * place + j, is_bf16));
}

static void set_rows(void *to, int is_bf16, int64_t base, int64_t place, int64_t rows, int64_t size,
                     const float *from) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += LANES)
            store_any(to, base + i * place + j, load(from + i * size + j), is_bf16);
}

typedef struct {
    float *first;
    int64_t place; /* numbers between rows */
} Rows;

/* Rows where they lie, if they are float; else in `scratch`. */
INLINE Rows rows_at(const void *all_of_them, int is_bf16, int64_t base, int64_t place, int64_t size, float *scratch) {
    return is_bf16 ? (Rows){scratch, size} : (Rows){(float *)all_of_them + base, place};
}

/* rows x size -> size x wide, zeros behind the rows; size is a multiple of LANES. */
static void transpose(const float *from, int64_t place, int64_t rows, int64_t size, int64_t wide, float *to) {
#ifdef __AVX512F__
    for (int64_t i = 0; i < wide; i += LANES)
        for (int64_t j = 0; j < size; j += LANES) {
            __m512i block[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++)
                block[r] = i + r < rows ? _mm512_loadu_si512(from + (i + r) * place + j) : _mm512_setzero_si512();
            transpose16(block);
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) _mm512_storeu_si512(to + (j + r) * wide + i, block[r]);
        }
#else
    for (int64_t j = 0; j < size; j++) {
        for (int64_t i = 0; i < rows; i++) to[j * wide + i] = from[i * place + j];
        for (int64_t i = rows; i < wide; i++) to[j * wide + i] = 0;
    }
#endif
}

/* The keys that a query may look at, with "no" behind them. */
INLINE void get_mask(const uint8_t *mask, int64_t step, int64_t size, int64_t wide, uint8_t *to) {
    memset(to, mask ? 0 : 1, (size_t)size);
    memset(to + size, 0, (size_t)(wide - size));
    for (int64_t j = 0; mask && j < size; j++) to[j] = mask[j * step];
}

static void softmax(float *scores, int64_t size, int64_t wide, const uint8_t *mask) {
    vf high = all(-INFINITY), total = all(0);
    for (int64_t j = 0; j < wide; j += LANES) {
        vi may = __builtin_convertvector(*(const vb *)(mask + j), vi);
        vf score = choose(may != 0, load(scores + j), all(-INFINITY));
        high = larger(score, high);
        store(scores + j, score);
    }
    float most = largest(high);
    for (int64_t j = 0; j < wide; j += LANES) {
        vf e = exponential(load(scores + j) - most);
        total += e;
        store(scores + j, e);
    }
    float scale = 1 / sum(total);
    for (int64_t j = 0; j < wide; j += LANES) store(scores + j, load(scores + j) * scale);
    for (int64_t j = size; j < wide; j++) scores[j] = 0; /* NaN, where no key may be looked at */
}

INLINE int64_t to_vectors(int64_t size) { return (size + LANES - 1) / LANES * LANES; }

/* q, out: batch x heads x T x size; k, v: batch x groups x S x size, which heads / groups heads share. mask (bytes): with
 * strides of batch, head, query and key, or NULL. weights: batch x heads x T x (S rounded up to vectors). */
EXPORT void attend(const void *q, const void *k, const void *v, int is_bf16, const int64_t *strides,
                   const uint8_t *mask, const int64_t *mask_strides, void *weights, void *out, int64_t batch,
                   int64_t heads, int64_t groups, int64_t T, int64_t S, int64_t size, float scale, int threads) {
    (void)threads;
    const Strides *of = (const Strides *)strides; /* of q, k, v, out */
    int64_t wide = to_vectors(S), shared = heads / groups;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t most = T > S ? T : S;
        float *rows = malloc((size_t)((most + S + wide) * size + T * wide) * sizeof(float));
        float *values = rows + most * size, *turned = values + S * size, *scores = turned + size * wide;
        uint8_t *may = malloc((size_t)wide);
#pragma omp for schedule(static)
        for (int64_t at = 0; at < batch * heads; at++) {
            int64_t b = at / heads, h = at % heads, g = h / shared;
            int64_t of_q = b * of[0].batch + h * of[0].head, of_k = b * of[1].batch + g * of[1].head;
            int64_t of_v = b * of[2].batch + g * of[2].head, of_out = b * of[3].batch + h * of[3].head;
            if (is_bf16) get_rows(k, 1, of_k, of[1].place, S, size, rows);
            Rows left = rows_at(k, is_bf16, of_k, of[1].place, size, rows);
            transpose(left.first, left.place, S, size, wide, turned);
            get_rows(v, is_bf16, of_v, of[2].place, S, size, values);
            if (is_bf16) get_rows(q, 1, of_q, of[0].place, T, size, rows);
            left = rows_at(q, is_bf16, of_q, of[0].place, size, rows);
            Rows probs = rows_at(weights, is_bf16, at * T * wide, wide, wide, scores);
            product(left.first, left.place, 1, turned, wide, probs.first, wide, T, wide, size, scale, 0);
            for (int64_t i = 0; i < T; i++) {
                const uint8_t *row = mask;
                if (mask) row += b * mask_strides[0] + h * mask_strides[1] + i * mask_strides[2];
                if (!i || (mask && mask_strides[2])) get_mask(row, mask ? mask_strides[3] : 0, S, wide, may);
                softmax(probs.first + i * wide, S, wide, may);
            }
            if (is_bf16) set_rows(weights, 1, at * T * wide, wide, T, wide, scores);
            Rows to = rows_at(out, is_bf16, of_out, of[3].place, size, rows);
            product(probs.first, wide, 1, values, size, to.first, to.place, T, size, S, 1, 0);
            if (is_bf16) set_rows(out, 1, of_out, of[3].place, T, size, rows);
        }
        free(may);
        free(rows);
    }
}

/* Gradients of `attend`: of q, k and v, from that of out and the weights. strides: of q, k, v, dout, dq, dk, dv. */
EXPORT void attend_backward(const void *q, const void *k, const void *v, const void *dout, const void *weights,
                            int is_bf16, const int64_t *strides, void *dq, void *dk, void *dv, int64_t batch,
                            int64_t heads, int64_t groups, int64_t T, int64_t S, int64_t size, float scale,
                            int threads) {
    (void)threads;
    const Strides *of = (const Strides *)strides;
    int64_t wide = to_vectors(S), shared = heads / groups;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t most = T > S ? T : S;
        float *rows = malloc((size_t)((T + most + 3 * S + wide) * size + 2 * T * wide) * sizeof(float));
        float *outs = rows + most * size, *turned = outs + T * size, *keys = turned + size * wide;
        float *dkeys = keys + S * size, *dvalues = dkeys + S * size;
        float *probs = dvalues + S * size, *scores = probs + T * wide;
#pragma omp for schedule(static)
        for (int64_t at = 0; at < batch * groups; at++) {
            int64_t b = at / groups, g = at % groups;
            int64_t of_k = b * of[1].batch + g * of[1].head, of_v = b * of[2].batch + g * of[2].head;
            int64_t of_dk = b * of[5].batch + g * of[5].head, of_dv = b * of[6].batch + g * of[6].head;
            if (is_bf16) get_rows(v, 1, of_v, of[2].place, S, size, rows);
            Rows value = rows_at(v, is_bf16, of_v, of[2].place, size, rows);
            transpose(value.first, value.place, S, size, wide, turned);
            get_rows(k, is_bf16, of_k, of[1].place, S, size, keys);
            Rows to_k = rows_at(dk, is_bf16, of_dk, of[5].place, size, dkeys);
            Rows to_v = rows_at(dv, is_bf16, of_dv, of[6].place, size, dvalues);
            for (int64_t h = g * shared; h < (g + 1) * shared; h++) {
                int adds = h > g * shared;
                int64_t of_q = b * of[0].batch + h * of[0].head, of_dq = b * of[4].batch + h * of[4].head;
                int64_t of_weights = (b * heads + h) * T * wide;
                get_rows(dout, is_bf16, b * of[3].batch + h * of[3].head, of[3].place, T, size, outs);
                if (is_bf16) get_rows(weights, 1, of_weights, wide, T, wide, probs);
                float *p = rows_at(weights, is_bf16, of_weights, wide, wide, probs).first;
                product(outs, size, 1, turned, wide, scores, wide, T, wide, size, 1, 0);
                for (int64_t i = 0; i < T; i++) { /* of the scores: p * (dp - sum of p * dp) */
                    vf total = all(0);
                    float *d = scores + i * wide;
                    for (int64_t j = 0; j < wide; j += LANES) total += load(p + i * wide + j) * load(d + j);
                    float mean = sum(total);
                    for (int64_t j = 0; j < wide; j += LANES)
                        store(d + j, load(p + i * wide + j) * (load(d + j) - mean));
                }
                product(p, 1, wide, outs, size, to_v.first, to_v.place, S, size, T, 1, adds);
                Rows to_q = rows_at(dq, is_bf16, of_dq, of[4].place, size, rows);
                product(scores, wide, 1, keys, size, to_q.first, to_q.place, T, size, S, scale, 0);
                if (is_bf16) set_rows(dq, 1, of_dq, of[4].place, T, size, rows);
                get_rows(q, is_bf16, of_q, of[0].place, T, size, rows);
                product(scores, 1, wide, rows, size, to_k.first, to_k.place, S, size, T, scale, adds);
            }
            if (is_bf16) set_rows(dk, 1, of_dk, of[5].place, S, size, dkeys);
            if (is_bf16) set_rows(dv, 1, of_dv, of[6].place, S, size, dvalues);
        }
        free(rows);
    }
}
