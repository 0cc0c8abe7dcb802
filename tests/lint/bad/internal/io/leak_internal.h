/* SPDX-License-Identifier: MIT */
#ifndef QUOIT_IO_LEAK_INTERNAL_H
#define QUOIT_IO_LEAK_INTERNAL_H

#endif
