/* schema.def is included three times: once for each of the flat arrays of params, attributes and
 * operators.  The operators are sorted by domain, name and version, so one binary search finds
 * the versions of an operator; the few that follow are scanned. */
#include "frontend/onnx/schema.h"
#include <ctype.h>
#include <string.h>

enum {
    ONE = NNC_ONNX_PARAM_ONE,
    OPT = NNC_ONNX_PARAM_OPT,
    VAR = NNC_ONNX_PARAM_VAR,
    ANY = NNC_ONNX_PARAM_ANY
};

static const nnc_onnx_param params[] = {
#define PARAM(name, kind, var, types) {name, kind, var, types},
#include "frontend/onnx/schema.def"
};

static const nnc_onnx_attr_schema attrs[] = {
#define ATTR(name, kind, required) {name, NNC_ONNX_ATTR_##kind, required},
#include "frontend/onnx/schema.def"
};

static const nnc_onnx_schema schemas[] = {
#define SCHEMA(domain, op, since, min_in, max_in, min_out, max_out, deprecated, param, nin, nout, \
               attr, nattr)                                                                       \
    {domain,     op,    since, min_in, max_in, min_out, max_out,                                  \
     deprecated, param, nin,   nout,   attr,   nattr},
#include "frontend/onnx/schema.def"
};

enum { COUNT = sizeof schemas / sizeof *schemas };

/* Domains and the newest version of each that the table covers; the ones at the end have no
 * schemas. */
static const struct {
    const char *domain;
    int64_t newest;
} domains[] = {
    {"", 28},
    {"ai.onnx.ml", 5},
    {"ai.onnx.preview", 1},
    {"ai.onnx.preview.training", 1},
    {"ai.onnx.training", 1},
    {"com.microsoft", 1},
    {"qonnx.custom_op.general", 2},
    {"qonnx.custom_op.channels_last", 1},
    {"onnx.brevitas", 1},
    {"finn.custom_op.general", 1},
};

static int compare(const char *domain, const char *op, const nnc_onnx_schema *s)
{
    int c = strcmp(domain, s->domain);
    return c ? c : strcmp(op, s->op);
}

/* Position of the operator's first version, or COUNT. */
static uint32_t lookup(const char *domain, const char *op)
{
    uint32_t low = 0, high = COUNT;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (compare(domain, op, &schemas[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < COUNT && compare(domain, op, &schemas[low]) == 0 ? low : COUNT;
}

const nnc_onnx_schema *nnc_onnx_schema_find(const char *domain, const char *op, int64_t opset)
{
    const nnc_onnx_schema *best = NULL;
    for (uint32_t i = lookup(domain, op); i < COUNT && compare(domain, op, &schemas[i]) == 0; i++)
        if (schemas[i].since <= opset)
            best = &schemas[i];
    return best;
}

const nnc_onnx_schema *nnc_onnx_schema_first(const char *domain, const char *op)
{
    uint32_t i = lookup(domain, op);
    return i < COUNT ? &schemas[i] : NULL;
}

const char *nnc_onnx_schema_nearest(const char *domain, const char *op)
{
    const char *best = NULL;
    unsigned limit = nnc_onnx_near(op);
    for (uint32_t i = 0; i < COUNT; i++) {
        if (strcmp(domain, schemas[i].domain) != 0 ||
            (i && strcmp(schemas[i].op, schemas[i - 1].op) == 0))
            continue;
        unsigned d = nnc_onnx_distance(op, schemas[i].op, limit);
        if (d <= limit && d > 0) {
            best = schemas[i].op;
            limit = d - 1;
        }
    }
    return best;
}

const char *nnc_onnx_schema_elsewhere(const char *domain, const char *op)
{
    for (uint32_t i = 0; i < COUNT; i++)
        if (strcmp(op, schemas[i].op) == 0 && strcmp(domain, schemas[i].domain) != 0)
            return schemas[i].domain;
    return NULL;
}

bool nnc_onnx_domain_is_known(const char *domain)
{
    for (uint32_t i = 0; i < COUNT; i++)
        if (strcmp(domain, schemas[i].domain) == 0)
            return true;
    return false;
}

int64_t nnc_onnx_domain_newest(const char *domain)
{
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        if (strcmp(domain, domains[i].domain) == 0)
            return domains[i].newest;
    return 0;
}

static const nnc_onnx_param *nth(const nnc_onnx_param *first, uint32_t n, uint32_t i)
{
    if (i < n)
        return first + i;
    return n && first[n - 1].kind >= NNC_ONNX_PARAM_VAR ? first + n - 1 : NULL;
}

const nnc_onnx_param *nnc_onnx_schema_in(const nnc_onnx_schema *s, uint32_t i)
{
    return nth(params + s->param, s->nin, i);
}

const nnc_onnx_param *nnc_onnx_schema_out(const nnc_onnx_schema *s, uint32_t i)
{
    return nth(params + s->param + s->nin, s->nout, i);
}

const nnc_onnx_attr_schema *nnc_onnx_schema_attrs(const nnc_onnx_schema *s)
{
    return attrs + s->attr;
}

const nnc_onnx_attr_schema *nnc_onnx_schema_attr(const nnc_onnx_schema *s, const char *name)
{
    for (uint32_t i = 0; i < s->nattr; i++)
        if (strcmp(attrs[s->attr + i].name, name) == 0)
            return &attrs[s->attr + i];
    return NULL;
}

/* ---- spelling -------------------------------------------------------------------------------- */

enum { LONGEST = 96 };

unsigned nnc_onnx_near(const char *s)
{
    size_t n = strlen(s) / 3;
    return n < 1 ? 1 : n > 4 ? 8 : (unsigned)n * 2;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned replace_cost(char a, char b)
{
    return a == b ? 0 : tolower((unsigned char)a) == tolower((unsigned char)b) ? 1 : 2;
}

/* Optimal string alignment, three rows at a time. */
unsigned nnc_onnx_distance(const char *a, const char *b, unsigned limit)
{
    unsigned rows[3][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST || (na > nb ? na - nb : nb - na) * 2 > limit)
        return limit + 1;
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = (unsigned)j * 2;
    for (size_t i = 1; i <= na; i++) {
        unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *upper = rows[(i + 1) % 3];
        row[0] = (unsigned)i * 2;
        for (size_t j = 1; j <= nb; j++) {
            row[j] =
                least(least(up[j], row[j - 1]) + 2, up[j - 1] + replace_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], upper[j - 2] + 2);
        }
    }
    return least(rows[na % 3][nb], limit + 1);
}
