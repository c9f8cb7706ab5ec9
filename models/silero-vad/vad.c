/* Speech in a recording: vad FILE.wav
 *
 * The network looks at 512 samples (32 ms at 16 kHz), preceded by the last 64 of the frame before, and
 * carries a state from frame to frame.  Its probabilities become segments the way Silero's own tools
 * do it: speech starts at 0.5 and ends when 0.1 s stay below 0.35; what is shorter than a quarter of a
 * second is dropped.
 *
 * silero.h and silero.c are made by nnc from the ONNX file; they hold the whole network. */
#include "silero.h"
#include "wav.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RATE = 16000, FRAME = 512, CONTEXT = 64, STATE = 2 * 128 };

static const float SPEECH = 0.5f, SILENCE = 0.35f;
static const double PAUSE = 0.1, SHORTEST = 0.25; /* seconds */

static _Alignas(SILERO_WORKSPACE_ALIGN) unsigned char workspace[SILERO_WORKSPACE_BYTES + 1];

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One probability per frame; returns the seconds spent in the network, or a negative number. */
static double run_network(const wav *w, float *probability, size_t frames)
{
    static float frame[CONTEXT + FRAME], state[STATE], next[STATE];
    const int64_t rate = RATE;
    double start = seconds_now();

    for (size_t i = 0; i < frames; i++) {
        silero_inputs in = {.input = frame, .state = state, .sr = &rate};
        silero_outputs out = {.output = &probability[i], .stateN = next};
        size_t left = w->count - i * FRAME;

        memmove(frame, frame + FRAME, CONTEXT * sizeof *frame);
        memset(frame + CONTEXT, 0, FRAME * sizeof *frame);
        memcpy(frame + CONTEXT, w->sample + i * FRAME,
               (left < FRAME ? left : FRAME) * sizeof *frame);
        if (silero_run(&in, &out, workspace) != 0)
            return -1;
        memcpy(state, next, sizeof state);
    }
    return seconds_now() - start;
}

static int print_segments(const float *probability, size_t frames)
{
    const double length = (double)FRAME / RATE;
    double begin = -1, quiet = -1;
    int count = 0;

    for (size_t i = 0; i <= frames; i++) {
        double now = (double)i * length;
        float p = i < frames ? probability[i] : 0;

        if (p >= SPEECH) {
            begin = begin < 0 ? now : begin;
            quiet = -1;
        } else if (begin >= 0 && (p < SILENCE || i == frames)) {
            quiet = quiet < 0 ? now : quiet;
            if (now - quiet < PAUSE && i < frames)
                continue;
            if (quiet - begin >= SHORTEST)
                printf("  speech %d: %6.2f s to %6.2f s\n", ++count, begin, quiet);
            begin = quiet = -1;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    wav w;
    size_t frames;
    float *probability;
    double spent, length;

    if (argc != 2) {
        fprintf(stderr, "usage: vad FILE.wav\n");
        return 2;
    }
    if (wav_read(&w, argv[1]) != 0)
        return 1;
    printf("%s: %.2f s at %u Hz\n", argv[1], (double)w.count / w.rate, w.rate);
    if (wav_downsample(&w, RATE) != 0)
        return 1;
    length = (double)w.count / RATE;
    frames = (w.count + FRAME - 1) / FRAME;
    probability = calloc(frames + 1, sizeof *probability);
    if (!probability)
        return 1;
    spent = run_network(&w, probability, frames);
    if (spent < 0) {
        fprintf(stderr, "the network refused a frame\n");
        return 1;
    }
    if (print_segments(probability, frames) == 0)
        printf("  no speech\n");
    printf("  %.2f ms for a second of sound: %.0f times faster than real time\n",
           spent / length * 1e3, length / spent);
    free(probability);
    free(w.sample);
    return 0;
}
