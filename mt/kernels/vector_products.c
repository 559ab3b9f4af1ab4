/* Products of float matrices by AVX-512: of a linear layer, with bias and relu, and its weight's gradient. */
#include "vectors.h"
#ifdef __AVX512F__

/* A block of HIGH x WIDE sums stays in registers. The right side lies in panels of WIDE columns, row behind row; DEPTH
 * rows of one fit the first-level cache, ROWS rows of the left side the second-level one. */
#define HIGH 12
#define WIDE (2 * LANES)
#define DEPTH 256
#define ROWS 96
#define TOKENS 256   /* rows of a weight's gradient that are summed at a time */
#define OUTPUTS 192  /* columns of dy in panels at a time */
#define BESIDE LANES /* numbers between copied rows, which else would share their sets of the cache */

typedef struct {
    const float *bias;
    int adds, relu;     /* to what is there; after the last sum */
    __mmask16 low, high; /* which of the WIDE columns are there */
} End;

INLINE __mmask16 mask_of(int64_t columns) {
    return columns >= LANES ? 0xffff : columns <= 0 ? 0 : (__mmask16)((1 << columns) - 1);
}

/* out (count x WIDE) = or += left (`row` numbers from row to row) times a panel. */
INLINE void block(const int count, const float *left, int64_t row, const float *right, int64_t depth, float *out,
                  int64_t out_row, End end) {
    __m512 a[HIGH], b[HIGH];
#pragma GCC unroll 12
    for (int r = 0; r < count; r++) {
        a[r] = b[r] = _mm512_setzero_ps();
        __builtin_prefetch(out + r * out_row, 1);
        __builtin_prefetch(out + r * out_row + LANES, 1);
    }
    for (int64_t k = 0; k < depth; k++) {
        __m512 x = _mm512_loadu_ps(right + k * WIDE), y = _mm512_loadu_ps(right + k * WIDE + LANES);
#pragma GCC unroll 12
        for (int r = 0; r < count; r++) {
            __m512 by = _mm512_set1_ps(left[r * row + k]);
            a[r] = _mm512_fmadd_ps(by, x, a[r]);
            b[r] = _mm512_fmadd_ps(by, y, b[r]);
        }
    }
    __m512 zero = _mm512_setzero_ps(), p = zero, q = zero;
    if (end.bias) {
        p = _mm512_maskz_loadu_ps(end.low, end.bias);
        q = _mm512_maskz_loadu_ps(end.high, end.bias + LANES);
    }
#pragma GCC unroll 12
    for (int r = 0; r < count; r++) {
        float *to = out + r * out_row;
        __m512 x = _mm512_add_ps(a[r], p), y = _mm512_add_ps(b[r], q);
        if (end.adds) {
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(end.low, to));
            y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(end.high, to + LANES));
        }
        if (end.relu) { /* the second operand where one is NaN */
            x = _mm512_max_ps(zero, x);
            y = _mm512_max_ps(zero, y);
        }
        _mm512_mask_storeu_ps(to, end.low, x);
        _mm512_mask_storeu_ps(to + LANES, end.high, y);
    }
}

/* The same of any number of rows. */
INLINE void blocks(int64_t rows, const float *left, int64_t row, const float *right, int64_t depth, float *out,
                   int64_t out_row, End end) {
#define OF(count)                                                                                                      \
    do {                                                                                                               \
        block(count, left, row, right, depth, out, out_row, end);                                                      \
        left += (count) * row, out += (count) * out_row, rows -= (count);                                              \
    } while (0)
    while (rows >= HIGH) OF(HIGH);
    if (rows >= 8) OF(8);
    if (rows >= 4) OF(4);
    if (rows >= 2) OF(2);
    if (rows >= 1) OF(1);
#undef OF
}

/* Panels of Wᵀ (inputs x outputs) from W (outputs x inputs), filled up with zeros. */
EXPORT void pack_panels(const float *weight, int64_t outputs, int64_t inputs, float *to, int threads) {
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t first = 0; first < outputs; first += WIDE)
        for (int64_t from = 0; from < inputs; from += LANES)
            for (int j = 0; j < WIDE; j++) {
                const float *row = weight + (first + j) * inputs;
                int64_t last = from + LANES < inputs ? from + LANES : inputs;
                for (int64_t k = from; k < last; k++)
                    to[first * inputs + k * WIDE + j] = first + j < outputs ? row[k] : 0;
            }
}

