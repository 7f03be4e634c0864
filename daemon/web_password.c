#include "web_password.h"

#include "base/alloc.h"
#include "base/text.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

enum { REMEMBERED = 128, MAC_LEN = 32 };

struct job {
    char *user, *hash, *password;
    uintptr_t peer;
    unsigned char mac[MAC_LEN];
    bool exists; /* the user; else the hash is nobody's, and the answer is no in any case */
    bool right;
    password_cb done;
    void *userdata;
    struct job *next;
    struct job *all_next, *all_prev; /* the loop's thread only */
};

struct passwords {
    sd_event_source *source;
    int fd;
    pthread_t thread;
    bool running, stop; /* `stop` under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *queued, *finished; /* under the lock; oldest first */
    struct job *all;               /* from here on: the loop's thread only */
    unsigned char key[MAC_LEN];
    unsigned char remembered[REMEMBERED][MAC_LEN];
    size_t n_remembered, next_place;
};

static void job_free(struct job *j)
{
    explicit_bzero(j->password, strlen(j->password));
    free(j->password);
    free(j->hash);
    free(j->user);
    free(j);
}

static void append(struct job **list, struct job *j)
{
    while (*list)
        list = &(*list)->next;
    j->next = NULL;
    *list = j;
}

/* ---- the helper thread ---- */

static bool is_right(const char *hash, const char *password)
{
    struct crypt_data *data = xnew0(struct crypt_data); /* 32 KiB */
    const char *made = crypt_r(password, hash, data);
    const bool right = made && strlen(made) == strlen(hash) && gnutls_memcmp(made, hash, strlen(hash)) == 0;
    explicit_bzero(data, sizeof(*data));
    free(data);
    return right;
}

static struct job *next_job(struct passwords *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->queued && !p->stop)
        pthread_cond_wait(&p->wake, &p->lock);
    struct job *j = p->stop ? NULL : p->queued;
    if (j)
        p->queued = j->next;
    pthread_mutex_unlock(&p->lock);
    return j;
}

static void *run(void *userdata)
{
    struct passwords *p = userdata;
    for (struct job *j; (j = next_job(p));) {
        j->right = is_right(j->hash, j->password) && j->exists;
        pthread_mutex_lock(&p->lock);
        append(&p->finished, j);
        pthread_mutex_unlock(&p->lock);
        eventfd_write(p->fd, 1);
    }
    return NULL;
}

static int start_thread(struct passwords *p)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to the loop */
    int r = pthread_create(&p->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    p->running = r == 0;
    return -r;
}

/* ---- on the loop ---- */

static bool is_remembered(const struct passwords *p, const unsigned char mac[MAC_LEN])
{
    bool found = false;
    for (size_t i = 0; i < p->n_remembered; i++)
        found |= gnutls_memcmp(p->remembered[i], mac, MAC_LEN) == 0;
    return found;
}

static void remember(struct passwords *p, const unsigned char mac[MAC_LEN])
{
    if (is_remembered(p, mac))
        return;
    memcpy(p->remembered[p->next_place], mac, MAC_LEN);
    p->next_place = (p->next_place + 1) % REMEMBERED;
    p->n_remembered += p->n_remembered < REMEMBERED;
}

static void deliver(struct passwords *p, bool stopped)
{
    pthread_mutex_lock(&p->lock);
    struct job *j = TAKE_PTR(p->finished);
    pthread_mutex_unlock(&p->lock);
    while (j) {
        struct job *next = j->next;
        DL_DELETE2(p->all, j, all_prev, all_next);
        if (j->right)
            remember(p, j->mac);
        j->done(stopped ? PASSWORD_BUSY : j->right ? PASSWORD_RIGHT : PASSWORD_WRONG, j->userdata);
        job_free(j);
        j = next;
    }
}

static int on_finished(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
    eventfd_t n;
    eventfd_read(fd, &n);
    deliver(userdata, false);
    return 0;
}

int passwords_new(sd_event *event, struct passwords **ret, struct error *err)
{
    _cleanup_(passwords_freep) struct passwords *p = xnew0(struct passwords);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = p->fd < 0 ? -errno : sd_event_add_io(event, &p->source, p->fd, EPOLLIN, on_finished, p);
    if (r >= 0 && gnutls_rnd(GNUTLS_RND_KEY, p->key, sizeof(p->key)) < 0)
        r = -EIO;
    if (r < 0)
        return error_set(err, r, "cannot check passwords: %s", strerror(-r));
    *ret = TAKE_PTR(p);
    return 0;
}

struct passwords *passwords_free(struct passwords *p)
{
    if (!p)
        return NULL;
    if (p->running) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        deliver(p, true);
        p->finished = TAKE_PTR(p->queued);
        deliver(p, true);
    }
    sd_event_source_disable_unref(p->source);
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    explicit_bzero(p->key, sizeof(p->key));
    free(p);
    return NULL;
}

static const char *hash_of(const struct web_config *c, const char *user)
{
    for (size_t i = 0; i < c->n_users; i++)
        if (str_eq(c->users[i].name, user))
            return c->users[i].hash;
    return NULL;
}

/* Of user, hash and password, each with its end: another hash of the user makes another MAC. */
static bool mac_of(const struct passwords *p, const char *user, const char *hash, const char *password,
                   unsigned char ret[MAC_LEN])
{
    gnutls_hmac_hd_t h;
    if (gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, p->key, sizeof(p->key)) < 0)
        return false;
    bool ok = gnutls_hmac(h, user, strlen(user) + 1) >= 0;
    ok = gnutls_hmac(h, hash, strlen(hash) + 1) >= 0 && ok;
    ok = gnutls_hmac(h, password, strlen(password) + 1) >= 0 && ok;
    gnutls_hmac_deinit(h, ret);
    return ok;
}

bool passwords_known(struct passwords *p, const struct web_config *config, const char *user, const char *password)
{
    const char *hash = hash_of(config, user);
    unsigned char mac[MAC_LEN];
    return hash && mac_of(p, user, hash, password, mac) && is_remembered(p, mac);
}

static bool has_room(const struct passwords *p, uintptr_t peer, const char *user)
{
    size_t all = 0, of_peer = 0, of_user = 0;
    for (const struct job *j = p->all; j; j = j->all_next) {
        all++;
        of_peer += j->peer == peer;
        of_user += j->peer == peer && str_eq(j->user, user);
    }
    return all < PASSWORDS_WAITING && of_peer < PASSWORDS_OF_PEER && of_user < PASSWORDS_OF_USER;
}

int passwords_check(struct passwords *p, const struct web_config *config, uintptr_t peer, const char *user,
                    const char *password, password_cb done, void *userdata)
{
    if (!has_room(p, peer, user) || (!p->running && start_thread(p) < 0))
        return -EBUSY;
    const char *hash = hash_of(config, user);
    struct job *j = xnew0(struct job);
    *j = (struct job){.exists = hash != NULL,
                      .done = done,
                      .userdata = userdata,
                      .peer = peer,
                      .user = xstrdup(user),
                      .password = xstrdup(password)};
    j->hash =
        hash ? xstrdup(hash) /* nobody's hash, as dear as the dearest */
             : xasprintf("$2b$%02d$%s", config->bcrypt_cost, "abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234");
    j->exists = j->exists && mac_of(p, user, j->hash, password, j->mac);
    DL_APPEND2(p->all, j, all_prev, all_next);
    pthread_mutex_lock(&p->lock);
    append(&p->queued, j);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return 0;
}
