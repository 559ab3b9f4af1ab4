/* Products with packed matrices: y = x Wᵀ + b for rows of float32, W packed once.
 *
 * W (outputs x inputs) is stored in panels of PANEL outputs, so that one panel is read from start to end while a few
 * rows of x meet it in registers. In bfloat16 two inputs, in int8 four inputs of an output lie side by side, as the
 * processor's instructions for dot products read them. Where only some outputs are needed (decoding_choices.h), W lies
 * row by row instead.
 */
#ifndef DECODING_PRODUCTS_H
#define DECODING_PRODUCTS_H
#include "vectors.h"

#define WIDE 2 /* vectors of a panel */
#ifdef __AVX512F__
#define MOST_ROWS 12 /* 24 of 32 registers hold sums */
#else
#define MOST_ROWS 6
#endif
#define PANEL (WIDE * LANES)

enum Kind { FLOAT32, BFLOAT16, INT8 };
enum Then { SET, ADD, RELU }; /* y = …, y += …, y = max(0, …) */

typedef struct {
    int64_t in, out;      /* as in the matrix */
    int64_t depth, width; /* rounded up: inputs to whole 32-bit groups (by rows: 64 bytes), outputs to whole panels */
    enum Kind kind;
    void *weights;
    float *bias;     /* width */
    float *scale;    /* int8: of each output */
    int32_t *offset; /* int8: 128 times the sum of each output's weights, since inputs are stored from 0 to 255 */
} Product;

