/* SPDX-License-Identifier: MIT */
/* wake.c - to come. */
#include <model/model.h>

const struct model_case model_wake_cases[] = {{.target = NULL}};
