/* SPDX-License-Identifier: MIT */
/* hash.c - the keyed hash, from libsodium. */
#include "hash.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(struct hash_secret) == crypto_shorthash_KEYBYTES, "the secret of SipHash");
_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "the output of SipHash");

int hash_secret_make(struct hash_secret *secret)
{
	if (sodium_init() < 0)
		return -EIO;
	crypto_shorthash_keygen(secret->bytes);
	return 0;
}

uint64_t hash_key(const struct hash_secret *secret, const char *key, size_t key_len)
{
	unsigned char out[sizeof(uint64_t)];
	uint64_t hash;

	crypto_shorthash(out, (const unsigned char *)key, key_len, secret->bytes);
	memcpy(&hash, out, sizeof hash);
	return hash;
}
