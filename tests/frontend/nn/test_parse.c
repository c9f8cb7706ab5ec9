/* Golden tests of the parser: every ok/NAME.nn parses to the tree in ok/NAME.tree, every bad/NAME.nn is refused with the
 * messages in bad/NAME.txt, word for word and place for place.  With NNC_UPDATE_GOLDEN=1 in the environment the
 * expectations are written anew: look at the difference before you believe it. */
#include "tests/frontend/nn/nn_test.h"
#include <dirent.h>

static bool update;

/* The text in the file, or its replacement when updating. */
static void compare(const char *path, const char *got)
{
    if (update) {
        FILE *f = fopen(path, "wb");
        CHECK(f != NULL);
        if (f) {
            fputs(got, f);
            fclose(f);
        }
        return;
    }
    char *want = test_read_file(path, NULL);
    if (!want)
        printf("%s is missing\n", path);
    test_state.running = path;
    CHECK_STR(got, want);
    free(want);
}

static void good_file(const char *dir, const char *name)
{
    char path[512], tree[512];
    size_t size;
    snprintf(path, sizeof path, "%s/%s.nn", dir, name);
    snprintf(tree, sizeof tree, "%s/%s.tree", dir, name);
    char *text = test_read_file(path, &size);
    nn_case c;
    nn_case_parse(&c, name, text, size);
    CHECK_STR(c.messages, "");
    CHECK_INT(c.status, NNC_OK);
    char *got = nn_case_tree(&c);
    compare(tree, got);
    free(got);
    nn_case_free(&c);
    free(text);
}

static void bad_file(const char *dir, const char *name)
{
    char path[512], messages[512], shown[300];
    size_t size;
    snprintf(path, sizeof path, "%s/%s.nn", dir, name);
    snprintf(messages, sizeof messages, "%s/%s.txt", dir, name);
    snprintf(shown, sizeof shown, "%s.nn", name);
    char *text = test_read_file(path, &size);
    nn_case c;
    nn_case_parse(&c, shown, text, size);
    CHECK_INT(c.status, NNC_ERR);
    compare(messages, c.messages);
    nn_case_free(&c);
    free(text);
}

static unsigned each_file(const char *dir, void (*test)(const char *dir, const char *name))
{
    DIR *d = opendir(dir);
    unsigned n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        char name[256];
        if (len < 4 || len >= sizeof name || strcmp(e->d_name + len - 3, ".nn"))
            continue;
        memcpy(name, e->d_name, len - 3);
        name[len - 3] = 0;
        test(dir, name);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void good_files(void)
{
    CHECK(each_file(NNC_TESTS_DIR "/frontend/nn/ok", good_file) >= 12);
}

static void bad_files(void)
{
    CHECK(each_file(NNC_TESTS_DIR "/frontend/nn/bad", bad_file) >= 15);
}

int main(void)
{
    update = getenv("NNC_UPDATE_GOLDEN") != NULL;
    RUN(good_files);
    RUN(bad_files);
    return test_end();
}
