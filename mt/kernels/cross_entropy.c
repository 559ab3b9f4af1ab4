/* Label-smoothed cross-entropy of rows of logits, alone or of two passes that are to agree, and its gradient, in the place
 * of the logits. */
#include "vectors.h"

#define AT_ONCE 4 /* vectors whose largest numbers and sums do not wait for one another */

/* Sums of a row: its largest number, all of them, and the exponentials of their distances to the largest. */
static void look_at(const void *row, int is_bf16, int64_t size, float *most, double *total) {
    int64_t j = 0;
    vf high = all(-INFINITY), sums = all(0), highs[AT_ONCE], parts[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) highs[i] = high, parts[i] = sums;
    for (; j + AT_ONCE * LANES <= size; j += AT_ONCE * LANES)
#pragma GCC unroll 4
        for (int i = 0; i < AT_ONCE; i++) {
            vf x = load_any(row, j + i * LANES, is_bf16);
            highs[i] = larger(x, highs[i]);
            parts[i] += x;
        }
    for (int i = 0; i < AT_ONCE; i++) high = larger(highs[i], high), sums += parts[i];
    for (; j + LANES <= size; j += LANES) {
        vf x = load_any(row, j, is_bf16);
        high = larger(x, high);
        sums += x;
    }
    float top = largest(high);
    double all_of_them = sum(sums);
    for (; j < size; j++) {
        float x = get_any(row, j, is_bf16);
        top = x > top ? x : top;
        all_of_them += x;
    }
    *most = top;
    *total = all_of_them;
}

/* The sum of the exponentials, which are left in `to`. */
static double exponentials(const void *row, int is_bf16, int64_t size, float most, float *to) {
    int64_t j = 0;
    vf sums = all(0);
    for (; j + LANES <= size; j += LANES) {
        vf e = exponential(load_any(row, j, is_bf16) - most);
        sums += e;
        store(to + j, e);
    }
    double total = sum(sums);
    for (; j < size; j++) total += to[j] = expf(get_any(row, j, is_bf16) - most);
    return total;
}

/* logits (rows x size, float or bf16, `row_size` numbers from row to row) become softmax - (1 - smoothing) * one-hot, if
 * `has_gradient`. sums (2 x rows): for each row minus the log-probability of its target, and of all pieces on average. */
EXPORT void cross_entropy(void *logits, int is_bf16, int64_t row_size, const int64_t *targets, int64_t rows,
                          int64_t size, float smoothing, int has_gradient, float *sums, int threads) {
    (void)threads;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *exponents = malloc((size_t)size * sizeof(float));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < rows; i++) {
            char *row = (char *)logits + i * row_size * (is_bf16 ? 2 : 4);
            float most, of_target = get_any(row, targets[i], is_bf16);
            double total;
            look_at(row, is_bf16, size, &most, &total);
            double z = exponentials(row, is_bf16, size, most, exponents), log_sum = most + log(z);
            sums[i] = (float)(log_sum - of_target);
            sums[rows + i] = (float)(log_sum - total / (double)size);
            if (!has_gradient) continue;
            float scale = (float)(1 / z);
            int64_t j = 0;
            for (; j + LANES <= size; j += LANES) store_any(row, j, load(exponents + j) * scale, is_bf16);
            for (; j < size; j++) set_any(row, j, exponents[j] * scale, is_bf16);
            set_any(row, targets[i], exponents[targets[i]] * scale + (smoothing - 1), is_bf16);
        }
        free(exponents);
    }
}

/* Two passes over the same tokens, p and q (rows x size each). Their logits become the gradients of
 * (cross-entropy of p + that of q) / 2 + weight * (KL(p || q) + KL(q || p)) / 2, if `has_gradient`, without the constant
 * term of smoothing. sums (3 x rows): the means of both for minus the log-probability of the target, and of all pieces on
 * average; and (KL(p || q) + KL(q || p)) / 2. */
EXPORT void cross_entropy_of_two(void *logits, void *others, int is_bf16, int64_t row_size, const int64_t *targets,
                                 int64_t rows, int64_t size, float smoothing, float weight, int has_gradient,
                                 float *sums, int threads) {
    (void)threads;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *p = malloc((size_t)(2 * size) * sizeof(float)), *q = p + size;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < rows; i++) {
            int64_t offset = i * row_size * (is_bf16 ? 2 : 4), j = 0, last = size / LANES * LANES;
            char *a = (char *)logits + offset, *b = (char *)others + offset;
            float most, other_most;
            double total, other_total;
            look_at(a, is_bf16, size, &most, &total);
            look_at(b, is_bf16, size, &other_most, &other_total);
            double z = exponentials(a, is_bf16, size, most, p), other_z = exponentials(b, is_bf16, size, other_most, q);
            double log_sum = most + log(z), other_log_sum = other_most + log(other_z);
            float scale = (float)(1 / z), other_scale = (float)(1 / other_z);
            float apart = (float)(log_sum - other_log_sum); /* log p - log q = a - b - apart */
            vf sums_pq = all(0), sums_qp = all(0);
            for (; j < last; j += LANES) {
                vf far = load_any(a, j, is_bf16) - load_any(b, j, is_bf16) - apart;
                vf prob = load(p + j) * scale, other = load(q + j) * other_scale;
                store(p + j, prob), store(q + j, other);
                sums_pq += prob * far, sums_qp -= other * far;
            }
            float pq = sum(sums_pq), qp = sum(sums_qp);
            for (; j < size; j++) {
                float far = get_any(a, j, is_bf16) - get_any(b, j, is_bf16) - apart;
                p[j] *= scale, q[j] *= other_scale;
                pq += p[j] * far, qp -= q[j] * far;
            }
            float of_target = get_any(a, targets[i], is_bf16), of_other = get_any(b, targets[i], is_bf16);
            sums[i] = (float)(log_sum - of_target + other_log_sum - of_other) / 2;
            sums[rows + i] = (float)(log_sum + other_log_sum - (total + other_total) / (double)size) / 2;
            sums[2 * rows + i] = (pq + qp) / 2;
            if (!has_gradient) continue;
            float half = weight / 2;
            float hit = p[targets[i]] - q[targets[i]], far_hit = of_target - of_other - apart;
            float of_p = p[targets[i]], of_q = q[targets[i]];
            for (j = 0; j < last; j += LANES) {
                vf far = load_any(a, j, is_bf16) - load_any(b, j, is_bf16) - apart;
                vf prob = load(p + j), other = load(q + j), between = prob - other;
                store_any(a, j, prob / 2 + half * (prob * (far - pq) + between), is_bf16);
                store_any(b, j, other / 2 - half * (other * (far + qp) + between), is_bf16);
            }
            for (; j < size; j++) {
                float far = get_any(a, j, is_bf16) - get_any(b, j, is_bf16) - apart, between = p[j] - q[j];
                set_any(a, j, p[j] / 2 + half * (p[j] * (far - pq) + between), is_bf16);
                set_any(b, j, q[j] / 2 - half * (q[j] * (far + qp) + between), is_bf16);
            }
            float less = (1 - smoothing) / 2;
            set_any(a, targets[i], of_p / 2 - less + half * (of_p * (far_hit - pq) + hit), is_bf16);
            set_any(b, targets[i], of_q / 2 - less - half * (of_q * (far_hit + qp) + hit), is_bf16);
        }
        free(p);
    }
}
