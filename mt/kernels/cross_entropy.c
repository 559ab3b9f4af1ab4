/* Label-smoothed cross-entropy of rows of logits, and its gradient, in the place of the logits. */
#include "vectors.h"

/* Sums of a row: its largest number, all of them, and the exponentials of their distances to the largest. */
static void look_at(const void *row, int is_bf16, int64_t size, float *most, double *total) {
    int64_t j = 0;
    vf high = all(-INFINITY), sums = all(0);
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
