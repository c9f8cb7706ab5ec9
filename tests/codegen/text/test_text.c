/* Names and lines of text targets. */
#include "codegen/text/names.h"
#include "codegen/text/writer.h"
#include "tests/test.h"

static void names_are_identifiers(void)
{
    nnc_arena *a = nnc_arena_new();
    CHECK_STR(nnc_identifier(a, "conv1.weight", false), "conv1_weight");
    CHECK_STR(nnc_identifier(a, "/model/0/Relu_output:0", false), "model_0_Relu_output_0");
    CHECK_STR(nnc_identifier(a, "3d", false), "t3d");
    CHECK_STR(nnc_identifier(a, "__x__", false),
              "x"); /* leading and double underscores are reserved */
    CHECK_STR(nnc_identifier(a, "", false), "t");
    CHECK_STR(nnc_identifier(a, "\xc3\xa9t\xc3\xa9", false), "t");
    CHECK_STR(nnc_identifier(a, "x.y", true), "X_Y");
    CHECK(strlen(nnc_identifier(
              a, "a_name_that_is_much_longer_than_anybody_would_want_to_read_in_a_line", false)) <
          64);
    nnc_arena_free(a);
}

static void names_are_unique_and_free(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_names *outer = nnc_names_new(a, NULL), *inner = nnc_names_new(a, outer);
    static const char *const reserved[] = {"int",      "class", "y1",  "exp", "memcpy",
                                           "INFINITY", "gamma", "and", "j0",  "template"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        CHECK(strcmp(nnc_names_put(inner, reserved[i]), reserved[i]) != 0);
    CHECK_STR(nnc_names_put(outer, "w"), "w");
    CHECK(strcmp(nnc_names_put(inner, "w"), "w") != 0); /* no shadowing */
    CHECK_STR(nnc_names_put(inner, "x"), "x");
    CHECK_STR(nnc_names_put(inner, "x"), "x1");
    CHECK_STR(nnc_names_put(inner, "x"), "x2");
    CHECK_STR(nnc_names_put(inner, "x1"), "x1_1"); /* the number is part of the name there */
    nnc_names_reserve(inner, "t");
    CHECK_STR(nnc_names_put(inner, "t"), "t1");
    CHECK_STR(nnc_names_put(inner, "a.b"), "a_b");
    CHECK_STR(nnc_names_put(inner, "a/b"), "a_b1");
    nnc_arena_free(a);
}

static const char *written(nnc_arena *a, const char *line)
{
    nnc_text t;
    nnc_out o = {.indent = 1};
    nnc_text_begin(&t);
    o.f = t.f;
    nnc_out_line(&o, "%s", line);
    return nnc_text_end(&t, a);
}

static void long_lines_are_broken_outside_brackets(void)
{
    nnc_arena *a = nnc_arena_new();
    CHECK_STR(written(a, "x = 1;"), "    x = 1;\n");
    CHECK_STR(written(a, ""), "\n");
    const char *s =
        written(a, "first_variable_of_this_line = some_function(with_arguments, that_go_on) + "
                   "another_function(with_more_of_them, and_more);");
    CHECK_STR(s, "    first_variable_of_this_line = some_function(with_arguments, that_go_on) +\n"
                 "            another_function(with_more_of_them, and_more);\n");
    s = written(
        a, "return \"a string that is far too long for the line and has spaces in it and must not "
           "be broken anywhere inside\";");
    CHECK(!strchr(strchr(s, '"'), '\n') || strchr(s, '\n')[1] == 0 ||
          strchr(s, '"') > strchr(s, '\n'));
    nnc_arena_free(a);
}

int main(void)
{
    RUN(names_are_identifiers);
    RUN(names_are_unique_and_free);
    RUN(long_lines_are_broken_outside_brackets);
    return test_end();
}
