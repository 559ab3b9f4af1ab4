/* Passes over rows of states: norms, dropout in a residual sum, gates, rotations, sums of columns. */
#include "vectors.h"

#define SIDE_BY_SIDE 4 /* rows whose columns are summed in registers */

/* `a` and `b` are sums of `size` columns, of each thread for itself: adds them up, in the order of the threads. */
static void add_up(const float *a, float *to, int64_t size, int threads) {
    if (!to) return;
    memset(to, 0, (size_t)size * sizeof(float));
    for (int t = 0; t < threads; t++)
        for (int64_t j = 0; j < size; j++) to[j] += a[t * size + j];
}

INLINE void first_to_last(int64_t rows, int threads, int thread, int64_t *first, int64_t *last) {
    int64_t each = (rows + threads - 1) / threads;
    *first = each * thread < rows ? each * thread : rows;
    *last = *first + each < rows ? *first + each : rows;
}

/* h = (x - mean) / sqrt(variance + epsilon) * weight + bias; of RMSNorm (bias is NULL): mean is 0. x is float, `size` a
 * multiple of LANES; stats (rows x 2) are mean and 1 / sqrt(…). */
EXPORT void norm(const float *x, const float *weight, const float *bias, int is_rms, float epsilon, bf16 *h,
                 float *stats, int64_t rows, int64_t size, int threads) {
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < rows; i++) {
        const float *row = x + i * size;
        vf total = all(0), squares = all(0);
        if (!is_rms)
            for (int64_t j = 0; j < size; j += LANES) total += load(row + j);
        float mean = sum(total) / (float)size;
        for (int64_t j = 0; j < size; j += LANES) {
            vf away = load(row + j) - mean;
            squares += away * away;
        }
        float scale = 1.0f / sqrtf(sum(squares) / (float)size + epsilon);
        stats[2 * i] = mean, stats[2 * i + 1] = scale;
        for (int64_t j = 0; j < size; j += LANES) {
            vf result = (load(row + j) - mean) * scale * load(weight + j);
            if (bias) result += load(bias + j);
            store_bf16(h + i * size + j, result);
        }
    }
}

/* What `norm_backward` does for `count` rows from `first` on, whose sums of columns are added to dweight and dbias. */
INLINE void norm_rows_backward(const int count, const bf16 *dh, const float *x, const float *weight,
                               const float *stats, int is_rms, float *dx, float *dweight, float *dbias, int64_t first,
                               int64_t size) {
    vf total[SIDE_BY_SIDE], product[SIDE_BY_SIDE];
    for (int r = 0; r < count; r++) total[r] = product[r] = all(0);
    for (int64_t j = 0; j < size; j += LANES) {
        vf of_weight = load(dweight + j), of_bias = load(dbias + j), by = load(weight + j);
#pragma GCC unroll 8
        for (int r = 0; r < count; r++) {
            int64_t at = (first + r) * size + j;
            vf d = load_bf16(dh + at);
            vf away = (load(x + at) - stats[2 * (first + r)]) * stats[2 * (first + r) + 1];
            of_weight += d * away;
            of_bias += d;
            d *= by;
            total[r] += d;
            product[r] += d * away;
        }
        store(dweight + j, of_weight);
        store(dbias + j, of_bias);
    }
    for (int r = 0; r < count; r++) {
        float mean = stats[2 * (first + r)], scale = stats[2 * (first + r) + 1];
        float a = is_rms ? 0 : sum(total[r]) / (float)size, b = sum(product[r]) / (float)size;
        for (int64_t j = 0; j < size; j += LANES) {
            int64_t at = (first + r) * size + j;
            vf away = (load(x + at) - mean) * scale;
            store(dx + at, (load_bf16(dh + at) * load(weight + j) - a - away * b) * scale);
        }
    }
}

/* Gradients of `norm` from that of h: of x, weight and bias (NULL: there is none). */
EXPORT void norm_backward(const bf16 *dh, const float *x, const float *weight, const float *stats,
                          int is_rms, float *dx, float *dweight, float *dbias, int64_t rows, int64_t size,
                          int threads) {
    float *sums = calloc((size_t)(2 * threads * size), sizeof(float)), *others = sums + threads * size;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int thread = 0; thread < threads; thread++) {
        float *own = sums + thread * size, *other = others + thread * size;
        int64_t i, last;
        first_to_last(rows, threads, thread, &i, &last);
        for (; i + SIDE_BY_SIDE <= last; i += SIDE_BY_SIDE)
            norm_rows_backward(SIDE_BY_SIDE, dh, x, weight, stats, is_rms, dx, own, other, i, size);
        for (; i < last; i++) norm_rows_backward(1, dh, x, weight, stats, is_rms, dx, own, other, i, size);
    }
    add_up(sums, dweight, size, threads);
    add_up(others, dbias, size, threads);
    free(sums);
}

/* Where `bytes` are at least `threshold`, the value scaled to keep the expectation, else 0. */
INLINE vf kept(vf value, const uint8_t *bytes, int threshold, float scale) {
    vi byte = __builtin_convertvector(*(const vb *)bytes, vi);
    return choose(byte >= threshold, value * scale, all(0));
}

