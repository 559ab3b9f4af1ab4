/* Vectors of floats by GCC's vector extensions, one register each: 8 floats with AVX2, 16 with AVX-512. */
#ifndef VECTORS_H
#define VECTORS_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <immintrin.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif

typedef uint16_t bf16; /* the upper half of a float */
typedef float vf __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint16_t vh __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef uint8_t vb __attribute__((vector_size(LANES), aligned(1), may_alias));

INLINE vf all(float x) { return x - (vf){0}; }
INLINE vi all_int(int32_t x) { return x + (vi){0}; }
INLINE vf choose(vi condition, vf yes, vf no) { return (vf)((condition & (vi)yes) | (~condition & (vi)no)); }
INLINE vf larger(vf a, vf b) { return choose(a > b, a, b); } /* b where one is NaN */

INLINE float bf16_to_float(bf16 x) {
    union { uint32_t bits; float number; } both = {(uint32_t)x << 16};
    return both.number;
}

/* Round to nearest, ties to even; NaN stays NaN. */
INLINE bf16 float_to_bf16(float x) {
    union { float number; uint32_t bits; } both = {x};
    if (x != x) return 0x7fc0;
    return (bf16)((both.bits + 0x7fff + ((both.bits >> 16) & 1)) >> 16);
}

INLINE vf load(const float *x) { return *(const vf *)x; }
INLINE void store(float *x, vf value) { *(vf *)x = value; }

INLINE vf load_bf16(const bf16 *x) { return (vf)(__builtin_convertvector(*(const vh *)x, vi) << 16); }

INLINE void store_bf16(bf16 *x, vf value) {
#ifdef __AVX512BF16__
    _mm256_storeu_si256((__m256i *)x, (__m256i)_mm512_cvtneps_pbh((__m512)value));
#else
    vi bits = (vi)value;
    vi rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    rounded = (vi)choose(value == value, (vf)rounded, (vf)all_int(0x7fc0));
    *(vh *)x = __builtin_convertvector(rounded, vh);
#endif
}

INLINE float sum(vf x) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)x);
#else
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
#endif
}

INLINE float largest(vf x) {
#ifdef __AVX512F__
    return _mm512_reduce_max_ps((__m512)x);
#else
    __m128 half = _mm_max_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
#endif
}

/* e^x for x <= 88, with a relative error of 2e-7; 0 below -87.3; NaN stays NaN (coefficients of Cephes' expf). */
INLINE vf exponential(vf x) {
    vf n = x * 1.44269504f;
#ifdef __AVX512F__
    n = (vf)_mm512_roundscale_ps((__m512)n, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    n = __builtin_convertvector(__builtin_convertvector(n + choose(n < 0, all(-0.5f), all(0.5f)), vi), vf);
#endif
    vf f = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = all(1.9875691500e-4f);
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 0.5f;
    p = p * f * f + f + 1.0f;
#ifdef __AVX512F__
    __mmask16 seen = _mm512_cmp_ps_mask((__m512)x, (__m512)all(-87.3f), _CMP_NLT_UQ); /* NaN too */
    return (vf)_mm512_maskz_scalef_ps(seen, (__m512)p, (__m512)n);
#else
    vf power = (vf)((__builtin_convertvector(n, vi) + 127) << 23);
    vf result = choose(x < -87.3f, all(0.0f), p * power);
    return choose(x == x, result, x);
#endif
}

#ifdef __AVX512F__
/* Transposes 16 x 16 numbers of 32 bits. */
INLINE void transpose16(__m512i *r) {
    __m512i s[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        s[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(s[4 * i], s[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(s[4 * i], s[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(s[4 * i + 1], s[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(s[4 * i + 1], s[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        s[j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
        s[4 + j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
        s[8 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        s[12 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        r[j] = _mm512_shuffle_i32x4(s[j], s[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_i32x4(s[j], s[8 + j], 0xdd);
    }
}
#endif

/* The type of a row's numbers: 0 float, 1 bf16. Tails of rows go by single numbers. */
INLINE vf load_any(const void *x, int64_t at, int is_bf16) {
    return is_bf16 ? load_bf16((const bf16 *)x + at) : load((const float *)x + at);
}
INLINE void store_any(void *x, int64_t at, vf value, int is_bf16) {
    if (is_bf16) store_bf16((bf16 *)x + at, value);
    else store((float *)x + at, value);
}
INLINE float get_any(const void *x, int64_t at, int is_bf16) {
    return is_bf16 ? bf16_to_float(((const bf16 *)x)[at]) : ((const float *)x)[at];
}
INLINE void set_any(void *x, int64_t at, float value, int is_bf16) {
    if (is_bf16) ((bf16 *)x)[at] = float_to_bf16(value);
    else ((float *)x)[at] = value;
}
#endif
