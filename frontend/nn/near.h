/* frontend/nn/near.h - the name that somebody probably meant: the nearest one by edit distance. */
#ifndef NNC_FRONTEND_NN_NEAR_H
#define NNC_FRONTEND_NN_NEAR_H

typedef struct nn_near {
    const char *want, *best; /* best: NULL when nothing is near */
    unsigned distance;
} nn_near;
/* Look at one candidate. */
void nn_near_try(nn_near *n, const char *candidate);
#endif