/* out = x + dropout(y), x and out float; x may be NULL (0), bytes too (nothing is dropped). */
EXPORT void add_dropped(const float *x, const void *y, int y_bf16, const uint8_t *bytes, int threshold, void *out,
                        int out_bf16, int64_t count, int threads) {
    (void)threads;
    float scale = 256.0f / (float)(256 - threshold);
    int64_t whole = count / LANES * LANES;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t j = 0; j < whole; j += LANES) {
        vf value = load_any(y, j, y_bf16);
        if (bytes) value = kept(value, bytes + j, threshold, scale);
        if (x) value += load(x + j);
        store_any(out, j, value, out_bf16);
    }
    for (int64_t j = whole; j < count; j++) {
        float value = get_any(y, j, y_bf16);
        if (bytes) value = bytes[j] >= threshold ? value * scale : 0;
        if (x) value += x[j];
        set_any(out, j, value, out_bf16);
    }
}

/* dx = dy where y is above 0, else 0; y is the result of relu. */
EXPORT void relu_backward(const void *dy, const void *y, int is_bf16, void *dx, int64_t count, int threads) {
    (void)threads;
    int64_t whole = count / LANES * LANES;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t j = 0; j < whole; j += LANES)
        store_any(dx, j, choose(load_any(y, j, is_bf16) > 0, load_any(dy, j, is_bf16), all(0)), is_bf16);
    for (int64_t j = whole; j < count; j++)
        set_any(dx, j, get_any(y, j, is_bf16) > 0 ? get_any(dy, j, is_bf16) : 0, is_bf16);
}

/* 1 / (1 + e^-x) */
INLINE vf sigmoid(vf x) { return 1 / (1 + exponential(choose(x < -88.0f, all(88.0f), -x))); }

/* out = silu(gate) * up, where each row of x is a gate and what it lets through, `size` numbers each, a multiple of
 * LANES. */
EXPORT void gate(const void *x, int is_bf16, void *out, int64_t rows, int64_t size, int threads) {
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += LANES) {
            vf g = load_any(x, 2 * i * size + j, is_bf16), up = load_any(x, (2 * i + 1) * size + j, is_bf16);
            store_any(out, i * size + j, g * sigmoid(g) * up, is_bf16);
        }
}

/* The gradient of x from that of out. */
EXPORT void gate_backward(const void *dout, const void *x, int is_bf16, void *dx, int64_t rows, int64_t size,
                          int threads) {
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += LANES) {
            int64_t of_gate = 2 * i * size + j, of_up = of_gate + size;
            vf g = load_any(x, of_gate, is_bf16), up = load_any(x, of_up, is_bf16), s = sigmoid(g);
            vf d = load_any(dout, i * size + j, is_bf16);
            store_any(dx, of_gate, d * up * s * (1 + g * (1 - s)), is_bf16);
            store_any(dx, of_up, d * g * s, is_bf16);
        }
}

/* out (batch x T x heads x size): x, whose first `rotated` heads are turned by the angle of their place: each pair
 * (x_j, x_{j + half}), with half = size / 2, a multiple of LANES; cosine and sine: T x half. strides: of batch, head and
 * place in x. */
EXPORT void rotate(const void *x, int is_bf16, const int64_t *strides, const float *cosine, const float *sine,
                   void *out, int64_t batch, int64_t heads, int64_t rotated, int64_t T, int64_t size, int threads) {
    (void)threads;
    int64_t half = size / 2;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t at = 0; at < batch * T; at++)
        for (int64_t h = 0; h < heads; h++) {
            int64_t b = at / T, t = at % T, to = (at * heads + h) * size;
            int64_t from = b * strides[0] + h * strides[1] + t * strides[2];
            for (int64_t j = 0; j < half; j += LANES) {
                vf left = load_any(x, from + j, is_bf16), right = load_any(x, from + half + j, is_bf16);
                if (h < rotated) {
                    vf c = load(cosine + t * half + j), s = load(sine + t * half + j), first = left;
                    left = first * c - right * s;
                    right = right * c + first * s;
                }
                store_any(out, to + j, left, is_bf16);
                store_any(out, to + half + j, right, is_bf16);
            }
        }
}

/* Sums of columns in float. */
EXPORT void column_sums(const void *x, int is_bf16, float *to, int64_t rows, int64_t size, int threads) {
    float *sums = calloc((size_t)(threads * size), sizeof(float));
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int thread = 0; thread < threads; thread++) {
        float *own = sums + thread * size;
        int64_t first, last;
        first_to_last(rows, threads, thread, &first, &last);
        for (int64_t i = first; i < last; i += SIDE_BY_SIDE) {
            int64_t end = i + SIDE_BY_SIDE < last ? i + SIDE_BY_SIDE : last, j = 0;
            for (; j + LANES <= size; j += LANES) {
                vf total = load(own + j);
                for (int64_t r = i; r < end; r++) total += load_any(x, r * size + j, is_bf16);
                store(own + j, total);
            }
            for (; j < size; j++)
                for (int64_t r = i; r < end; r++) own[j] += get_any(x, r * size + j, is_bf16);
        }
    }
    add_up(sums, to, size, threads);
    free(sums);
}
