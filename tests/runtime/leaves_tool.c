/* leaves_tool IN OUT: reads .npz or .safetensors, writes .npz, .npy or .safetensors.  For numpy_files.py. */
#include <stdio.h>
#include <string.h>
#include "runtime/file.h"
#include "runtime/leaves.h"

static int ends(const char *s, const char *ending)
{
    size_t n = strlen(s), k = strlen(ending);
    return n >= k && !strcmp(s + n - k, ending);
}

int main(int argc, char **argv)
{
    nnp_leaves l;
    nnp_text o = {0};
    const char *error = "";
    if (argc != 3)
        return 2;
    int npz = ends(argv[1], ".npz");
    if (npz ? nnp_npz_read(argv[1], &l, &error) : nnp_safetensors_read(argv[1], &l, &error)) {
        printf("%s: %s\n", argv[1], error);
        return 1;
    }
    if (ends(argv[2], ".npz"))
        nnp_npz_bytes(&l, &o);
    else if (ends(argv[2], ".npy"))
        nnp_npy_bytes(&l.at[0], &o);
    else
        nnp_safetensors_bytes(&l, &o);
    int bad = nnp_file_write(argv[2], o.at, o.n);
    nnp_leaves_free(&l);
    nnp_text_free(&o);
    return bad != 0;
}
