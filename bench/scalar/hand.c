/* bench/scalar/hand.c */
#include "hand.h"
#include <math.h>
#include <string.h>

void hand_lu(const double *a, double *m)
{
    memcpy(m, a, 64 * 64 * sizeof *m);
    for (int k = 0; k < 64; k++)
        for (int i = k + 1; i < 64; i++) {
            double f = m[i * 64 + k] / m[k * 64 + k];
            m[i * 64 + k] = f;
            for (int j = k + 1; j < 64; j++)
                m[i * 64 + j] -= f * m[k * 64 + j];
        }
}

void hand_collatz(int64_t n, int64_t *which, int64_t *len)
{
    int64_t best = 0, at = 0;

    for (int64_t i = 1; i < n; i++) {
        int64_t l = 0;
        for (int64_t x = i; x > 1; l++)
            x = x & 1 ? 3 * x + 1 : x / 2;
        if (l > best) {
            best = l;
            at = i;
        }
    }
    *which = at;
    *len = best;
}

int64_t hand_sieve(const unsigned char *zero)
{
    static unsigned char m[20000];
    int64_t n = 0;

    memcpy(m, zero, sizeof m);
    for (int i = 2; i < 20000; i++)
        if (!m[i]) {
            n++;
            for (int j = i * i; j < 20000 && i < 142; j += i)
                m[j] = 1;
        }
    return n;
}

void hand_edges(const float *start, const int64_t *from, const int64_t *to, float *y)
{
    memcpy(y, start, 1000 * sizeof *y);
    for (int epoch = 0; epoch < 20; epoch++)
        for (int e = 0; e < 3000; e++) {
            float *a = y + from[e] * 2, *b = y + to[e] * 2;
            float dx = a[0] - b[0], dy = a[1] - b[1], c = -0.2f / (dx * dx + dy * dy + 1.0f);
            float mx = fminf(fmaxf(dx * c, -4.0f), 4.0f), my = fminf(fmaxf(dy * c, -4.0f), 4.0f);
            a[0] += mx;
            a[1] += my;
            b[0] -= mx;
            b[1] -= my;
        }
}

void hand_jacobi(const double *a, double *u)
{
    memcpy(u, a, 24 * 24 * sizeof *u);
    for (int sweep = 0; sweep < 6; sweep++)
        for (int i = 0; i < 23; i++)
            for (int j = i + 1; j < 24; j++) {
                double *x = u + i * 24, *y = u + j * 24, al = 0, be = 0, ga = 0;
                for (int k = 0; k < 24; k++) {
                    al += x[k] * x[k];
                    be += y[k] * y[k];
                    ga += x[k] * y[k];
                }
                if (fabs(ga) > 1e-12) {
                    double zeta = (be - al) / (2 * ga), sign = zeta > 0 ? 1 : zeta < 0 ? -1 : 0;
                    double t = sign / (fabs(zeta) + sqrt(zeta * zeta + 1));
                    double c = 1 / sqrt(t * t + 1), s = c * t;
                    for (int k = 0; k < 24; k++) {
                        double xk = x[k], yk = y[k];
                        x[k] = c * xk - s * yk;
                        y[k] = s * xk + c * yk;
                    }
                }
            }
}
