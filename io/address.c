/* SPDX-License-Identifier: MIT */
/* address.c - see address_internal.h. */
#include <quoit/io/address_internal.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct quoit_reason *why, const char *text)
{
	return quoit_reason_set(
		why, -EINVAL,
		"'%s' is not an address: write 127.0.0.1:7000 or [::1]:7000 (port 0 "
		"takes a free one)",
		text);
}

#define PORT_DIGITS 5

static int parse_port(const char *text)
{
	char *end;
	const long port = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || end - text > PORT_DIGITS || port > 65535)
		return -EINVAL;
	return (int)port;
}

int quoit_address_parse(struct quoit_address *address, const char *text, struct quoit_reason *why)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	struct quoit_address parsed = {0};
	char host[QUOIT_ADDRESS_TEXT];
	const bool v6 = text && text[0] == '[';
	size_t length;
	int port;

	if (!colon)
		return refuse(why, text ? text : "(null)");
	length = (size_t)(colon - text);
	if (length >= sizeof(host) || (v6 && (length < 2 || colon[-1] != ']')))
		return refuse(why, text);
	memcpy(host, text + v6, length - 2 * (size_t)v6);
	host[length - 2 * (size_t)v6] = '\0';
	port = parse_port(colon + 1);
	if (port < 0)
		return refuse(why, text);
	if (v6) {
		parsed.v6.sin6_family = AF_INET6;
		parsed.v6.sin6_port = htons((uint16_t)port);
		parsed.bytes = sizeof(parsed.v6);
	} else {
		parsed.v4.sin_family = AF_INET;
		parsed.v4.sin_port = htons((uint16_t)port);
		parsed.bytes = sizeof(parsed.v4);
	}
	if (inet_pton(parsed.any.sa_family, host,
		      v6 ? (void *)&parsed.v6.sin6_addr : (void *)&parsed.v4.sin_addr) != 1)
		return refuse(why, text);
	*address = parsed;
	return 0;
}

int quoit_address_port(const struct quoit_address *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port
							: address->v4.sin_port);
}

void quoit_address_print(const struct quoit_address *address, char *text)
{
	char host[INET6_ADDRSTRLEN] = "?";
	const bool v6 = address->any.sa_family == AF_INET6;

	(void)inet_ntop(address->any.sa_family,
			v6 ? (const void *)&address->v6.sin6_addr
			   : (const void *)&address->v4.sin_addr,
			host, sizeof(host)); /* fits: INET6_ADDRSTRLEN */
	snprintf(text, QUOIT_ADDRESS_TEXT, v6 ? "[%s]:%d" : "%s:%d", host,
		 quoit_address_port(address));
}
