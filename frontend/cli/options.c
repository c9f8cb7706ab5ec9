/* One table of options serves parsing and help; a command refuses what it does not take and says who does. */
#include "frontend/cli/cli.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, TEXT, NUMBER, LIST, SIZE };
struct option {
    const char *name;
    enum kind kind;
    size_t field;
    const char *commands, *arg, *doc;
};
static const struct option options[] = {
#define OPTION(name, kind, field, commands, arg, doc) \
    {name, kind, offsetof(cli_options, field), commands, arg, doc},
#include "frontend/cli/options.def"
};
enum { NOPTION = sizeof options / sizeof options[0] };

static const struct command {
    const char *name;
    char letter;
    const char *usage, *doc;
} commands[] = {
    {"build", 'b', "nnc MODEL -o OUTPUT [options]", "compile a model"},
    {"info", 'i', "nnc info [--json] MODEL", "inputs, outputs, memory and operators of a model"},
    {"run", 'r', "nnc run MODEL --input X=A.npy ... [--output Y=B.npy ...]",
     "compile and run; or: nnc run PROGRAM.nn [EXPERIMENT ...]"},
    {"check", 'c', "nnc check MODEL [--against DIR]",
     "compare C, interpreter, vectors; mistakes of a .nn file"},
    {"test", 't', "nnc test PROGRAM.nn [NAME ...]", "run the tests of a .nn program"},
    {"fmt", 'f', "nnc fmt [--check] FILE.nn ...",
     "set .nn files in the one style, in place; - for stdin"},
    {"doc", 'd', "nnc doc [--check] FILE.nn ...", "reference pages in Markdown, from the comments"},
    {"ops", 'o', "nnc ops", "list the operators that can be imported"},
};
enum { NCOMMAND = sizeof commands / sizeof commands[0] };

int cli_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cli_progress_end();
    fputs("nnc: error: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

static void help_options(char letter)
{
    for (int i = 0; i < NOPTION; i++) {
        char left[40];
        if (!strchr(options[i].commands, letter))
            continue;
        snprintf(left, sizeof left, "%s%s%s", options[i].name,
                 *options[i].arg ? options[i].name[1] == '-' ? "=" : " " : "", options[i].arg);
        printf("  %-20s %s\n", left, options[i].doc);
    }
}

void cli_help(const char *command)
{
    for (int i = 0; command && i < NCOMMAND; i++)
        if (!strcmp(commands[i].name, command)) {
            printf("usage: %s\n%s\n\n", commands[i].usage, commands[i].doc);
            help_options(commands[i].letter);
            return;
        }
    puts("nnc - the neural-network compiler: an ONNX model in, standalone code out\n");
    for (int i = 0; i < NCOMMAND; i++)
        printf("  %-60s %s\n", commands[i].usage, commands[i].doc);
    puts("\n  nnc help COMMAND shows the options of one (the first is `build`); nnc --version\n"
         "\nMODEL is an .onnx file or IR text (.ir).\n"
         "Exit codes: 0 done, 1 the input is wrong or unsupported, 2 wrong usage, 3 a comparison "
         "failed,\n"
         "4 the system failed (no C compiler, disk full, out of memory).");
}

static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);
    if (n >= 64 || strlen(a) >= 64)
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diag = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned cost = diag + (a[i] != b[j]), up = row[j + 1] + 1, left = row[j] + 1;
            diag = row[j + 1];
            row[j + 1] = cost < up ? (cost < left ? cost : left) : (up < left ? up : left);
        }
    }
    return row[n];
}

static int unknown_option(const char *name)
{
    const char *best = NULL;
    unsigned close = 4;
    for (int i = 0; i < NOPTION; i++)
        if (distance(name, options[i].name) < close) {
            close = distance(name, options[i].name);
            best = options[i].name;
        }
    if (best)
        return cli_fail(CLI_USAGE, "unknown option '%s'; did you mean '%s'?", name, best);
    return cli_fail(CLI_USAGE, "unknown option '%s'; see nnc --help", name);
}

static int wrong_command(const cli *c, const struct option *o)
{
    for (int i = 0; i < NCOMMAND; i++)
        if (commands[i].letter == o->commands[0])
            return cli_fail(CLI_USAGE, "'%s' is not an option of nnc %s; it belongs to: %s",
                            o->name, c->opt.command, commands[i].usage);
    return CLI_USAGE;
}

static bool parse_size(const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);
    unsigned shift = 0;
    if (end == s || errno || *s == '-')
        return false;
    switch (toupper((unsigned char)*end)) {
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    case 0: break;
    default: return false;
    }
    if (shift && (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))
        return false;
    *out = n << shift;
    return (*out >> shift) == n;
}

static bool is_number(const char *s)
{
    char *end;
    return strtod(s, &end) >= 0 && end != s && !*end;
}

static int store(cli *c, const struct option *o, const char *value)
{
    void *field = (char *)&c->opt + o->field;
    cli_list *l = field;
    switch (o->kind) {
    case FLAG: *(bool *)field = true; return 0;
    case NUMBER:
        if (!is_number(value))
            return cli_fail(CLI_USAGE, "'%s' is not a number for %s", value, o->name);
        *(const char **)field = value;
        return 0;
    case TEXT: *(const char **)field = value; return 0;
    case SIZE:
        if (!parse_size(value, field))
            return cli_fail(CLI_USAGE, "'%s' is not a size for %s; examples: 65536, 64K, 2M", value,
                            o->name);
        return 0;
    case LIST: {
        const char **more = nnc_arena_array(c->arena, l->n + 1u, sizeof *more);
        for (unsigned i = 0; i < l->n; i++)
            more[i] = l->at[i];
        more[l->n++] = value;
        l->at = more;
        return 0;
    }
    }
    return 0;
}

