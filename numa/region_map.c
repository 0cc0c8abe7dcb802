/* SPDX-License-Identifier: MIT */
/*
 * region_map.c - the mapping itself: plain, between guard pages, of huge pages.
 *
 * What needs more than mmap gives is cut out of a reservation: address space that nobody can touch,
 * of which the middle is mapped over and the guards stay. Huge pages always get guards, so that no
 * other mapping grows together with theirs and is counted as theirs.
 */
#include <quoit/numa/region_internal.h>

#define MAP_HUGE_SHIFT_BITS \
	26 /* where mmap's flags tell the size of a huge page, as a power of 2 */

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static int refuse(const struct quoit_region *r, int rc, struct quoit_reason *why)
{
	return quoit_reason_set(why, rc, "%zu bytes of memory cannot be mapped: %s", r->bytes,
				strerror(-rc));
}

/* Ask for what the middle of a reservation is to be made of. */
static int map_middle(struct quoit_region *r, size_t huge, int flags, struct quoit_reason *why)
{
	const int protection = PROT_READ | PROT_WRITE;
	const int plain = MAP_PRIVATE | MAP_ANONYMOUS | flags;
	if (r->pages == QUOIT_REGION_HUGE_PAGES) {
		const int size = __builtin_ctzll(huge) << MAP_HUGE_SHIFT_BITS;
		const int rc = quoit__sys_mmap_over(r->base, r->bytes, protection,
						    plain | MAP_HUGETLB | size);
		if (!rc)
			return 0;
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
					"%zu bytes in huge pages are not there: %s; set some aside "
					"(vm.nr_hugepages)",
					r->bytes, strerror(-rc));
		r->pages = QUOIT_REGION_TRANSPARENT;
	}
	const int rc = quoit__sys_mmap_over(r->base, r->bytes, protection, plain);
	if (rc || r->pages == QUOIT_REGION_SMALL_PAGES)
		return rc;
	const int advised = quoit__sys_madvise(r->base, r->bytes, MADV_HUGEPAGE);
	if (advised) {
		r->pages = QUOIT_REGION_SMALL_PAGES;
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, advised,
					"this kernel has no transparent huge pages: %s",
					strerror(-advised));
	}
	return 0;
}

static int map_within(struct quoit_region *r, size_t page, int flags, struct quoit_reason *why)
{
	const size_t huge = quoit_region_huge_page(page);
	const size_t unit = r->pages == QUOIT_REGION_SMALL_PAGES ? page : huge;
	const size_t whole = r->bytes + 2 * page + (unit - page);
	void *start = NULL;
	int rc = quoit__sys_mmap(&start, whole, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rc)
		return refuse(r, rc, why);
	char *const base = (char *)round_up((uintptr_t)start + page, unit);
	r->base = base;
	rc = map_middle(r, huge, flags, why);
	if (rc) {
		quoit__sys_munmap(start, whole);
		return refuse(r, rc, why);
	}
	char *const first = base - page;
	char *const last = base + r->bytes + page;
	char *const end = (char *)start + whole;
	if (first > (char *)start)
		quoit__sys_munmap(start, (size_t)(first - (char *)start));
	if (last < end)
		quoit__sys_munmap(last, (size_t)(end - last));
	r->guard_bytes = page;
	return 0;
}

/* A name is a help to who looks: without one nothing falls short. */
static void name_pages(struct quoit_region *r, const char *name)
{
	char text[QUOIT_REGION_NAME_MOST + 1];
	size_t n = 0;
	for (; name[n] && n < QUOIT_REGION_NAME_MOST; n++)
		text[n] = name[n] >= ' ' && name[n] < 0x7f && !strchr("[]\\$`", name[n]) ? name[n]
											 : '_';
	text[n] = '\0';
	r->named = n && !quoit__sys_name_memory(r->base, r->bytes, text);
}

