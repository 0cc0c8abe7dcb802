/* SPDX-License-Identifier: MIT */
// BAD
static const char *const fine = "https://quoit.example"; /* a // in here is fine */
