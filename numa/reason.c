/* SPDX-License-Identifier: MIT */
/*
 * reason.c - refusals in words. Texts may quote files and user input, so they are cleaned here
 * once.
 */
#include <quoit/numa/reason.h>

#include <stdarg.h>

int quoit_reason_set(struct quoit_reason *why, int error, const char *format, ...)
{
	if (!why)
		return error;

	/* Aside first: an argument may be the very text that is being replaced. */
	char text[sizeof why->text];
	va_list arguments;
	va_start(arguments, format);
	const int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);

	size_t i = 0;
	for (; length > 0 && text[i]; i++) {
		const unsigned char c = (unsigned char)text[i];
		why->text[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	while (i > 0 && why->text[i - 1] == ' ')
		i--;
	why->text[i] = '\0';
	why->error = error;
	return error;
}
