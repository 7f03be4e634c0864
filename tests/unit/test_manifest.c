/* resource.apply's manifests when a playbook is loaded: rules with places, files beside the playbook, what a file may
 * not be. */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"
#include "core/manifest.h"
#include "core/playbook.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct registry registry = {all_actions, all_checks};
static char root[] = "/tmp/mendd-manifest-XXXXXX";
static struct config *config;

#define CONFIGMAP(name) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " name "}\n"

static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make(const char *folder)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", root, folder);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void point(const char *name, const char *to)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", root, name);
    unlink(path);
    assert_int_equal(symlink(to, path), 0);
}

static int setup(void **state _unused_)
{
    struct faults f = {0};
    assert_non_null(mkdtemp(root));
    make("p");
    make("p/manifests");
    put("outside.yaml", CONFIGMAP("stolen"));
    return config_load(NULL, &config, &f);
}

static int teardown(void **state _unused_)
{
    _cleanup_free_ char *command = xasprintf("rm -r %s", root);
    config_free(config);
    return system(command);
}

static struct playbook_table *load(const char *with, struct faults *f)
{
    struct playbook_table *t = NULL;
    _cleanup_free_ char *text = xasprintf(
        "playbooks:\n- name: p\n  matchers: [a=b]\n  vars: {image: i}\n"
        "  target: {kind: Deployment, namespace: n, name: x}\n  steps:\n  - action: resource.apply\n    with: %s\n",
        with);
    _cleanup_free_ char *folder = xasprintf("%s/p", root);
    put("p/play.yaml", text);
    playbooks_load((const char *const[]){folder, NULL}, config, &registry, &t, f);
    return t;
}

/* The first fault, its path without the test's own folder, must begin so. */
static void refuses(const char *with, const char *fault)
{
    struct faults f = {0};
    assert_null(load(with, &f));
    assert_true(f.n > 0);
    const char *said = str_starts(f.texts[0], root) ? f.texts[0] + strlen(root) + 1 : f.texts[0];
    if (!str_starts(said, fault))
        fail_msg("\"%s\", expected \"%s\"", said, fault);
    faults_clear(&f);
}

static json_t *accepts(const char *with)
{
    struct faults f = {0};
    struct playbook_table *t = load(with, &f);
    if (!t)
        fail_msg("%s", f.texts[0]);
    json_t *said = json_deep_copy(t->playbooks[0]->ladder[0].steps[0].with);
    playbook_table_free(t);
    faults_clear(&f);
    return said;
}

static void rules_have_places(void **state _unused_)
{
#define AT "p/play.yaml:8:"
    refuses("{manifest: [1]}", AT "23: manifest: expected an object with apiVersion and kind");
    refuses("{manifest: {apiVersion: v1, kind: Secret, metadata: {name: s}}}", AT "45: a Secret's content");
    refuses("{manifest: {apiVersion: v1, kind: List, metadata: {name: s}}}", AT "45: manifest: write each item");
    refuses("{manifest: {apiVersion: v1, kind: Pod}}", AT "22: manifest: expected a map \"metadata\"");
    refuses("{manifest: {apiVersion: v1, kind: Pod, metadata: {name: A_b}}}", AT "67: manifest: metadata.name 'A_b'");
    refuses("{manifest: {apiVersion: v1, kind: Pod, metadata: {}}}", AT "60: manifest: metadata.name is missing");
    refuses("{manifest: {apiVersion: v1, kind: Pod, metadata: {name: a, finalizers: [x]}}}", AT "82: manifest: owner");
    refuses("{manifest: []}", AT "22: manifest: expected an object, or a list of 1 to 20");
    refuses("{}", AT "11: resource.apply needs \"manifest\" or \"file\"");
    json_decref(accepts("{manifest: {apiVersion: v1, kind: Pod, metadata: {name: '{{ labels.x }}'}}}"));
}

static void documents_of_a_file(void **state _unused_)
{
    put("p/manifests/two.yaml",
        "# both\n---\n" CONFIGMAP("one") "data: {image: '{{ vars.image }}', n: '1'}\n---\n---\n" CONFIGMAP("two"));
    _cleanup_json_ json_t *with = accepts("{file: manifests/two.yaml}");
    const json_t *list = json_object_get(with, "manifest");
    assert_null(json_object_get(with, "file"));
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_path_text(json_array_get(list, 0), "data", "image", NULL), "{{ vars.image }}");
    assert_string_equal(json_path_text(json_array_get(list, 1), "metadata", "name", NULL), "two");
}

