/* bench/scalar/main.c - emitted beside hand-written code: processor time, interleaved medians. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "collatz.h"
#include "edges.h"
#include "hand.h"
#include "jacobi.h"
#include "lu.h"
#include "sieve.h"

enum { ROUNDS = 31, WORKSPACE = 1 << 20 };

static double a64[64 * 64], lu1[64 * 64], lu2[64 * 64], a24[24 * 24], u1[24 * 24], u2[24 * 24];
static float start[1000], y1[1000], y2[1000];
static int64_t from[3000], to[3000];
static unsigned char zero[20000];
static union {
    double align;
    unsigned char bytes[WORKSPACE];
} w;

static unsigned draw(void)
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
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

static int ours_lu(void)
{
    return lu_run(&(lu_inputs){a64}, &(lu_outputs){lu1}, w.bytes);
}
static void theirs_lu(void)
{
    hand_lu(a64, lu2);
}
static int64_t n_collatz = 3000, which[2], length[2], primes[2];
static int ours_collatz(void)
{
    return collatz_run(&(collatz_inputs){&n_collatz}, &(collatz_outputs){&which[0], &length[0]},
                       w.bytes);
}
static void theirs_collatz(void)
{
    hand_collatz(n_collatz, &which[1], &length[1]);
}
static int ours_sieve(void)
{
    return sieve_run(&(sieve_inputs){zero}, &(sieve_outputs){&primes[0]}, w.bytes);
}
static void theirs_sieve(void)
{
    primes[1] = hand_sieve(zero);
}
static int ours_edges(void)
{
    return edges_run(&(edges_inputs){start, from, to}, &(edges_outputs){y1}, w.bytes);
}
static void theirs_edges(void)
{
    hand_edges(start, from, to, y2);
}
static int ours_jacobi(void)
{
    return jacobi_run(&(jacobi_inputs){a24}, &(jacobi_outputs){u1}, w.bytes);
}
static void theirs_jacobi(void)
{
    hand_jacobi(a24, u2);
}

static void measure(const char *name, int (*ours)(void), void (*theirs)(void), int times)
{
    double x[ROUNDS], y[ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        double t0 = seconds(), t1;
        for (int i = 0; i < times; i++)
            if (ours())
                exit(1);
        t1 = seconds();
        for (int i = 0; i < times; i++)
            theirs();
        x[r] = t1 - t0;
        y[r] = seconds() - t1;
    }
    qsort(x, ROUNDS, sizeof *x, by_size);
    qsort(y, ROUNDS, sizeof *y, by_size);
    printf("  %-8s %5.2f", name, x[ROUNDS / 2] / y[ROUNDS / 2]);
}

static int near(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++)
        if (fabs(a[i] - b[i]) > 1e-9 * (1 + fabs(b[i])))
            return 0;
    return 1;
}

int main(void)
{
    for (int i = 0; i < 64 * 64; i++)
        a64[i] = draw() % 1000 / 1000.0 + (i % 65 == 0 ? 64 : 0);
    for (int i = 0; i < 24 * 24; i++)
        a24[i] = draw() % 1000 / 1000.0;
    for (int i = 0; i < 1000; i++)
        start[i] = (float)(draw() % 1000) / 100.0f;
    for (int i = 0; i < 3000; i++) {
        from[i] = draw() % 500;
        to[i] = (from[i] + 1 + draw() % 499) % 500;
    }
    measure("lu", ours_lu, theirs_lu, 20);
    measure("collatz", ours_collatz, theirs_collatz, 3);
    measure("sieve", ours_sieve, theirs_sieve, 20);
    measure("edges", ours_edges, theirs_edges, 3);
    measure("jacobi", ours_jacobi, theirs_jacobi, 5);
    int same = near(lu1, lu2, 64 * 64) && which[0] == which[1] && length[0] == length[1] &&
               primes[0] == primes[1] && near(u1, u2, 24 * 24);
    for (int i = 0; i < 1000; i++)
        same = same && fabsf(y1[i] - y2[i]) < 1e-3f;
    printf("%s\n", same ? "" : "  results differ");
    return !same;
}
