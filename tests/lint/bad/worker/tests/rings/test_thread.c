/* SPDX-License-Identifier: MIT */
static void *count_worker(void *ctx)
{
	assert_non_null(ctx); /* BAD */
	return ctx;
}
