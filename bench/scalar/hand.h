/* bench/scalar/hand.h - the programs of this folder as one would write them by hand. */
#ifndef NNC_BENCH_SCALAR_HAND_H
#define NNC_BENCH_SCALAR_HAND_H
#include <stdint.h>

void hand_lu(const double *a, double *lu); /* [64, 64] */
void hand_collatz(int64_t n, int64_t *which, int64_t *len);
int64_t hand_sieve(const unsigned char *zero); /* primes below 20000 */
void hand_edges(const float *start, const int64_t *from, const int64_t *to,
                float *y);                    /* [500, 2], [3000] */
void hand_jacobi(const double *a, double *u); /* [24, 24] */
#endif