int quoit_region_map(struct quoit_region *r, const struct quoit_region_options *o,
		     enum quoit_region_pages pages, struct quoit_reason *why)
{
	const size_t page = quoit__sys_page_bytes();
	const int flags = o->reserve ? MAP_NORESERVE : 0;
	r->pages = pages;
	r->bytes = round_up(
		o->bytes, pages == QUOIT_REGION_SMALL_PAGES ? page : quoit_region_huge_page(page));
	int rc;
	if (o->guard || pages != QUOIT_REGION_SMALL_PAGES) {
		rc = map_within(r, page, flags, why);
	} else {
		rc = quoit__sys_mmap(&r->base, r->bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
		if (rc)
			refuse(r, rc, why);
	}
	if (!rc && o->name)
		name_pages(r, o->name);
	return rc;
}

void quoit_region_unmap(const struct quoit_region *r)
{
	const int rc =
		quoit__sys_munmap((char *)r->base - r->guard_bytes, r->bytes + 2 * r->guard_bytes);
	(void)rc;
	QUOIT_ASSERT(rc == 0); /* whole, ours and mapped once: cannot fail */
}

/* --- huge pages, counted ------------------------------------------------------------------------
 */

/* A file below /proc that is too long for one buffer, line by line. */
struct lines {
	int fd;
	size_t length, at;
	char text[4096];
};

/* The next line, without its newline; NULL at the end, or when one does not fit. */
static char *next_line(struct lines *l)
{
	for (;;) {
		char *const line = l->text + l->at;
		char *const end = memchr(line, '\n', l->length - l->at);
		if (end) {
			*end = '\0';
			l->at = (size_t)(end + 1 - l->text);
			return line;
		}
		memmove(l->text, line, l->length - l->at);
		l->length -= l->at;
		l->at = 0;
		const ssize_t got =
			quoit__sys_read(l->fd, l->text + l->length, sizeof l->text - l->length);
		if (got == -EINTR)
			continue;
		if (got <= 0) /* 0 also where the buffer is full */
			return NULL;
		l->length += (size_t)got;
	}
}

/* "7f0000000000-7f0000200000 rw-p ...": is it one of the region's, whole? */
static bool is_within(const struct quoit_region *r, const char *line)
{
	char *rest;
	const uintptr_t base = (uintptr_t)r->base;
	const uintptr_t from = strtoull(line, &rest, 16);
	const uintptr_t to = *rest == '-' ? strtoull(rest + 1, &rest, 16) : 0;
	return *rest == ' ' && from >= base && to <= base + r->bytes && from < to;
}

static int read_huge_bytes(const struct quoit_region *r, size_t *bytes)
{
	static const char key[] = "AnonHugePages:";
	struct lines l = {.fd = quoit__sys_open("/proc/self/smaps", O_RDONLY)};
	bool ours = false;
	size_t kib = 0;
	if (l.fd < 0)
		return l.fd;
	for (char *line; (line = next_line(&l));) {
		if (*line >= 'A' && *line <= 'Z') { /* a figure of the mapping above */
			if (ours && !strncmp(line, key, sizeof key - 1))
				kib += strtoull(line + sizeof key - 1, NULL, 10);
		} else {
			ours = is_within(r, line);
		}
	}
	quoit__sys_close(l.fd);
	*bytes = kib * 1024;
	return 0;
}

void quoit_region_count_huge(struct quoit_region *r, struct quoit_reason *why)
{
	if (r->pages == QUOIT_REGION_SMALL_PAGES)
		return;
	if (r->pages == QUOIT_REGION_HUGE_PAGES) {
		r->huge_bytes = r->bytes; /* there is no other way to fill it */
		return;
	}
	const int rc = read_huge_bytes(r, &r->huge_bytes);
	if (rc)
		QUOIT_REGION_FALL_SHORT(r, why, QUOIT_REGION_SMALL, rc,
					"how much of %zu bytes is in huge pages is not known: %s",
					r->bytes, strerror(-rc));
	else if (r->huge_bytes < r->bytes)
		QUOIT_REGION_FALL_SHORT(
			r, why, QUOIT_REGION_SMALL, -ENOMEM,
			"%zu of %zu bytes are in huge pages: see transparent_hugepage "
			"below sysfs, and free memory",
			r->huge_bytes, r->bytes);
}
