/* bench/spins/main.c - the emitted retrieval beside the hand-written one: processor time, interleaved medians. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "hand.h"
#include "retrieve.h"

enum { N = 100, K = 200, STARTS = 40, ROUNDS = 31 };

static float a[N * K], start[STARTS][N], by_nnc[N], by_hand[N];
static union {
    double align;
    unsigned char bytes[RETRIEVE_WORKSPACE_BYTES];
} workspace;

static unsigned next_bit(void)
{
    static unsigned long long s = 88172645463325252ull;

    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return (unsigned)(s >> 40);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *x, const void *y)
{
    double a1 = *(const double *)x, b1 = *(const double *)y;

    return a1 < b1 ? -1 : a1 > b1;
}

int main(void)
{
    double ours[ROUNDS], theirs[ROUNDS];
    int differ = 0;

    for (int i = 0; i < N * K; i++)
        a[i] = next_bit() & 1 ? 1.0f : -1.0f;
    for (int t = 0; t < STARTS; t++)
        for (int i = 0; i < N; i++)
            start[t][i] = next_bit() % 100 < 12 ? -a[i * K + t] : a[i * K + t];
    for (int r = 0; r < ROUNDS; r++) {
        double t0 = seconds(), t1;
        int64_t passes = 0;
        long sweeps;
        for (int t = 0; t < STARTS; t++) {
            retrieve_inputs in = {a, start[t]};
#ifdef FROM_NN
            retrieve_outputs out = {by_nnc};
#else
            retrieve_outputs out = {by_nnc, &passes};
#endif
            if (retrieve_run(&in, &out, workspace.bytes) != RETRIEVE_OK)
                return 1;
        }
        t1 = seconds();
        ours[r] = t1 - t0;
        for (int t = 0; t < STARTS; t++)
            sweeps = hand_retrieve(a, start[t], by_hand);
        theirs[r] = seconds() - t1;
#ifdef FROM_NN
        passes = sweeps; /* the program does not return it */
#endif
        differ += sweeps != passes || memcmp(by_nnc, by_hand, sizeof by_hand) != 0;
    }
    qsort(ours, ROUNDS, sizeof *ours, by_size);
    qsort(theirs, ROUNDS, sizeof *theirs, by_size);
    printf("nnc %.1f us, hand %.1f us, ratio %.2f%s\n", ours[ROUNDS / 2] / STARTS * 1e6,
           theirs[ROUNDS / 2] / STARTS * 1e6, ours[ROUNDS / 2] / theirs[ROUNDS / 2],
           differ ? ", results differ" : "");
    return differ != 0;
}
