/* bench/spins/hand.h */
#ifndef NNC_BENCH_SPINS_HAND_H
#define NNC_BENCH_SPINS_HAND_H

/* a [100, 200], start [100], s [100] out; returns the number of sweeps. */
long hand_retrieve(const float *a, const float *start, float *s);
#endif
