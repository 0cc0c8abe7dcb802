/* SPDX-License-Identifier: MIT */
static int  loose( void ) {
    return 0; }
