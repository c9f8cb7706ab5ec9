/* Reading walks the RIFF chunks and takes "fmt " and "data"; everything else is skipped.
 *
 * Downsampling by n is a windowed-sinc low pass of 32 taps per output sample and side, computed only
 * at the samples that stay.  A polyphase table would save the sin() calls; one second of sound takes
 * a few milliseconds as it is. */
#include "wav.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned little(const unsigned char *p, int bytes)
{
    unsigned v = 0;

    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    return -1;
}

static int take_samples(wav *w, FILE *in, size_t bytes, unsigned channels)
{
    unsigned char frame[2 * 8];
    size_t step = 2u * channels;

    w->sample = malloc((bytes / step + 1) * sizeof *w->sample);
    if (!w->sample)
        return -1;
    for (w->count = 0; w->count < bytes / step && fread(frame, 1, step, in) == step; w->count++) {
        float sum = 0;
        for (unsigned c = 0; c < channels; c++)
            sum += (float)(int16_t)little(frame + 2 * c, 2);
        w->sample[w->count] = sum / (32768.0f * (float)channels);
    }
    return 0;
}

int wav_read(wav *w, const char *path)
{
    unsigned char head[12], chunk[8], format[16] = {0};
    unsigned channels = 0;
    FILE *in = fopen(path, "rb");
    int status = -1;

    memset(w, 0, sizeof *w);
    if (!in)
        return complain(path, "cannot be opened");
    if (fread(head, 1, 12, in) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4)) {
        fclose(in);
        return complain(path, "is no WAV file");
    }
    while (fread(chunk, 1, 8, in) == 8) {
        unsigned bytes = little(chunk + 4, 4);
        if (!memcmp(chunk, "fmt ", 4) && bytes >= 16) {
            if (fread(format, 1, 16, in) != 16)
                break;
            channels = little(format + 2, 2);
            w->rate = little(format + 4, 4);
            bytes -= 16;
        } else if (!memcmp(chunk, "data", 4)) {
            if (little(format, 2) == 1 && little(format + 14, 2) == 16 && channels >= 1 &&
                channels <= 8)
                status = take_samples(w, in, bytes, channels);
            break;
        }
        if (fseek(in, (long)(bytes + (bytes & 1)), SEEK_CUR) != 0)
            break;
    }
    fclose(in);
    return status == 0 ? 0 : complain(path, "has no 16-bit PCM samples");
}

/* Hann-windowed sinc of cut-off 0.45 of the lower rate; x in input samples, n the factor. */
static double tap(double x, double n, double half)
{
    double t = 0.9 * x / n, pi = acos(-1.0);
    double sinc = x == 0 ? 1.0 : sin(pi * t) / (pi * t);

    return sinc * 0.9 / n * (0.5 + 0.5 * cos(pi * x / half));
}

int wav_downsample(wav *w, unsigned rate)
{
    unsigned n = w->rate / rate;
    long half = 32 * (long)n, count = (long)w->count;
    float *out;

    if (n == 0 || w->rate % rate != 0) {
        fprintf(stderr, "a rate of %u Hz is no multiple of %u Hz\n", w->rate, rate);
        return -1;
    }
    if (n == 1)
        return 0;
    out = malloc((w->count / n + 1) * sizeof *out);
    if (!out)
        return -1;
    for (long i = 0; i < count / (long)n; i++) {
        double sum = 0;
        for (long k = -half; k <= half; k++) {
            long at = i * (long)n + k;
            if (at >= 0 && at < count)
                sum += w->sample[at] * tap((double)k, n, (double)half);
        }
        out[i] = (float)sum;
    }
    free(w->sample);
    w->sample = out;
    w->count /= n;
    w->rate = rate;
    return 0;
}
