/* Two callers take turns with states of their own; the second begins one step late, so it lags behind by one line. */
#include <stdio.h>
#include "step.h"

static unsigned char work[STEP_WORKSPACE_BYTES + 64];

static float sum(const float *x, int n)
{
    float s = 0;
    for (int i = 0; i < n; i++)
        s += x[i];
    return s;
}

static int step(step_state *state, int i)
{
    float x[3], turns[6], before[4], y[4], z[3], after[3];
    const float one[3] = {0.5f, -1.0f, 0.25f}, two[3] = {0.1f, 0.2f, 0.3f};
    const uint8_t flag = i % 2 == 0;
    for (int k = 0; k < 3; k++) {
        x[k] = one[k] * (float)(i + 1);
        turns[k] = two[k];
        turns[3 + k] = 2 * two[k];
    }
    const step_inputs in = {.x = x, .turns = turns, .flag = &flag, .n = 2};
    const step_outputs out = {.before = before, .y = y, .z = z, .after = after};
    int status = step_run(&in, &out, state, work + (64 - (uintptr_t)work % 64) % 64);
    printf("%.5f %.5f %.5f %.5f\n", (double)sum(before, 4), (double)sum(y, 4), (double)sum(z, 3),
           (double)sum(after, 3));
    return status;
}

int main(void)
{
    static step_state a, b;
    int bad = 0;
    step_init(&a);
    step_init(&b);
    for (int i = 0; i < 4; i++) {
        bad |= step(&a, i);
        bad |= i ? step(&b, i - 1) : 0;
    }
    return bad;
}