/* argv[*i] is an option; its value may follow as --x=v, --x v or -ov. */
static int take_option(cli *c, int argc, char **argv, int *i)
{
    const char *arg = argv[*i], *eq = strchr(arg, '=');
    size_t len = arg[1] == '-' ? (eq ? (size_t)(eq - arg) : strlen(arg)) : 2;
    for (int k = 0; k < NOPTION; k++) {
        const struct option *o = &options[k];
        if (strlen(o->name) != len || memcmp(o->name, arg, len))
            continue;
        if (!strchr(o->commands, c->opt.letter))
            return wrong_command(c, o);
        if (o->kind == FLAG)
            return arg[len] ? cli_fail(CLI_USAGE, "'%s' takes no value", o->name)
                            : store(c, o, NULL);
        const char *value = arg[len]        ? arg + len + (arg[1] == '-')
                            : *i + 1 < argc ? argv[++*i]
                                            : NULL;
        if (!value || !*value)
            return cli_fail(CLI_USAGE, "'%s' needs a value: %s", o->name, o->arg);
        return store(c, o, value);
    }
    return unknown_option(nnc_arena_printf(c->arena, "%.*s", (int)len, arg));
}

static void pick_command(cli *c, int argc, char **argv, int *i)
{
    c->opt.command = "build";
    c->opt.letter = 'b';
    for (int k = 0; *i < argc && k < NCOMMAND; k++)
        if (!strcmp(argv[*i], commands[k].name)) {
            c->opt.command = commands[k].name;
            c->opt.letter = commands[k].letter;
            ++*i;
            return;
        }
}

/* A second model, or a command that does not exist? */
static int two_files(const cli *c, const char *second)
{
    if (c->opt.letter == 'b' && !strpbrk(c->opt.file, "./"))
        return cli_fail(
            CLI_USAGE,
            "'%s' is not a command; there are info, run, check, test, fmt, doc and ops, and "
            "nnc MODEL -o OUTPUT",
            c->opt.file);
    return cli_fail(CLI_USAGE, "one model at a time: '%s' and '%s'", c->opt.file, second);
}

/* Where memory is counted, or the code is for any small machine, scratch and larger weights must be asked for. */
static int read_winograd(cli *c)
{
    static const char *const names[] = {[NNC_WINOGRAD_AUTO] = "auto",
                                        [NNC_WINOGRAD_OFF] = "off",
                                        [NNC_WINOGRAD_2] = "2",
                                        [NNC_WINOGRAD_4] = "4"};
    const char *text = c->opt.winograd                     ? c->opt.winograd
                       : c->opt.max_ram || c->opt.portable ? "off"
                                                           : "auto";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(text, names[i])) {
            c->pass.winograd_report = &c->winograd;
            c->pass.winograd = (nnc_winograd)i;
            return 0;
        }
    return cli_fail(CLI_USAGE, "unknown Winograd tile '%s'; known: off, 2, 4, auto", text);
}

/* Experiments or tests to run, more files to format. */
static const struct option names = {"NAME", LIST, offsetof(cli_options, names), "rtf", "", ""};

int cli_parse(cli *c, int argc, char **argv)
{
    int i = 1;
    pick_command(c, argc, argv, &i);
    for (; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            int code = take_option(c, argc, argv, &i);
            if (code)
                return code;
        } else if (c->opt.file && (strchr("fd", c->opt.letter) ||
                                   (cli_is_nn(c->opt.file) && strchr("rt", c->opt.letter)))) {
            int code = store(c, &names, argv[i]);
            if (code)
                return code;
        } else if (c->opt.file) {
            return two_files(c, argv[i]);
        } else {
            c->opt.file = argv[i];
        }
    }
    if (!c->opt.file && c->opt.letter != 'o')
        return cli_fail(CLI_USAGE, "no model given; see nnc help %s", c->opt.command);
    c->pass =
        (nnc_options){.target = nnc_target_by_name(c->opt.target ? c->opt.target : "avx512"),
                      .max_ram = c->opt.max_ram,
                      .threads = c->opt.letter == 'b' && c->opt.threads ? atoi(c->opt.threads) : 0,
                      .fast = c->opt.fast,
                      .passes = c->opt.passes,
                      .print_before = c->opt.print_before,
                      .print_after = c->opt.print_after,
                      .stats = c->opt.stats,
                      .check = c->opt.check_passes,
                      .check_seed = 1};
    if (c->opt.letter == 'b' && c->opt.threads && (c->pass.threads < 1 || c->pass.threads > 64))
        return cli_fail(CLI_USAGE, "--threads=%s: expected 1 to 64", c->opt.threads);
    if (!c->pass.target)
        return cli_fail(CLI_USAGE, "unknown target '%s'; known: avx512, avx2, neon, scalar",
                        c->opt.target);
    return read_winograd(c);
}
