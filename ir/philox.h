/* ir/philox.h - the counter-based generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): four random words from a counter and a key, the same on every machine. */
#ifndef NNC_IR_PHILOX_H
#define NNC_IR_PHILOX_H
#include <stdint.h>

enum { NNC_PHILOX_ROUNDS = 10 };
#define NNC_PHILOX_M0 0xD2511F53u /* multipliers */
#define NNC_PHILOX_M1 0xCD9E8D57u
#define NNC_PHILOX_W0 0x9E3779B9u /* what a round adds to the key */
#define NNC_PHILOX_W1 0xBB67AE85u

/* What the last counter word says; draws have 0 there, so a key made by one kind never meets another kind's. */
enum {
    NNC_KEY_FOLD = 1, /* + NNC_KEY_PER_INDEX for every index */
    NNC_KEY_PER_INDEX = 65536,
    NNC_KEY_SPLIT = 2,
    NNC_KEY_INIT = 3 /* leaves of parameter records: the site is the hash of the path */
};

void nnc_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* The key under `key` for a site and n indices: see `fold_key` in ops.def. */
void nnc_key_fold(const uint32_t key[2], uint32_t site, uint32_t domain, unsigned n,
                  const int64_t *index, uint32_t out[2]);
#endif
