/* SPDX-License-Identifier: MIT */
/* copy.c - what the cpu can do, and the copy that goes around its caches. */
#include <quoit/rings/copy.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMD
#define HWCAP_ASIMD (1ul << 1)
#endif
#ifndef HWCAP_SVE
#define HWCAP_SVE (1ul << 22)
#endif
#endif

unsigned quoit_cpu_features(void)
{
	unsigned features = 0;

#if defined(__x86_64__)
	/* AVX-512 is what we call it if all of these are there. */
	unsigned parts = 0;

	/* These also ask whether the kernel saves the registers. */
	if (__builtin_cpu_supports("sse4.2"))
		features |= QUOIT_CPU_SSE42;
	if (__builtin_cpu_supports("avx2"))
		features |= QUOIT_CPU_AVX2;
	if (__builtin_cpu_supports("avx512f"))
		parts++;
	if (__builtin_cpu_supports("avx512bw"))
		parts++;
	if (__builtin_cpu_supports("avx512vl"))
		parts++;
	if (parts == 3)
		features |= QUOIT_CPU_AVX512;
#elif defined(__aarch64__)
	if (getauxval(AT_HWCAP) & HWCAP_ASIMD)
		features |= QUOIT_CPU_NEON;
	if (getauxval(AT_HWCAP) & HWCAP_SVE)
		features |= QUOIT_CPU_SVE;
#endif
	return features;
}

size_t quoit__cpu_vector_bytes(unsigned features)
{
	if (features & QUOIT_CPU_AVX512)
		return 64;
	if (features & QUOIT_CPU_AVX2)
		return 32;
#if defined(__x86_64__)
	return 16; /* SSE2 is part of it */
#else
	return features & (QUOIT_CPU_NEON | QUOIT_CPU_SVE) ? 16 : 8;
#endif
}

size_t quoit_cpu_vector_bytes(void)
{
	return quoit__cpu_vector_bytes(quoit_cpu_features());
}

void quoit_copy_streaming(void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
	char *out = (char *)to;
	const char *in = (const char *)from;
	const size_t lead = quoit_min(-(uintptr_t)out & (QUOIT_LINE_BYTES - 1), bytes);

	memcpy(out, in, lead);
	out += lead;
	in += lead;
	bytes -= lead;
	/* Whole lines, so that none is read to be completed. */
	for (; bytes >= QUOIT_LINE_BYTES; bytes -= QUOIT_LINE_BYTES) {
		const __m128i *const v = (const __m128i *)(const void *)in;
		const __m128i a = _mm_loadu_si128(v), b = _mm_loadu_si128(v + 1);
		const __m128i c = _mm_loadu_si128(v + 2), d = _mm_loadu_si128(v + 3);
		__m128i *const w = (__m128i *)(void *)out;

		_mm_stream_si128(w, a);
		_mm_stream_si128(w + 1, b);
		_mm_stream_si128(w + 2, c);
		_mm_stream_si128(w + 3, d);
		out += QUOIT_LINE_BYTES;
		in += QUOIT_LINE_BYTES;
	}
	_mm_sfence(); /* streamed stores are not ordered by a release */
	memcpy(out, in, bytes);
#else
	memcpy(to, from, bytes);
#endif
}
