/* The sections of the configuration file that have rules of their own. Private to lib/config. */
#pragma once

#include "config/read.h"

extern const struct key cluster_keys[], alertmanager_keys[], prometheus_keys[], auth_keys[];
