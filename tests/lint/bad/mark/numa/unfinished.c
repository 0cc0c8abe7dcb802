/* SPDX-License-Identifier: MIT */
/* TODO: BAD. A template such as nameXXXXXX is no mark. */
