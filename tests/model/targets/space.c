/* SPDX-License-Identifier: MIT */
/* space.c - to come. */
#include <model/model.h>

const struct model_case model_space_cases[] = {{.target = NULL}};
