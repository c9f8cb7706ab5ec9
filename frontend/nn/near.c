/* Levenshtein distance over short names, one row at a time; a third of the letters may differ. */
#include "frontend/nn/near.h"
#include <string.h>

enum { LONGEST = 40 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
    unsigned row[LONGEST + 1], n = (unsigned)strlen(b);
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned j = 0; j < n; j++) {
            unsigned up = row[j + 1];
            row[j + 1] = least(least(up, row[j]) + 1, diagonal + (a[i] != b[j]));
            diagonal = up;
        }
    }
    return row[n];
}

void nn_near_try(nn_near *n, const char *candidate)
{
    size_t want = strlen(n->want), len = strlen(candidate);
    if (want < 2 || len < 2 || want > LONGEST || len > LONGEST)
        return;
    unsigned d = distance(n->want, candidate), most = (unsigned)(want + 2) / 3;
    if (d && d <= most && (!n->best || d < n->distance)) {
        n->best = candidate;
        n->distance = d;
    }
}
