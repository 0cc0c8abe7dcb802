# SPDX-License-Identifier: MIT
#
# net.awk - from measurements to a table and RESULT lines.
#
# Reads cell, server, round, cost, instructions, CPU us, requests/s, busy share, p50 and p99 in us,
# one measurement a line. `unit` names the cost: cycles, or cpu_ns where nothing counts cycles, and
# the RESULT fields are named after it, so that nobody takes the one for the other.

function sort_into(list, n,    i, j, v)
{
	for (i = 2; i <= n; i++) {
		v = list[i]
		for (j = i - 1; j >= 1 && list[j] > v; j--)
			list[j + 1] = list[j]
		list[j + 1] = v
	}
}

# Sets median, least and most of `list`, which it sorts.
function digest(list, n)
{
	sort_into(list, n)
	median = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
	least = list[1]
	most = list[n]
}

function digest_field(cell, server, field,    n, list)
{
	for (n = 0; (cell, server, n + 1, field) in value; n++)
		list[n + 1] = value[cell, server, n + 1, field]
	digest(list, n)
	return median
}

function digest_ratio(cell, server, peer,    n, list)
{
	for (n = 0; (cell, server, n + 1, 4) in value && (cell, peer, n + 1, 4) in value; n++)
		list[n + 1] = value[cell, server, n + 1, 4] / value[cell, peer, n + 1, 4]
	digest(list, n)
	return median
}

{
	if (!($1 in servers))
		cells[++cell_count] = $1
	if (!(($1, $2) in known)) {
		known[$1, $2] = 1
		server_name[$1, ++servers[$1]] = $2
	}
	for (i = 4; i <= NF; i++)
		value[$1, $2, $3, i] = $i + 0
}

END {
	printf "\n%-14s %-6s %28s %8s %8s %10s %5s %7s %7s\n", "cell", "server",
		unit_text "/request (min-max)", "instr", "CPU us", "requests/s", "busy", "p50 us",
		"p99 us"
	for (c = 1; c <= cell_count; c++) {
		cell = cells[c]
		for (s = 1; s <= servers[cell]; s++) {
			server = server_name[cell, s]
			digest_field(cell, server, 4)
			cost = sprintf("%.0f (%.0f-%.0f)", median, least, most)
			instr = digest_field(cell, server, 5)
			printf "%-14s %-6s %28s %8s %8.2f %10.0f %4.0f%% %7.0f %7.0f\n", cell,
				server, cost, instr ? sprintf("%.0f", instr) : "-",
				digest_field(cell, server, 6), digest_field(cell, server, 7),
				100 * digest_field(cell, server, 8), digest_field(cell, server, 9),
				digest_field(cell, server, 10)
		}
	}
	printf "\n%-14s %-16s %s\n", "cell", "ratio", "median of the rounds' ratios (min-max)"
	for (c = 1; c <= cell_count; c++) {
		cell = cells[c]
		for (s = 1; s <= servers[cell]; s++)
			for (p = s + 1; p <= servers[cell]; p++) {
				server = server_name[cell, s]
				peer = server_name[cell, p]
				digest_ratio(cell, server, peer)
				printf "%-14s %-16s %.3f (%.3f-%.3f)\n", cell, server " / " peer,
					median, least, most
			}
	}
	print ""
	for (c = 1; c <= cell_count; c++) {
		cell = cells[c]
		if (server_name[cell, 1] != "ours")
			continue
		for (p = 2; p <= servers[cell]; p++) {
			peer = server_name[cell, p]
			printf "RESULT name=bench-net cell=%s ours_%s=%.0f", cell, unit,
				digest_field(cell, "ours", 4)
			printf " peer=%s peer_%s=%.0f ratio=%.3f\n", peer, unit,
				digest_field(cell, peer, 4), digest_ratio(cell, "ours", peer)
		}
	}
}
