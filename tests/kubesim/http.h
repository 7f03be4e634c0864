/* The HTTP side: one epoll descriptor for the loop, requests served as they are complete. */
#pragma once

#include "sim.h"

struct http;

/* Listens on 127.0.0.1. NULL with a message otherwise. */
struct http *http_new(struct sim *sim, struct error *err);
void http_free(struct http *h);
int http_epoll_fd(const struct http *h);
uint16_t http_port(const struct http *h);
/* Does what is due; returns how long it may wait, in ms (-1: until the descriptor is ready). */
int http_run(struct http *h);
