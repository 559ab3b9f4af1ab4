/* Products with some outputs of a matrix: the target pieces that a sentence may become, by its shortlist.
 *
 * Each sentence has its own, so that nothing is gathered for a batch: rows of the matrix are read where they lie, those
 * that sentences share stay in the cache, and a row is read once for a few hypotheses of the sentence.
 */
#ifndef DECODING_CHOICES_H
#define DECODING_CHOICES_H
#include "decoding_products.h"

#define ABREAST 4 /* outputs at a time, whose sums become one vector */
#ifdef __AVX512F__
#define MOST_READERS 5 /* rows of x at a time: 20 of 32 registers hold sums */
#else
#define MOST_READERS 2
#endif
#define EACH_CHOICE _Pragma("GCC unroll 4") for (int c = 0; c < ABREAST; c++)

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t four_whole __attribute__((vector_size(16), aligned(4), may_alias));

/* Target pieces of source piece s: pieces[starts[s]] to pieces[starts[s + 1] - 1]; `common` are those of every source. */
typedef struct {
    const int32_t *starts, *pieces, *common;
    int64_t num_common;
} Shortlist;

static void mark(uint64_t *marks, const int32_t *ids, int64_t count) {
    for (int64_t i = 0; i < count; i++) marks[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
}

/* The ids that a source of S pieces and EOS may become, ascending, of `size`; after them room for whole vectors. `marks`:
 * a bit for each id. NULL where there is no memory. */
static int32_t *choices_of(
    const Shortlist *list, const int32_t *source, int64_t S, int64_t size, uint64_t *marks, int64_t *count) {
    const int64_t words = (size + 63) / 64;
    memset(marks, 0, (size_t)(8 * words));
    mark(marks, list->common, list->num_common);
    for (int64_t s = 0; s < S; s++)
        mark(marks, list->pieces + list->starts[source[s]], list->starts[source[s] + 1] - list->starts[source[s]]);
    *count = 0;
    for (int64_t w = 0; w < words; w++) *count += __builtin_popcountll(marks[w]);
    int32_t *ids = aligned(4 * rounded(*count, PANEL)), *to = ids;
    if (!ids) return NULL;
    for (int64_t w = 0; w < words; w++)
        for (uint64_t left = marks[w]; left; left &= left - 1) *to++ = (int32_t)(64 * w + __builtin_ctzll(left));
    while (to < ids + rounded(*count, PANEL)) *to++ = ids[0];
    return ids;
}

#ifdef __AVX512F__
#define ADD_HALVES(low, high, a, b) (low(a, b) + high(a, b))
/* The sum of each of four vectors. */
INLINE four sums_of(const vf *of) {
    const __m512 left = ADD_HALVES(_mm512_unpacklo_ps, _mm512_unpackhi_ps, (__m512)of[0], (__m512)of[1]);
    const __m512 right = ADD_HALVES(_mm512_unpacklo_ps, _mm512_unpackhi_ps, (__m512)of[2], (__m512)of[3]);
    const __m512 low = _mm512_shuffle_ps(left, right, 0x44), high = _mm512_shuffle_ps(left, right, 0xee), all = low + high;
    const __m256 half = _mm512_castps512_ps256(all) + _mm512_extractf32x8_ps(all, 1);
    return (four)(_mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1));
}
#else
INLINE four sums_of(const vf *of) { return (four){sum(of[0]), sum(of[1]), sum(of[2]), sum(of[3])}; }
#endif

INLINE void choose_float32(const int rows, const Product *p, const void *x, int64_t ldx, const int32_t *ids, four *to) {
    const float *of_x = x, *w[ABREAST];
    EACH_CHOICE w[c] = (const float *)p->weights + ids[c] * p->depth;
    vf sums[MOST_READERS][ABREAST];
    EACH_ROW EACH_CHOICE sums[r][c] = (vf){0};
    for (int64_t k = 0; k < p->in; k += LANES) {
        vf right[ABREAST];
        EACH_CHOICE right[c] = load(w[c] + k);
        EACH_ROW {
            const vf left = load(of_x + r * ldx + k);
            EACH_CHOICE sums[r][c] += left * right[c];
        }
    }
    EACH_ROW to[r] = sums_of(sums[r]);
}

