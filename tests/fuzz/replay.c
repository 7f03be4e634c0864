/* Feeds a fuzz target without libFuzzer: replay FOLDER. Every file as it is, cut short at 64 places, and with 256
 * seeded mutations (a byte changed, dropped or doubled). Deterministic, so that a failure can be repeated; the input
 * that fails is left in the file that it names. */
#include "base/macro.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>

static uint64_t state = 0x9e3779b97f4a7c15;
static char failing[256];

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* the input is kept in a file while the target works on it: an abort leaves it behind */
static void feed(const uint8_t *data, size_t size)
{
    int fd = open(failing, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    LLVMFuzzerTestOneInput(data, size);
}

static void mutate(uint8_t *copy, size_t *size)
{
    size_t at = next() % *size;
    switch (next() % 4) {
    case 0:
        copy[at] = (uint8_t)next();
        break;
    case 1:
        copy[at] = (uint8_t) "{}[]\"\\:,\n\0#&*'|/~"[next() % 18];
        break;
    case 2:
        memmove(copy + at, copy + at + 1, *size - at - 1);
        (*size)--;
        break;
    default:
        memmove(copy + at + 1, copy + at, *size - at);
        (*size)++;
    }
}

static void feed_file(const char *path)
{
    static uint8_t data[1 << 20], copy[(1 << 20) + 64];
    FILE *f = fopen(path, "re");
    fuzz_check(f);
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    feed(data, size);
    for (size_t i = 0; i < 64 && size > 0; i++)
        feed(data, size * i / 64);
    for (size_t i = 0; i < 256 && size > 0; i++) {
        size_t n = size;
        memcpy(copy, data, size);
        for (size_t k = 1 + next() % 4; k > 0 && n > 0; k--)
            mutate(copy, &n);
        feed(copy, n);
    }
}

int main(int argc, char **argv)
{
    fuzz_check(argc == 2);
    DIR *folder = opendir(argv[1]);
    fuzz_check(folder);
    snprintf(failing, sizeof(failing), "/tmp/mendd-fuzz-input.%d", (int)getpid());
    fprintf(stderr, "the input at work is kept in %s\n", failing);
    size_t files = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        if (e->d_name[0] == '.')
            continue;
        _cleanup_free_ char *path = xasprintf("%s/%s", argv[1], e->d_name);
        feed_file(path);
        files++;
    }
    closedir(folder);
    unlink(failing);
    fuzz_check(files > 0);
    printf("%zu files, each with its mutations: nothing broke\n", files);
    return 0;
}
