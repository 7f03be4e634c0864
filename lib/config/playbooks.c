/* Playbook files: which ones, in which order, and what concerns the whole table (names used twice, warnings). */
#include "config/read.h"

#include "base/alloc.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILES = 2000, MAX_FOLDER_DEPTH = 16 };

struct paths {
    char **list;
    size_t n;
};

static void paths_clear(struct paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i]);
    free(p->list);
}

static void paths_add(struct paths *p, char *taken)
{
    if (p->n >= MAX_FILES) {
        free(taken);
        return;
    }
    p->list = xreallocarray(p->list, p->n + 1, sizeof(char *));
    p->list[p->n++] = taken;
}

static bool is_playbook_file(const char *name)
{
    static const char *const others[] = {".test.yaml", ".test.yml", ".manifest.yaml", ".manifest.yml"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (str_ends(name, others[i]))
            return false;
    return str_ends(name, ".yaml") || str_ends(name, ".yml");
}

static int add_folder(struct paths *p, const char *folder, int depth, struct faults *faults)
{
    DIR *dir = depth > MAX_FOLDER_DEPTH ? NULL : opendir(folder);
    if (!dir) {
        faults_add(faults, NULL, "%s: cannot list the folder: %s", folder,
                   depth > MAX_FOLDER_DEPTH ? "too deep" : strerror(errno));
        return -ENOENT;
    }
    const struct dirent *e;
    int r = 0;
    while ((e = readdir(dir))) {
        /* hidden: editors' files, and the links by which Kubernetes mounts a ConfigMap; fixtures: what tests look at;
         * manifests: what resource.apply reads */
        if (e->d_name[0] == '.' || str_in(e->d_name, (const char *const[]){"fixtures", "manifests", NULL}))
            continue;
        char *path = xasprintf("%s/%s", folder, e->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && add_folder(p, path, depth + 1, faults) < 0)
            r = -ENOENT;
        if (is_playbook_file(e->d_name))
            paths_add(p, TAKE_PTR(path));
        free(path);
    }
    closedir(dir);
    return r;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int collect(struct paths *p, const char *const *given, struct faults *faults)
{
    int r = 0;
    for (; given && *given; given++) {
        struct stat st;
        _cleanup_free_ char *path = xstrdup(*given);
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
            path[n - 1] = '\0';
        if (stat(path, &st) < 0) {
            faults_add(faults, NULL, "%s: %s", *given, strerror(errno));
            r = -ENOENT;
        } else if (!S_ISDIR(st.st_mode)) {
            paths_add(p, TAKE_PTR(path));
        } else if (add_folder(p, path, 0, faults) < 0) {
            r = -ENOENT;
        }
    }
    if (p->n > 1)
        qsort(p->list, p->n, sizeof(char *), by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) { /* a file given twice is read once */
        if (kept > 0 && strcmp(p->list[kept - 1], p->list[i]) == 0)
            free(p->list[i]);
        else
            p->list[kept++] = p->list[i];
    }
    p->n = kept;
    return r;
}

static void add_playbook(struct loader *l, const struct node *map, struct playbook_table *t)
{
    struct playbook *p = read_playbook(l, map);
    if (!p)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->playbooks[i]->name, p->name) == 0)
            faults_add(l->faults, node_get(map, "name"), "the playbook \"%s\" is already defined in %s:%d", p->name,
                       t->playbooks[i]->file, t->playbooks[i]->line);
    playbook_table_add(t, p);
    warn_unreachable(l->faults, t, t->n - 1, map);
    warn_irreversible(l->faults, p, map);
}

static void read_list(struct loader *l, const struct node *list, void *field)
{
    struct playbook_table *t = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    for (size_t i = 0; i < list->n_children; i++)
        add_playbook(l, list->children[i], t);
}

const struct key playbook_file_keys[] = {
    {"playbooks", FORM_LIST, .flags = KEY_REQUIRED, .sub = playbook_keys, .read = read_list,
     .doc = "a list of playbooks"},
    {0},
};

static void load_file(struct loader *l, const char *path, struct playbook_table *t)
{
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    const size_t before = l->faults->n;
    if (node_load_file(path, &root, &err) < 0)
        faults_add(l->faults, NULL, "%s", error_message(&err));
    else
        read_map(l, root, "a playbook file", playbook_file_keys, t);
    faults_sort(l->faults, before);
}

int playbooks_load(const char *const *paths, const struct config *config, const struct registry *registry,
                   struct playbook_table **ret, struct faults *faults)
{
    _cleanup_(paths_clear) struct paths files = {0};
    _cleanup_(playbook_table_freep) struct playbook_table *t = playbook_table_new();
    const size_t before = faults->n;
    int r = collect(&files, paths, faults);
    struct loader l = {.faults = faults, .registry = registry, .config = config};
    for (size_t i = 0; i < files.n; i++)
        load_file(&l, files.list[i], t);
    if (faults->n > before)
        return r < 0 ? r : -EINVAL;
    *ret = TAKE_PTR(t);
    return 0;
}
