/* SPDX-License-Identifier: MIT */
/* death.c - to come. */
#include <model/model.h>

const struct model_case model_death_cases[] = {{.target = NULL}};
