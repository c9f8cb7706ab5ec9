/* STEPS steps of fit_step on one batch, then what they left: the loss of each step and the bytes of the state, in hex. */
#include "fit.h"
#include "batch.h"
#include <string.h>
#ifdef BOARD
void put_text(const char *s);
#else
#include <stdio.h>
static void put_text(const char *s)
{
    fputs(s, stdout);
}
#endif

static fit_state state;
static union {
    double aligned;
    unsigned char bytes[FIT_WORKSPACE_BYTES];
} work;

static void put_hex(const void *data, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    const unsigned char *p = data;
    char s[3] = "";
    for (size_t i = 0; i < n; i++) {
        s[0] = digit[p[i] >> 4];
        s[1] = digit[p[i] & 15];
        put_text(s);
    }
    put_text("\n");
}

int main(void)
{
    float loss;
    fit_inputs batch = {.x = batch_x, .y = batch_y};
    fit_outputs out = {.loss = &loss};
    memset(&state, 0, sizeof state); /* also the gaps between members */
    fit_init(&state);
    for (int i = 0; i < STEPS; i++) {
        memset(work.bytes, i % 2 ? 0xFF : 0, sizeof work.bytes); /* nothing is kept there */
        int status = fit_step(&batch, &out, &state, work.bytes);
        if (status != FIT_OK)
            return status;
        put_hex(&loss, sizeof loss);
    }
    put_hex(&state, sizeof state);
    return 0;
}
