/* SPDX-License-Identifier: MIT */
/*
 * address_internal.h - "127.0.0.1:7000" and "[::1]:7000" as socket addresses, and back.
 *
 * Numbers only: a name could mean several addresses, and looking one up would block.
 */
#ifndef QUOIT_IO_ADDRESS_INTERNAL_H
#define QUOIT_IO_ADDRESS_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <quoit/numa/reason.h>

#define QUOIT_ADDRESS_TEXT 64 /* enough for any address with port */

struct quoit_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t bytes;
};

/* Errors: -EINVAL with what is wrong with the text; `address` is untouched then. */
QUOIT_MUST_CHECK int quoit_address_parse(struct quoit_address *address, const char *text,
					 struct quoit_reason *why);

/* Write it as it would be parsed; `text` has QUOIT_ADDRESS_TEXT bytes. */
void quoit_address_print(const struct quoit_address *address, char *text);

int quoit_address_port(const struct quoit_address *address);

#endif