static int64_t rounded(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

static void *aligned(int64_t bytes) {
    void *memory = NULL;
    return posix_memalign(&memory, 64, (size_t)(bytes > 0 ? rounded(bytes, 64) : 64)) ? NULL : memory;
}

static int32_t to_step(float x) { /* nearest whole number, ties to even; 0 for NaN */
    return x == x ? (int32_t)lrintf(x) : 0;
}

void decoding_free_packed(Product *p) {
    if (!p) return;
    free(p->weights), free(p->bias), free(p->scale), free(p->offset), free(p);
}

/* Whether this code, as it was compiled, multiplies numbers of this kind. */
int decoding_can_multiply(int kind) {
#ifdef __AVX512BF16__
    if (kind == BFLOAT16) return 1;
#endif
#ifdef __AVX512VNNI__
    if (kind == INT8) return 1;
#endif
    return kind == FLOAT32;
}

/* Outputs beyond `out` get the bias `beyond`: -inf keeps them out of a softmax. `by_rows`: not in panels. NULL where
 * there is no memory. */
Product *decoding_pack(const float *w, const float *bias, int64_t out, int64_t in, int kind, float beyond, int by_rows) {
    Product *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    const int64_t group = kind == INT8 ? 4 : kind == BFLOAT16 ? 2 : 1;
    p->in = in, p->out = out, p->kind = (enum Kind)kind;
    p->depth = rounded(in, by_rows ? 16 * group : group), p->width = rounded(out, PANEL);
    const int64_t size = p->depth * p->width * 4 / group;
    p->weights = aligned(size), p->bias = aligned(4 * p->width);
    if (kind == INT8) p->scale = aligned(4 * p->width), p->offset = aligned(4 * p->width);
    if (!p->weights || !p->bias || (kind == INT8 && (!p->scale || !p->offset))) return decoding_free_packed(p), NULL;
    memset(p->weights, 0, (size_t)size);
    for (int64_t o = 0; o < p->width; o++) {
        p->bias[o] = o >= out ? beyond : bias ? bias[o] : 0.0f;
        if (kind == INT8) p->scale[o] = 0, p->offset[o] = 0;
        if (o >= out) continue;
        const float *row = w + o * in;
        const int64_t start = (o / PANEL * p->depth * PANEL) + o % PANEL * group;
        float most = 1e-12f;
        if (kind == INT8)
            for (int64_t i = 0; i < in; i++) most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
        for (int64_t i = 0; i < in; i++) {
            const int64_t place = by_rows ? o * p->depth + i : start + i / group * PANEL * group + i % group;
            if (kind == FLOAT32) ((float *)p->weights)[place] = row[i];
            if (kind == BFLOAT16) ((uint16_t *)p->weights)[place] = float_to_bf16(row[i]);
            if (kind == INT8) {
                const int32_t step = to_step(row[i] * (127 / most));
                ((int8_t *)p->weights)[place] = (int8_t)step;
                p->offset[o] += 128 * step;
            }
        }
        if (kind == INT8) p->scale[o] = most / 127;
    }
    return p;
}

#define EACH_ROW _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++)
#define EACH_VECTOR _Pragma("GCC unroll 2") for (int j = 0; j < WIDE; j++)

/* Where a tile of y is, and what is done to it; `count` outputs of the panel are inside y. */
typedef struct {
    float *y;
    int64_t ldy, count;
    enum Then then;
} Target;

/* Sums of a tile, in memory once they are complete. */
typedef union {
    vf floats[MOST_ROWS][WIDE];
    vi whole[MOST_ROWS][WIDE];
} Sums;

static void put(int rows, const Sums *sums, Target to) {
    if (to.then == SET && to.count >= PANEL) {
        for (int r = 0; r < rows; r++, to.y += to.ldy) EACH_VECTOR store(to.y + j * LANES, sums->floats[r][j]);
        return;
    }
    for (int r = 0; r < rows; r++, to.y += to.ldy)
        for (int64_t o = 0; o < PANEL; o += LANES) {
            vf of = sums->floats[r][o / LANES];
            if (o + LANES <= to.count) {
                if (to.then == ADD) of += load(to.y + o);
                if (to.then == RELU) of = larger(of, all(0));
                store(to.y + o, of);
                continue;
            }
            for (int64_t i = 0; o + i < to.count; i++) {
                const float one = to.then == ADD ? of[i] + to.y[o + i] : of[i];
                to.y[o + i] = to.then == RELU && one < 0 ? 0 : one;
            }
        }
}

INLINE void tile_float32(const int rows, const Product *p, const float *x, int64_t ldx, int64_t panel, Sums *to) {
    const float *w = (const float *)p->weights + panel * p->depth * PANEL;
    vf sums[MOST_ROWS][WIDE];
    EACH_ROW EACH_VECTOR sums[r][j] = load(p->bias + panel * PANEL + j * LANES);
    for (int64_t k = 0; k < p->depth; k++, w += PANEL) {
        vf right[WIDE];
        EACH_VECTOR right[j] = load(w + j * LANES);
        EACH_ROW EACH_VECTOR sums[r][j] += right[j] * x[r * ldx + k];
    }
    EACH_ROW EACH_VECTOR to->floats[r][j] = sums[r][j];
}

/* In assembly where GCC's intrinsics copy every sum before they add to it: 2 to 3 times slower. */
#ifdef __AVX512BF16__
INLINE void tile_bfloat16(const int rows, const Product *p, const uint16_t *x, int64_t panel, Sums *to) {
    const uint16_t *w = (const uint16_t *)p->weights + panel * p->depth * PANEL;
    __m512 sums[MOST_ROWS][WIDE];
    EACH_ROW EACH_VECTOR sums[r][j] = _mm512_loadu_ps(p->bias + panel * PANEL + j * LANES);
    for (int64_t k = 0; k < p->depth; k += 2, w += 2 * PANEL) {
        __m512bh right[WIDE];
        EACH_VECTOR right[j] = (__m512bh)_mm512_loadu_si512(w + j * 2 * LANES);
        EACH_ROW {
            int32_t pair;
            memcpy(&pair, x + r * p->depth + k, 4);
            const __m512bh left = (__m512bh)_mm512_set1_epi32(pair);
            EACH_VECTOR asm("vdpbf16ps %2, %1, %0" : "+v"(sums[r][j]) : "v"(right[j]), "v"(left));
        }
    }
    EACH_ROW EACH_VECTOR to->floats[r][j] = (vf)sums[r][j];
}
#endif

#ifdef __AVX512VNNI__
INLINE void tile_int8(const int rows, const Product *p, const uint8_t *x, int64_t panel, Sums *to) {
    const int8_t *w = (const int8_t *)p->weights + panel * p->depth * PANEL;
    __m512i sums[MOST_ROWS][WIDE];
    EACH_ROW EACH_VECTOR sums[r][j] = _mm512_setzero_si512();
    for (int64_t k = 0; k < p->depth; k += 4, w += 4 * PANEL) {
        __m512i right[WIDE];
        EACH_VECTOR right[j] = _mm512_loadu_si512(w + j * 4 * LANES);
        EACH_ROW {
            int32_t four;
            memcpy(&four, x + r * p->depth + k, 4);
            const __m512i left = _mm512_set1_epi32(four);
            EACH_VECTOR asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][j]) : "v"(left), "v"(right[j]));
        }
    }
    EACH_ROW EACH_VECTOR to->whole[r][j] = (vi)sums[r][j];
}
#endif

/* Whole numbers -> what they stand for, with the bias. */
static void scaled(int rows, const Product *p, const float *scales, int64_t panel, Sums *sums) {
    for (int j = 0; j < WIDE; j++) {
        const int64_t first = panel * PANEL + j * LANES;
        const vf scale = load(p->scale + first), bias = load(p->bias + first);
        const vi offset = *(const vi *)(p->offset + first);
        for (int r = 0; r < rows; r++)
            sums->floats[r][j] = __builtin_convertvector(sums->whole[r][j] - offset, vf) * (scale * scales[r]) + bias;
    }
}

