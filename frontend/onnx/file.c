/* A model file is mapped, not read: weights are used where they lie, and pages nobody touches
 * are never loaded. Pipes and the like cannot be mapped and are read into the arena.  Files that
 * people mistake for models are recognised by their first bytes, so that the message can say
 * what was given and how to get an ONNX file. */
#include "frontend/onnx/load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapping {
    void *base;
    size_t len;
};

static void unmap(void *ptr)
{
    struct mapping *m = ptr;
    munmap(m->base, m->len);
}

static nnc_status read_all(nnc_arena *a, nnc_diag *diag, nnc_loc loc, int fd, const char *what,
                           const uint8_t **base, size_t *len)
{
    size_t cap = 1 << 16, n = 0;
    uint8_t *buf = nnc_arena_alloc(a, cap);
    for (;;) {
        ssize_t got = read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nnc_error(diag, loc, "cannot read the %s: %s", what, strerror(errno));
        if (got == 0)
            break;
        n += (size_t)got;
        if (n == cap) {
            uint8_t *more = nnc_arena_array(a, cap, 2);
            memcpy(more, buf, n);
            buf = more;
            cap *= 2;
        }
    }
    *base = buf;
    *len = n;
    return NNC_OK;
}

static nnc_status map_fd(nnc_arena *a, nnc_diag *diag, nnc_loc loc, int fd, const char *what,
                         const uint8_t **base, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st))
        return nnc_error(diag, loc, "cannot read the %s: %s", what, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return nnc_error(diag, loc, "this is a folder, expected the %s", what);
    if (!S_ISREG(st.st_mode))
        return read_all(a, diag, loc, fd, what, base, len);
    *base = (const uint8_t *)"";
    *len = 0;
    if (st.st_size == 0)
        return NNC_OK;
    struct mapping *m = nnc_arena_alloc(a, sizeof *m);
    m->len = (size_t)st.st_size;
    m->base = mmap(NULL, m->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (m->base == MAP_FAILED)
        return nnc_error(diag, loc, "cannot map the %s into memory: %s", what, strerror(errno));
    nnc_arena_defer(a, unmap, m);
    *base = m->base;
    *len = m->len;
    return NNC_OK;
}

nnc_status nnc_onnx_map(nnc_arena *a, nnc_diag *diag, nnc_loc loc, const char *path,
                        const char *what, const uint8_t **base, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return nnc_error(diag, loc, "there is no such file, expected the %s", what);
    if (fd < 0)
        return nnc_error(diag, loc, "cannot open the %s: %s", what, strerror(errno));
    nnc_status status = map_fd(a, diag, loc, fd, what, base, len);
    close(fd);
    return status;
}

struct magic {
    uint32_t at;
    const char *bytes;
    uint32_t len;
    const char *what, *way_out;
};

static const struct magic magics[] = {
    {4, "TFL3", 4, "a TensorFlow Lite model", "convert it with tflite2onnx or tf2onnx"},
    {4, "ORTM", 4, "a model in ONNX Runtime's own .ort format",
     "use the .onnx file it was made from"},
    {0, "\x89HDF", 4, "an HDF5 file (Keras saves such)", "export the model with tf2onnx"},
    {0, "\x80\x02", 2, "a Python pickle (old PyTorch checkpoints are such)",
     "export the model with torch.onnx.export"},
    {0, "\x80\x04", 2, "a Python pickle", "export the model to ONNX"},
    {0, "\x1f\x8b", 2, "a gzip archive", "unpack it first"},
    {0,
     "\xfd"
     "7zXZ",
     5, "an xz archive", "unpack it first"},
    {0, "\x28\xb5\x2f\xfd", 4, "a zstd archive", "unpack it first"},
    {0, "GGUF", 4, "a GGUF file of weights", "export the model to ONNX"},
    {0, "\x93NUMPY", 6, "a .npy array", "nnc wants the model here"},
    {0,
     "\x7f"
     "ELF",
     4, "a program or library", "nnc wants the .onnx file"},
    {0, "<?xml", 5, "an XML file (OpenVINO IR is such)", "use the ONNX file it was made from"},
};

static bool starts(const uint8_t *base, size_t len, const char *text)
{
    size_t n = strlen(text);
    return len >= n && memcmp(base, text, n) == 0;
}

static bool contains(const uint8_t *base, size_t len, const char *text)
{
    return memmem(base, len < 4096 ? len : 4096, text, strlen(text)) != NULL;
}

/* Line feeds and printable characters only.  A model always has a zero or control byte early:
 * field tags. */
static bool is_text(const uint8_t *base, size_t len)
{
    size_t n = len < 512 ? len : 512;
    for (size_t i = 0; i < n; i++)
        if (base[i] != '\n' && base[i] != '\r' && base[i] != '\t' &&
            (base[i] < 32 || base[i] == 127))
            return false;
    return true;
}

static nnc_status lfs_pointer(nnc_diag *diag, nnc_loc loc, const uint8_t *base, size_t len)
{
    char text[256] = "";
    memcpy(text, base, len < 255 ? len : 255);
    const char *size = strstr(text, "size ");
    long long bytes = size ? strtoll(size + 5, NULL, 10) : 0;
    if (bytes > 0)
        return nnc_error(diag, loc,
                         "this is a Git LFS pointer, not the file of %lld bytes it stands for; run "
                         "'git lfs pull' in the repository",
                         bytes);
    return nnc_error(
        diag, loc,
        "this is a Git LFS pointer, not the file itself; run 'git lfs pull' in the repository");
}

static nnc_status zip_archive(nnc_diag *diag, nnc_loc loc, const uint8_t *base, size_t len)
{
    if (contains(base, len, "data.pkl") || contains(base, len, "/version") ||
        contains(base, len, "constants.pkl"))
        return nnc_error(diag, loc,
                         "this is a PyTorch archive, not an ONNX model; export the model with "
                         "torch.onnx.export");
    if (contains(base, len, "config.json") || contains(base, len, "metadata.json"))
        return nnc_error(
            diag, loc,
            "this is a zip archive (Keras saves such), not an ONNX model; export it with "
            "model.export(.., format=\"onnx\") or tf2onnx");
    return nnc_error(
        diag, loc,
        "this is a zip archive, not an ONNX model; unpack it and give the .onnx file inside");
}

/* safetensors: eight bytes of header length, then JSON. */
static bool is_safetensors(const uint8_t *base, size_t len)
{
    uint64_t header;
    if (len < 10 || base[8] != '{')
        return false;
    memcpy(&header, base, sizeof header);
    return header < len;
}

nnc_status nnc_onnx_sniff(nnc_diag *diag, nnc_loc loc, const uint8_t *base, size_t len)
{
    if (len == 0)
        return nnc_error(diag, loc, "the file is empty, expected an ONNX model");
    if (starts(base, len, "version https://git-lfs.github.com/"))
        return lfs_pointer(diag, loc, base, len);
    if (starts(base, len, "PK\x03\x04"))
        return zip_archive(diag, loc, base, len);
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *m = &magics[i];
        if (len >= m->at + m->len && memcmp(base + m->at, m->bytes, m->len) == 0)
            return nnc_error(diag, loc, "this is %s, not an ONNX model; %s", m->what, m->way_out);
    }
    if (is_safetensors(base, len))
        return nnc_error(
            diag, loc,
            "this is a safetensors file of weights, not an ONNX model; export the model to ONNX");
    if (len >= 4 && is_text(base, len) &&
        (starts(base, len, "<!DOCTYPE") || starts(base, len, "<html")))
        return nnc_error(
            diag, loc,
            "this is a web page, not an ONNX model; the download went wrong (use the link to "
            "the raw file)");
    if (len >= 4 && is_text(base, len))
        return nnc_error(diag, loc,
                         "this is a text file, not an ONNX model (the binary format is wanted, not "
                         "ONNX text or JSON)");
    for (size_t i = 0; i < len && i < 64; i++)
        if (base[i])
            return NNC_OK;
    return nnc_error(
        diag, loc,
        "the file starts with zeros, so it is not an ONNX model; was the download interrupted?");
}
