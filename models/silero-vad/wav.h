/* models/silero-vad/wav.h - sound files: 16-bit PCM in, samples between -1 and 1 out. */
#ifndef NNC_MODELS_SILERO_VAD_WAV_H
#define NNC_MODELS_SILERO_VAD_WAV_H
#include <stddef.h>

typedef struct wav {
    float *sample; /* one channel, from malloc; several channels are averaged */
    size_t count;
    unsigned rate; /* Hz */
} wav;

/* 0, or -1 after a message on stderr. */
int wav_read(wav *w, const char *path);
/* A multiple of `rate` becomes `rate`, low-passed so that nothing folds back.  0, or -1 after a
 * message. */
int wav_downsample(wav *w, unsigned rate);
#endif
