/* .npz and .safetensors: written, read back, damaged. */
#include <unistd.h>
#include "runtime/file.h"
#include "runtime/leaves.h"
#include "runtime/zip.h"
#include "tests/test.h"

static double w[6] = {1, -2, 0.5, 1e300, -0.0, 3};
static int8_t b[4] = {-128, 127, 0, 5};
static unsigned char yes[2] = {1, 0};
static uint16_t half[3] = {0x3c00, 0xfc00, 1};
static nnp_leaf leaf[] = {
    {(char *)"enc.b", NNP_I8, 2, {2, 2}, b},
    {(char *)"enc.w", NNP_F64, 3, {1, 2, 3}, w},
    {(char *)"a \"name\" \xc3\xa9", NNP_BOOL, 1, {2}, yes},
    {(char *)"half", NNP_F16, 1, {3}, half},
    {(char *)"none", NNP_F32, 2, {0, 4}, w},
    {(char *)"", NNP_U16, 0, {0}, half},
};
enum { LEAVES = sizeof leaf / sizeof leaf[0] };
static const nnp_leaves all = {LEAVES, leaf};
static char path[] = "/tmp/nnp_files_XXXXXX";

typedef int reader(const char *, nnp_leaves *, const char **);

static const nnp_leaf *find(const nnp_leaves *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->at[i].name, name))
            return &l->at[i];
    return NULL;
}

static void round_trip(reader *read, const nnp_text *bytes)
{
    nnp_leaves back;
    const char *error = "";
    REQUIRE(!nnp_file_write(path, bytes->at, bytes->n));
    REQUIRE(!read(path, &back, &error));
    CHECK_INT(back.n, LEAVES);
    for (int i = 0; i < LEAVES; i++) {
        const nnp_leaf *l = find(&back, *leaf[i].name ? leaf[i].name : "value");
        CHECK(l != NULL);
        if (!l)
            continue;
        CHECK_INT(l->dtype, leaf[i].dtype);
        CHECK_INT(l->rank, leaf[i].rank);
        CHECK(!memcmp(l->dim, leaf[i].dim, sizeof(size_t) * (size_t)leaf[i].rank));
        CHECK(!memcmp(l->data, leaf[i].data, nnp_leaf_bytes(l)));
    }
    nnp_leaves_free(&back);
}

/* Every prefix and every changed byte gives an error or a value, never a crash. */
static void damage(reader *read, const nnp_text *bytes)
{
    nnp_leaves back;
    const char *error = "";
    int refused = 0;
    char *copy = malloc(bytes->n);
    for (size_t n = 0; n < bytes->n; n++) {
        nnp_file_write(path, bytes->at, n);
        int bad = read(path, &back, &error);
        refused += bad;
        if (!bad)
            nnp_leaves_free(&back);
    }
    CHECK_INT(refused, bytes->n); /* a file that is cut is never accepted */
    for (size_t k = 0; k < bytes->n; k++)
        for (int bit = 1; bit < 256; bit <<= 3) {
            memcpy(copy, bytes->at, bytes->n);
            copy[k] = (char)(copy[k] ^ bit);
            nnp_file_write(path, copy, bytes->n);
            if (!read(path, &back, &error))
                nnp_leaves_free(&back);
        }
    free(copy);
}

static void npz(void)
{
    nnp_text t = {0};
    nnp_npz_bytes(&all, &t);
    round_trip(nnp_npz_read, &t);
    damage(nnp_npz_read, &t);
    nnp_text_free(&t);
}

static void safetensors(void)
{
    nnp_text t = {0};
    nnp_safetensors_bytes(&all, &t);
    round_trip(nnp_safetensors_read, &t);
    damage(nnp_safetensors_read, &t);
    nnp_text_free(&t);
}

static void errors_say_what_is_wrong(void)
{
    nnp_leaves l;
    const char *error = "";
    CHECK(nnp_npz_read("/nowhere.npz", &l, &error));
    CHECK_STR(error, "cannot open the file");
    nnp_file_write(path, "hello hello hello hello hello", 29);
    CHECK(nnp_npz_read(path, &l, &error));
    CHECK_STR(error, "not a zip archive");
    CHECK(nnp_safetensors_read(path, &l, &error));
    CHECK_STR(error, "not a .safetensors file");
    static const char strange[] = "\x3a\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"C64\",\"shape\":[],"
                                  "\"data_offsets\":[0,8]}}           12345678";
    nnp_file_write(path, strange, sizeof strange - 1);
    CHECK(nnp_safetensors_read(path, &l, &error));
    CHECK_STR(error, "a tensor has a dtype that is not supported");
}

static void metadata_is_skipped(void)
{
    static const char head[] = "{\"__metadata__\":{\"format\":\"pt\"},\"x\\u0041\":{\"shape\":[2],"
                               "\"dtype\":\"I16\",\"data_offsets\":[0,4]}}";
    nnp_text t = {0};
    nnp_leaves l;
    const char *error = "";
    char len[8] = {sizeof head - 1};
    nnp_text_bytes(&t, len, 8);
    nnp_text_bytes(&t, head, sizeof head - 1);
    nnp_text_bytes(&t, "\1\0\2\0", 4);
    nnp_file_write(path, t.at, t.n);
    REQUIRE(!nnp_safetensors_read(path, &l, &error));
    CHECK_INT(l.n, 1);
    CHECK_STR(l.at[0].name, "xA");
    CHECK_INT(((int16_t *)l.at[0].data)[1], 2);
    nnp_leaves_free(&l);
    nnp_text_free(&t);
}

static void checksums(void)
{
    CHECK_INT(nnp_crc32(0, "123456789", 9), 0xcbf43926);
    CHECK_INT(nnp_crc32(nnp_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    RUN(checksums);
    RUN(npz);
    RUN(safetensors);
    RUN(errors_say_what_is_wrong);
    RUN(metadata_is_skipped);
    unlink(path);
    return test_end();
}
