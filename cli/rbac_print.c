/* The manifests as YAML. Every text is quoted as JSON quotes it, which YAML reads alike; comments are cleaned of what
 * could end them. */
#include "rbac.h"

#include "base/alloc.h"
#include "base/text.h"
#include "cli.h"

#include <string.h>

enum { WIDTH = 118 };

static void print_value(const json_t *value, FILE *f)
{
    _cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    fputs(text, f);
}

/* One comment, broken between words. */
static void print_comment(const char *text, FILE *f)
{
    _cleanup_free_ char *clean = print_clean_new(text);
    size_t column = 0;
    for (const char *word = clean; *word;) {
        const size_t n = strcspn(word, " ");
        if (column && column + n + 1 > WIDTH) {
            fputc('\n', f);
            column = 0;
        }
        column += (size_t)fprintf(f, column ? " " : word == clean ? "# " : "#   ");
        fwrite(word, 1, n, f);
        column += n;
        word += n + strspn(word + n, " ");
    }
    fputc('\n', f);
}

static void print_rules(const json_t *rules, FILE *f)
{
    static const char *const keys[] = {"resources", "resourceNames", "verbs"};
    size_t i, k;
    json_t *rule, *comment;
    fputs("rules:\n", f);
    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "#"), k, comment)
            print_comment(json_string_value(comment), f);
        fputs("- apiGroups: ", f);
        print_value(json_object_get(rule, "apiGroups"), f);
        fputc('\n', f);
        for (k = 0; k < ARRAY_SIZE(keys); k++) {
            if (!json_object_get(rule, keys[k]))
                continue;
            fprintf(f, "  %s: ", keys[k]);
            print_value(json_object_get(rule, keys[k]), f);
            fputc('\n', f);
        }
    }
}

static void print_manifest(const json_t *manifest, FILE *f)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)manifest, key, value) {
        if (str_eq(key, "rules")) {
            print_rules(value, f);
            continue;
        }
        fprintf(f, "%s: ", key);
        print_value(value, f);
        fputc('\n', f);
    }
}

void rbac_print_yaml(const json_t *manifests, FILE *f)
{
    size_t i;
    json_t *manifest;
    json_array_foreach (manifests, i, manifest) {
        if (i > 0)
            fputs("---\n", f);
        print_manifest(manifest, f);
    }
}