#ifdef __AVX512BF16__
INLINE void choose_bfloat16(const int rows, const Product *p, const void *x, int64_t ldx, const int32_t *ids, four *to) {
    const uint16_t *of_x = x, *w[ABREAST];
    EACH_CHOICE w[c] = (const uint16_t *)p->weights + ids[c] * p->depth;
    __m512 sums[MOST_READERS][ABREAST];
    EACH_ROW EACH_CHOICE sums[r][c] = _mm512_setzero_ps();
    for (int64_t k = 0; k < p->depth; k += 2 * LANES) {
        __m512bh right[ABREAST];
        EACH_CHOICE right[c] = (__m512bh)_mm512_loadu_si512(w[c] + k);
        EACH_ROW {
            const __m512bh left = (__m512bh)_mm512_loadu_si512(of_x + r * ldx + k);
            EACH_CHOICE asm("vdpbf16ps %2, %1, %0" : "+v"(sums[r][c]) : "v"(right[c]), "v"(left));
        }
    }
    EACH_ROW to[r] = sums_of((const vf *)sums[r]);
}
#endif

#ifdef __AVX512VNNI__
INLINE four_whole whole_sums_of(const __m512i *of) {
#define ADD_WHOLE(a, b) _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b))
    const __m512i left = ADD_WHOLE(of[0], of[1]), right = ADD_WHOLE(of[2], of[3]);
#undef ADD_WHOLE
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(left, right), _mm512_unpackhi_epi64(left, right));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return (four_whole)_mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

INLINE void choose_int8(
    const int rows, const Product *p, const void *x, int64_t ldx, const float *scales, const int32_t *ids, four *to) {
    const uint8_t *of_x = x;
    const int8_t *w[ABREAST];
    EACH_CHOICE w[c] = (const int8_t *)p->weights + ids[c] * p->depth;
    __m512i sums[MOST_READERS][ABREAST];
    EACH_ROW EACH_CHOICE sums[r][c] = _mm512_setzero_si512();
    for (int64_t k = 0; k < p->depth; k += 4 * LANES) {
        __m512i right[ABREAST];
        EACH_CHOICE right[c] = _mm512_loadu_si512(w[c] + k);
        EACH_ROW {
            const __m512i left = _mm512_loadu_si512(of_x + r * ldx + k);
            EACH_CHOICE asm("vpdpbusd %2, %1, %0" : "+v"(sums[r][c]) : "v"(left), "v"(right[c]));
        }
    }
    four_whole offset;
    four scale;
    EACH_CHOICE offset[c] = p->offset[ids[c]], scale[c] = p->scale[ids[c]];
    EACH_ROW to[r] = __builtin_convertvector(whole_sums_of(sums[r]) - offset, four) * (scale * scales[r]);
}
#endif

#if MOST_READERS > 2
#define OF_READERS(call)                                                                                           \
    switch (rows) {                                                                                                \
        case 1: call(1); break;                                                                                    \
        case 2: call(2); break;                                                                                    \
        case 3: call(3); break;                                                                                    \
        case 4: call(4); break;                                                                                    \
        default: call(5);                                                                                          \
    }
#else
#define OF_READERS(call)                                                                                           \
    if (rows == 1) call(1);                                                                                        \
    else call(2)
#endif

/* y[r, c] = x[r] · W[ids[c]] for c < count, and -inf up to a whole vector, for at most MOST_READERS rows of W's width;
 * W lies row by row. `room`: 64 bytes, and 2 for each input of each row, rounded up to 64. */
static void multiply_chosen(
    const Product *p, const float *x, int64_t ldx, int rows, const int32_t *ids, int64_t count, float *y, int64_t ldy, void *room) {
    float *scales = (float *)room;
    const void *of_x = as_kind(p, x, ldx, rows, (char *)room + 64, scales);
    for (int64_t c = 0; c < count; c += ABREAST) {
        four sums[MOST_READERS];
#define CALL(n) choose_float32(n, p, of_x, ldx, ids + c, sums)
        if (p->kind == FLOAT32) {
            OF_READERS(CALL);
        }
#undef CALL
#ifdef __AVX512BF16__
#define CALL(n) choose_bfloat16(n, p, of_x, p->depth, ids + c, sums)
        if (p->kind == BFLOAT16) OF_READERS(CALL);
#undef CALL
#endif
#ifdef __AVX512VNNI__
#define CALL(n) choose_int8(n, p, of_x, p->depth, scales, ids + c, sums)
        if (p->kind == INT8) OF_READERS(CALL);
#undef CALL
#endif
        for (int r = 0; r < rows; r++) *(four *)(y + r * ldy + c) = sums[r];
    }
    for (int r = 0; r < rows; r++)
        for (int64_t c = count; c < rounded(count, LANES); c++) y[r * ldy + c] = -INFINITY;
}
#endif
