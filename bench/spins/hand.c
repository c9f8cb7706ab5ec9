/* bench/spins/hand.c - retrieve.ir as one would write it by hand. */
#include "hand.h"

enum { N = 100, K = 200 };

long hand_retrieve(const float *a, const float *start, float *s)
{
    float overlap[K];
    long pass = 0;

    for (int k = 0; k < K; k++) {
        float sum = 0;
        for (int i = 0; i < N; i++)
            sum += start[i] * a[i * K + k];
        overlap[k] = sum / N;
    }
    for (int i = 0; i < N; i++)
        s[i] = start[i];
    for (long flips = 1; pass < 30 && flips > 0; pass++) {
        flips = 0;
        for (int i = 0; i < N; i++) {
            const float *row = a + i * K;
            float h = 0;
            for (int k = 0; k < K; k++) {
                float q = overlap[k] - row[k] * s[i] / N;
                h += row[k] * (q * q * q);
            }
            float now = h < 0 ? -1.0f : 1.0f;
            if (now != s[i]) {
                for (int k = 0; k < K; k++)
                    overlap[k] += row[k] * (now - s[i]) / N;
                s[i] = now;
                flips++;
            }
        }
    }
    return pass;
}