static void faults_of_a_file(void **state _unused_)
{
    put("p/bad.manifest.yaml", CONFIGMAP("ok") "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n");
    refuses("{file: bad.manifest.yaml}", "p/bad.manifest.yaml:6:7: a Secret's content");
    put("p/bad.manifest.yaml", CONFIGMAP("ok") "data: {image: '{{ vars.imag }}'}\n");
    refuses("{file: bad.manifest.yaml}",
            "p/bad.manifest.yaml:4:15: unknown template variable \"vars.imag\" (did you mean");
    put("p/bad.manifest.yaml", CONFIGMAP("ok") "data: {image: {{ vars.image }}}\n");
    refuses("{file: bad.manifest.yaml}", "p/bad.manifest.yaml:4:");
    put("p/bad.manifest.yaml", "# nothing\n");
    refuses("{file: bad.manifest.yaml}", AT "18: file: bad.manifest.yaml holds no object");
    _cleanup_free_ char *many = xnew0(char), *large = xstrdup("");
    for (int i = 0; i <= MANIFESTS_MAX; i++) {
        char *more = xasprintf("%s---\n" CONFIGMAP("m"), many);
        free(many);
        many = more;
    }
    put("p/bad.manifest.yaml", many);
    refuses("{file: bad.manifest.yaml}", "p/bad.manifest.yaml:81:1: more than 20 documents (---) in one file");
    free(large);
    large = xcalloc(300 * 1024, 1);
    memset(large, '#', 300 * 1024 - 1);
    put("p/bad.manifest.yaml", large);
    refuses("{file: bad.manifest.yaml}", AT "18: file: ");
    refuses("{file: none.manifest.yaml}", AT "18: file: ");
    refuses("{file: manifests}", AT "18: file: ");
    refuses("{file: '{{ labels.x }}'}", AT "18: file takes no templates");
    refuses("{file: manifests/two.yaml, manifest: {}}", AT "38: either \"file\" or \"manifest\", not both");
}

static void no_way_out_of_the_folder(void **state _unused_)
{
    static const char *const ways[] = {"../outside.yaml", "/etc/hostname", "manifests/../../outside.yaml", "''",
                                       "manifests/.."};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        _cleanup_free_ char *with = xasprintf("{file: %s}", ways[i]);
        refuses(with, AT "18: ");
    }
    refuses("{file: ../outside.yaml}", AT "18: file: expected a path in the playbook's folder, without \"..\"");
    point("p/link.manifest.yaml", "../outside.yaml");
    refuses("{file: link.manifest.yaml}", AT "18: file: ");
    point("p/.away", ".."); /* hidden: not looked into for playbooks */
    refuses("{file: .away/outside.yaml}", AT "18: file: ");
    put("p/manifests/real.yaml", CONFIGMAP("real")); /* as a ConfigMap is mounted */
    point("p/link.manifest.yaml", "manifests/real.yaml");
    json_decref(accepts("{file: link.manifest.yaml}"));
    put("p-other.yaml", CONFIGMAP("x")); /* a folder whose name only begins alike */
    make("p-o");
    put("p-o/x.yaml", CONFIGMAP("x"));
    point("p/link.manifest.yaml", "../p-o/x.yaml");
    refuses("{file: link.manifest.yaml}", AT "18: file: ");
    point("p/link.manifest.yaml", "manifests/real.yaml");
}

static void a_load_reads_it_again_a_run_keeps_it(void **state _unused_)
{
    struct faults f = {0};
    put("p/manifests/api.yaml", CONFIGMAP("first"));
    struct playbook_table *before = load("{file: manifests/api.yaml}", &f);
    assert_non_null(before);
    put("p/manifests/api.yaml", CONFIGMAP("second"));
    struct playbook_table *after = load("{file: manifests/api.yaml}", &f);
    assert_non_null(after);
    assert_string_not_equal(before->playbooks[0]->hash, after->playbooks[0]->hash);
    struct playbook *kept = NULL;
    assert_int_equal(playbook_from_json(before->playbooks[0]->source, NULL, &registry, &kept, NULL), 0);
    const json_t *one = json_array_get(json_object_get(kept->ladder[0].steps[0].with, "manifest"), 0);
    assert_string_equal(json_path_text(one, "metadata", "name", NULL), "first");
    playbook_unref(kept);
    playbook_table_free(before);
    playbook_table_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_have_places),
        cmocka_unit_test(documents_of_a_file),
        cmocka_unit_test(faults_of_a_file),
        cmocka_unit_test(no_way_out_of_the_folder),
        cmocka_unit_test(a_load_reads_it_again_a_run_keeps_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
