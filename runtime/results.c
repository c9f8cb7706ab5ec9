/* The results folder: results.json, and for each experiment a folder with its log, tables, plots and saved files.
 * results.json is written anew after every experiment, so a run that dies leaves those it finished. */
#include "session.h"
#include "file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void trouble(nnp_session *s, const char *path, int bad)
{
    if (!s->trouble.n)
        nnp_text_printf(&s->trouble, "cannot write '%s': %s", path, strerror(bad));
}

void nnp_results_begin(nnp_session *s, const nnp_experiment *e)
{
    s->experiment = e;
    s->claims = s->failed = 0;
    nnp_text_clear(&s->json_claims);
    nnp_text_clear(&s->json_tables);
    nnp_text_clear(&s->json_files);
    nnp_text_clear(&s->used);
    memset(s->timer, 0, sizeof *s->timer * (size_t)s->program->nhost);
    s->start = nnp_now();
    s->log = NULL;
}

/* FOLDER/EXPERIMENT/NAME, with -2, -3, .. before the ending when this experiment wrote that name before. */
static void place_file(nnp_session *s, const char *name, nnp_text *path)
{
    const char *dot = strrchr(name, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - name) : strlen(name);
    nnp_text line = {0};
    for (int i = 1;; i++) {
        nnp_text_clear(&line);
        nnp_text_char(&line, '\n');
        nnp_text_bytes(&line, name, stem);
        if (i > 1)
            nnp_text_printf(&line, "-%d", i);
        nnp_text_printf(&line, "%s\n", name + stem);
        if (!s->used.n)
            nnp_text_char(&s->used, '\n');
        if (!strstr(s->used.at, line.at))
            break;
    }
    nnp_text_add(&s->used, line.at + 1);
    line.at[line.n - 1] = 0;
    if (name[0] != '/') {
        nnp_text_printf(path, "%s/", s->folder);
        nnp_text_slug(path, s->experiment->name);
        nnp_text_char(path, '/');
    }
    nnp_text_add(path, line.at + 1);
    nnp_text_free(&line);
}

void nnp_results_file(nnp_session *s, const char *bytes, size_t n)
{
    const char *title = bytes, *name = title + strlen(title) + 1, *body = name + strlen(name) + 1;
    if (!s->folder && name[0] != '/')
        return;
    nnp_text path = {0}, line = {0};
    place_file(s, name, &path);
    int bad = nnp_file_write(path.at, body, n - (size_t)(body - bytes));
    if (bad) {
        trouble(s, path.at, bad);
    } else {
        nnp_text_add(&s->json_files, s->json_files.n ? ", " : "");
        nnp_text_json(&s->json_files, path.at);
        if (*title && !s->options.quiet) {
            nnp_text_printf(&line, "  %s  %s\n", title, path.at);
            nnp_progress(s, NULL);
            fputs(line.at, stdout);
            fflush(stdout);
        }
    }
    nnp_text_free(&path);
    nnp_text_free(&line);
}

static void open_log(nnp_session *s)
{
    nnp_text path = {0};
    int bad = mkdir(s->folder, 0777) && errno != EEXIST ? errno : 0;
    nnp_text_printf(&path, "%s/", s->folder);
    nnp_text_slug(&path, s->experiment->name);
    bad = bad ? bad : mkdir(path.at, 0777) && errno != EEXIST ? errno : 0;
    nnp_text_add(&path, "/log.jsonl");
    s->log = bad ? NULL : fopen(path.at, "w");
    if (!s->log)
        trouble(s, path.at, bad ? bad : errno);
    nnp_text_free(&path);
}

void nnp_results_log(nnp_session *s, const char *fields)
{
    if (!s->folder || (!s->log && s->trouble.n))
        return;
    if (!s->log)
        open_log(s);
    if (s->log)
        fprintf(s->log, "{\"seconds\": %.3f, %s}\n", nnp_now() - s->start, fields);
}

static void machine(nnp_session *s, nnp_text *o)
{
    struct utsname u;
    char line[300], host[200] = "", *cpu = NULL;
    gethostname(host, sizeof host - 1);
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !cpu && fgets(line, sizeof line, f))
        if (!strncmp(line, "model name", 10) && (cpu = strchr(line, ':')) != NULL)
            cpu[strcspn(cpu, "\n")] = 0;
    if (f)
        fclose(f);
    nnp_text_add(o, "{\"host\": ");
    nnp_text_json(o, host);
    nnp_text_add(o, ", \"system\": ");
    nnp_text_json(o, uname(&u) ? "unknown" : u.sysname);
    nnp_text_add(o, ", \"architecture\": ");
    nnp_text_json(o, uname(&u) ? "unknown" : u.machine);
    nnp_text_add(o, ", \"cpu\": ");
    nnp_text_json(o, cpu ? cpu + 1 + (cpu[1] == ' ') : "unknown");
    nnp_text_printf(o, ", \"cores\": %ld, \"threads\": %d, \"ranks\": %d}",
                    sysconf(_SC_NPROCESSORS_ONLN), s->options.threads, s->ranks);
}

static void write_summary(nnp_session *s)
{
    nnp_text o = {0}, path = {0};
    time_t now = time(NULL);
    struct tm when;
    char date[40] = "";
    if (gmtime_r(&now, &when))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &when);
    nnp_text_add(&o, "{\n\"program\": ");
    nnp_text_json(&o, s->program->name);
    nnp_text_printf(&o, ",\n\"written\": \"%s\",\n\"machine\": ", date);
    machine(s, &o);
    nnp_text_printf(&o, ",\n\"claims\": %d,\n\"failed\": %d,\n\"experiments\": [%s\n]\n}\n",
                    s->all_claims, s->all_failed, nnp_text_str(&s->json_done));
    nnp_text_printf(&path, "%s/results.json", s->folder);
    int bad = nnp_file_write(path.at, o.at, o.n);
    if (bad)
        trouble(s, path.at, bad);
    nnp_text_free(&o);
    nnp_text_free(&path);
}

void nnp_results_end(nnp_session *s, double seconds, const char *status, const char *error)
{
    s->all_claims += s->claims;
    s->all_failed += s->failed;
    if (s->log && fclose(s->log))
        trouble(s, "log.jsonl", errno);
    s->log = NULL;
    if (s->rank || !s->folder)
        return;
    nnp_text *o = &s->json_done;
    nnp_text_add(o, o->n ? ",\n  {\"name\": " : "\n  {\"name\": ");
    nnp_text_json(o, s->experiment->name);
    nnp_text_printf(o, ", \"kind\": \"%s\", \"status\": \"%s\", \"seconds\": %.3f",
                    s->experiment->test ? "test" : "experiment", status, seconds);
    if (error) {
        nnp_text_add(o, ", \"error\": ");
        nnp_text_json(o, error);
    }
    nnp_text_printf(o, ",\n   \"claims\": [%s],\n   \"tables\": [%s],\n   \"files\": [%s]}",
                    nnp_text_str(&s->json_claims), nnp_text_str(&s->json_tables),
                    nnp_text_str(&s->json_files));
    write_summary(s);
}