#define OF_ROWS(call)                                                                                              \
    switch (rows) {                                                                                                \
        case 1: call(1); break;                                                                                    \
        case 2: call(2); break;                                                                                    \
        case 3: call(3); break;                                                                                    \
        case 4: call(4); break;                                                                                    \
        case 5: call(5); break;                                                                                    \
        case 6: call(6); break;                                                                                    \
        OF_MORE_ROWS(call)                                                                                         \
    }
#if MOST_ROWS > 6
#define OF_MORE_ROWS(call)                                                                                         \
    case 7: call(7); break;                                                                                        \
    case 8: call(8); break;                                                                                        \
    case 9: call(9); break;                                                                                        \
    case 10: call(10); break;                                                                                      \
    case 11: call(11); break;                                                                                      \
    case 12: call(12); break;
#else
#define OF_MORE_ROWS(call)
#endif

/* Rounds rows of x for the product's kind into `room`: bfloat16, or numbers from 0 to 255 with a scale a row. */
static const void *as_kind(const Product *p, const float *x, int64_t ldx, int64_t rows, void *room, float *scales) {
    if (p->kind == FLOAT32) return x;
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * ldx;
        if (p->kind == BFLOAT16) {
            uint16_t *to = (uint16_t *)room + r * p->depth;
            int64_t i = 0;
#ifdef __AVX512BF16__
            for (; i + 16 <= p->in; i += 16)
                _mm256_storeu_si256((__m256i *)(to + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(row + i)));
#endif
            for (; i < p->in; i++) to[i] = float_to_bf16(row[i]);
            for (; i < p->depth; i++) to[i] = 0;
        } else {
            uint8_t *to = (uint8_t *)room + r * p->depth;
            float most = 1e-12f;
            int64_t i = 0;
#ifdef __AVX512VNNI__
            __m512 largest = _mm512_set1_ps(most);
            for (; i + 16 <= p->in; i += 16) largest = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(row + i)), largest);
            most = _mm512_reduce_max_ps(largest);
#endif
            for (; i < p->in; i++) most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
            scales[r] = most / 127, i = 0;
#ifdef __AVX512VNNI__
            const __m512 step = _mm512_set1_ps(127 / most);
            for (; i + 16 <= p->in; i += 16) {
                const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(row + i), step));
                const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(whole, _mm512_set1_epi32(128)));
                _mm_storeu_si128((__m128i *)(to + i), bytes);
            }
#endif
            for (; i < p->in; i++) to[i] = (uint8_t)(to_step(row[i] * (127 / most)) + 128);
            for (; i < p->depth; i++) to[i] = 128;
        }
    }
    return room;
}

/* y[r, o] = then(x[r] · W[o] + bias[o]) for o < columns. `room` has 4 bytes for each row,
 * and 2 for each of its inputs. */
static void multiply(
    const Product *p, const float *x, int64_t ldx, int64_t num_rows, float *y, int64_t ldy, int64_t columns,
    enum Then then, void *room) {
    if (num_rows < 1) return;
    float *scales = (float *)room;
    const void *rounded_x = as_kind(p, x, ldx, num_rows, (char *)room + 4 * num_rows, scales);
    const int64_t num_tiles = (num_rows + MOST_ROWS - 1) / MOST_ROWS, most = (num_rows + num_tiles - 1) / num_tiles;
    for (int64_t panel = 0; panel * PANEL < columns; panel++)
        for (int64_t first = 0; first < num_rows; first += most) {
            const int rows = (int)(num_rows - first < most ? num_rows - first : most);
            Sums sums;
            (void)rounded_x;
#define CALL(n) tile_float32(n, p, x + first * ldx, ldx, panel, &sums)
            if (p->kind == FLOAT32) OF_ROWS(CALL)
#undef CALL
#ifdef __AVX512BF16__
#define CALL(n) tile_bfloat16(n, p, (const uint16_t *)rounded_x + first * p->depth, panel, &sums)
            if (p->kind == BFLOAT16) OF_ROWS(CALL)
#undef CALL
#endif
#ifdef __AVX512VNNI__
#define CALL(n) tile_int8(n, p, (const uint8_t *)rounded_x + first * p->depth, panel, &sums)
            if (p->kind == INT8) OF_ROWS(CALL)
#undef CALL
#endif
            if (p->kind == INT8) scaled(rows, p, scales + first, panel, &sums);
            put(rows, &sums, (Target){y + first * ldy + panel * PANEL, ldy, columns - panel * PANEL, then});
        }
}
#endif