/* out (rows x columns) = left (rows x inner) times panels, + bias (NULL: none), and relu of it. */
EXPORT void vector_product(const float *left, int64_t left_row, const float *panels, const float *bias, int relu,
                           float *out, int64_t rows, int64_t columns, int64_t inner, int threads) {
    (void)threads;
    int is_copied = left_row * sizeof(float) % 4096 == 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *copy = is_copied ? malloc(ROWS * (DEPTH + BESIDE) * sizeof(float)) : 0;
#pragma omp for schedule(static)
        for (int64_t first = 0; first < rows; first += ROWS) {
            int64_t here = rows - first < ROWS ? rows - first : ROWS;
            for (int64_t from = 0; from < inner; from += DEPTH) {
                int64_t depth = inner - from < DEPTH ? inner - from : DEPTH, row = left_row;
                const float *a = left + first * left_row + from;
                if (is_copied) {
                    row = DEPTH + BESIDE;
                    for (int64_t i = 0; i < here; i++)
                        memcpy(copy + i * row, a + i * left_row, (size_t)depth * sizeof(float));
                    a = copy;
                }
                for (int64_t c = 0; c < columns; c += WIDE) {
                    End end = {from || !bias ? 0 : bias + c, from > 0, relu && from + depth == inner,
                               mask_of(columns - c), mask_of(columns - c - LANES)};
                    blocks(here, a, row, panels + c * inner + from * WIDE, depth, out + first * columns + c, columns,
                           end);
                }
            }
        }
        free(copy);
    }
}

/* sums (count x WIDE) of a weight's gradient = or += lefts (count numbers a token, HIGH from token to token) times a panel. */
INLINE void outer(const int count, const float *lefts, const float *panel, int64_t tokens, float *to, int64_t to_row,
                  int adds, __mmask16 low, __mmask16 high) {
    __m512 a[HIGH], b[HIGH];
#pragma GCC unroll 12
    for (int r = 0; r < count; r++) {
        a[r] = adds ? _mm512_maskz_loadu_ps(low, to + r * to_row) : _mm512_setzero_ps();
        b[r] = adds ? _mm512_maskz_loadu_ps(high, to + r * to_row + LANES) : _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < tokens; k++, lefts += HIGH, panel += WIDE) {
        __m512 x = _mm512_loadu_ps(panel), y = _mm512_loadu_ps(panel + LANES);
#pragma GCC unroll 12
        for (int r = 0; r < count; r++) {
            __m512 by = _mm512_set1_ps(lefts[r]);
            a[r] = _mm512_fmadd_ps(by, x, a[r]);
            b[r] = _mm512_fmadd_ps(by, y, b[r]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < count; r++) {
        _mm512_mask_storeu_ps(to + r * to_row, low, a[r]);
        _mm512_mask_storeu_ps(to + r * to_row + LANES, high, b[r]);
    }
}

/* Columns of some rows side by side: `wide` numbers a row, of which there are `real`, row behind row, then zeros. */
INLINE void take_columns(const float *from, int64_t from_row, int64_t rows, int64_t real, const int wide, float *to) {
    if (real >= wide)
        for (int64_t k = 0; k < rows; k++) memcpy(to + k * wide, from + k * from_row, (size_t)wide * sizeof(float));
    else
        for (int64_t k = 0; k < rows; k++)
            for (int j = 0; j < wide; j++) to[k * wide + j] = j < real ? from[k * from_row + j] : 0;
}

/* gradient (outputs x inputs) = or += dyᵀ x. dy: rows x outputs, x: rows x inputs. A few rows of both at a time lie in
 * panels of the second-level cache, those of x WIDE and those of dy HIGH numbers wide. */
EXPORT void vector_weight_gradient(const float *dy, int64_t dy_row, const float *x, int64_t x_row, float *gradient,
                                   int adds, int64_t rows, int64_t outputs, int64_t inputs, int threads) {
    (void)threads;
    int64_t panels = (inputs + WIDE - 1) / WIDE, tokens = rows < TOKENS ? rows : TOKENS, each = OUTPUTS;
    while (each > HIGH && outputs < each * threads) each -= HIGH;
    if (!rows && !adds) memset(gradient, 0, (size_t)(outputs * inputs) * sizeof(float));
    float *right = aligned_alloc(64, (size_t)(panels * WIDE * tokens + LANES) / LANES * LANES * sizeof(float));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *left = aligned_alloc(64, (size_t)(each * TOKENS) * sizeof(float));
        for (int64_t start = 0; start < rows; start += tokens) {
            int64_t here = start + tokens < rows ? tokens : rows - start;
#pragma omp for schedule(static)
            for (int64_t i = 0; i < panels; i++)
                take_columns(x + start * x_row + i * WIDE, x_row, here, inputs - i * WIDE, WIDE,
                             right + i * WIDE * tokens);
#pragma omp for schedule(static)
            for (int64_t first = 0; first < outputs; first += each) {
                int64_t last = first + each < outputs ? first + each : outputs;
                for (int64_t o = first; o < last; o += HIGH)
                    take_columns(dy + start * dy_row + o, dy_row, here, last - o, HIGH, left + (o - first) * TOKENS);
                for (int64_t i = 0; i < inputs; i += WIDE)
                    for (int64_t o = first; o < last; o += HIGH) {
#define OF(count)                                                                                                      \
    case count:                                                                                                        \
        outer(count, left + (o - first) * TOKENS, right + i * tokens, here, gradient + o * inputs + i, inputs,         \
              adds || start, mask_of(inputs - i), mask_of(inputs - i - LANES));                                        \
        break;
                        switch (last - o) {
                            OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11)
                            default: OF(HIGH)
                        }
#undef OF
                    }
            }
        }
        free(left);
    }
    free(right);
}
#endif
