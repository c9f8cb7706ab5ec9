/* runtime/zip.h - zip archives, as far as .npz files need them.
 *
 * Written entries are stored.  Stored entries are read in place; deflated ones when built with NNP_ZLIB (link with -lz).
 * ZIP64 records are read and written, so entries may be larger than 4 GB. */
#ifndef NNC_RUNTIME_ZIP_H
#define NNC_RUNTIME_ZIP_H
#include <stddef.h>
#include <stdint.h>
#include "text.h"

uint32_t nnp_crc32(uint32_t crc, const void *bytes, size_t n);

typedef struct nnp_zip_writer {
    nnp_text file, directory;
    size_t count;
} nnp_zip_writer;
void nnp_zip_put(nnp_zip_writer *w, const char *name, const void *bytes, size_t n);
/* Ends the archive; its bytes are w->file. */
void nnp_zip_end(nnp_zip_writer *w);
void nnp_zip_free(nnp_zip_writer *w);

typedef struct nnp_zip_entry {
    const char *name; /* not ended by 0 */
    size_t name_len;
    const unsigned char *packed;
    size_t packed_bytes, bytes;
    uint32_t crc;
    int deflated;
} nnp_zip_entry;
/* The number of entries in an archive in memory; -1 and *error (a static text) when it is none. */
long nnp_zip_count(const void *file, size_t n, const char **error);
/* Entry i.  0, or 1 and *error. */
int nnp_zip_entry_at(const void *file, size_t n, long i, nnp_zip_entry *out, const char **error);
/* Its bytes in memory from malloc, checked. */
int nnp_zip_read(const nnp_zip_entry *e, void **bytes, const char **error);
#endif
