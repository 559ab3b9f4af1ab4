/* Products of float matrices by AVX-512, with what stands around them in a linear layer: bias, relu, its gradient. */
#include "vectors.h"
#ifdef __AVX512F__

/* A block of HIGH x WIDE sums stays in registers. The right side lies in panels of WIDE columns, row behind row, so that
 * one of DEPTH rows fits the first-level cache; ROWS rows of the left side fit the second-level one. */
#define HIGH 12
#define WIDE (2 * LANES)
#define DEPTH 256
#define ROWS 96
#define BESIDE LANES /* numbers between copied rows, which else would share their sets of the cache */

typedef struct {
    const float *bias;
    int adds, relu;     /* to what is there; after the last sum */
    __mmask16 low, high; /* which of the WIDE columns are there */
} End;

INLINE __mmask16 mask_of(int64_t columns) {
    return columns >= LANES ? 0xffff : columns <= 0 ? 0 : (__mmask16)((1 << columns) - 1);
}

/* out (count x WIDE) = or += left (number k of row r is left[r * row + k * step]) times a panel. */
INLINE void block(const int count, const float *left, int64_t row, int64_t step, const float *right, int64_t depth,
                  float *out, int64_t out_row, End end) {
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
            __m512 by = _mm512_set1_ps(left[r * row + k * step]);
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
INLINE void blocks(int64_t rows, const float *left, int64_t row, int64_t step, const float *right, int64_t depth,
                   float *out, int64_t out_row, End end) {
#define OF(count)                                                                                                      \
    do {                                                                                                               \
        block(count, left, row, step, right, depth, out, out_row, end);                                                \
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
                    blocks(here, a, row, 1, panels + c * inner + from * WIDE, depth, out + first * columns + c, columns,
                           end);
                }
            }
        }
        free(copy);
    }
}

/* `depth` rows of x as panels. */
INLINE void panel_of_rows(const float *x, int64_t x_row, int64_t depth, int64_t columns, float *to) {
    __mmask16 low = mask_of(columns), high = mask_of(columns - LANES);
    for (int64_t k = 0; k < depth; k++) {
        _mm512_storeu_ps(to + k * WIDE, _mm512_maskz_loadu_ps(low, x + k * x_row));
        _mm512_storeu_ps(to + k * WIDE + LANES, _mm512_maskz_loadu_ps(high, x + k * x_row + LANES));
    }
}

/* Rows of dy, `columns` of them, in blocks of HIGH columns, row behind row; `relu` and `kept`: dy is 0 where relu is not
 * above 0, and is kept so; what is left is added to sums. */
static void left_of_rows(const float *dy, const float *relu, float *kept, int64_t dy_row, int64_t depth,
                         int64_t columns, float *to, float *sums) {
    __m512 zero = _mm512_setzero_ps();
    for (int64_t k = 0; k < depth; k++) { /* row by row: rows that are 4096 bytes apart share one set of the cache */
        const float *row = dy + k * dy_row;
        for (int64_t j = 0; j < columns; j += LANES) {
            __mmask16 mask = mask_of(columns - j);
            __m512 d = _mm512_maskz_loadu_ps(mask, row + j);
            if (relu) {
                __m512 y = _mm512_maskz_loadu_ps(mask, relu + k * dy_row + j);
                d = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero, _CMP_GT_OQ), d);
                _mm512_mask_storeu_ps(kept + k * dy_row + j, mask, d);
            }
            _mm512_mask_storeu_ps(sums + j, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, sums + j), d));
        }
        if (relu) row = kept + k * dy_row;
        for (int64_t b = 0; b < columns; b += HIGH) {
            __mmask16 mask = mask_of(columns - b < HIGH ? columns - b : HIGH);
            _mm512_mask_storeu_ps(to + b * depth + k * HIGH, mask_of(HIGH), _mm512_maskz_loadu_ps(mask, row + b));
        }
    }
}

/* gradient (outputs x inputs) = dyᵀ x; sums (outputs) = the sums of the columns of dy. `relu` (rows x outputs, NULL:
 * none): dy counts where it is above 0, and `kept` becomes that. dy: rows x outputs, x: rows x inputs. */
EXPORT void vector_weight_gradient(const float *dy, const float *relu, float *kept, const float *x, int64_t x_row,
                                   float *gradient, float *sums, int64_t rows, int64_t outputs, int64_t inputs,
                                   int threads) {
    (void)threads;
    int64_t wide = (inputs + WIDE - 1) / WIDE * WIDE, tokens = rows < DEPTH ? rows : DEPTH, each = ROWS;
    while (each > HIGH && outputs < each * threads) each = each / 2 / HIGH * HIGH;
    float *right = malloc((size_t)(tokens * wide) * sizeof(float));
    memset(sums, 0, (size_t)outputs * sizeof(float));
    if (!rows) memset(gradient, 0, (size_t)(outputs * inputs) * sizeof(float));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *left = malloc((size_t)(tokens * each) * sizeof(float));
        for (int64_t start = 0; start < rows; start += DEPTH) {
            int64_t depth = rows - start < DEPTH ? rows - start : DEPTH;
#pragma omp for schedule(static)
            for (int64_t i = 0; i < inputs; i += WIDE)
                panel_of_rows(x + start * x_row + i, x_row, depth, inputs - i, right + i * depth);
#pragma omp for schedule(static)
            for (int64_t first = 0; first < outputs; first += each) {
                int64_t here = outputs - first < each ? outputs - first : each, at = start * outputs + first;
                left_of_rows(dy + at, relu ? relu + at : 0, kept ? kept + at : 0, outputs, depth, here, left,
                             sums + first);
                for (int64_t i = 0; i < inputs; i += WIDE) {
                    End end = {0, start > 0, 0, mask_of(inputs - i), mask_of(inputs - i - LANES)};
                    for (int64_t b = 0; b < here; b += HIGH)
                        blocks(here - b < HIGH ? here - b : HIGH, left + b * depth, 1, HIGH, right + i * depth, depth,
                               gradient + (first + b) * inputs + i, inputs, end);
                }
            }
        }
        free(left);
    }
    free(right);
}
#endif
