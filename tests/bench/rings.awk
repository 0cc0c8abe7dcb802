# SPDX-License-Identifier: MIT
#
# rings.awk - from the measurements of rings/main.c to a table and RESULT lines.
#
#   awk -v name=bench-rings [-v data=FILE] -f rings.awk MEASUREMENTS
#
# The best peer of a cell is the one with the highest median; a ratio is the median of the ratios of
# the rounds, in each of which all contenders ran one after the other. `data` gets what the chart is
# drawn from.

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
	return median
}

function digest_rate(cell, peer,    n, list)
{
	for (n = 0; (cell, peer, n) in rate; n++)
		list[n + 1] = rate[cell, peer, n]
	return digest(list, n)
}

function digest_ratio(cell, peer,    n, list)
{
	for (n = 0; (cell, peer, n) in rate; n++)
		list[n + 1] = rate[cell, "quoit", n] / rate[cell, peer, n]
	return n ? digest(list, n) : 0
}

function three(x)
{
	return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

BEGIN {
	FS = "\t"
}

$1 == "cell" {
	cells[++cell_count] = $2
	capacity[$2] = $3
	trip[$2] = $4
	threads[$2] = $5
}

$1 == "run" {
	if (!(($2, $3) in variant))
		peers[$2, ++peer_count[$2]] = $3
	variant[$2, $3] = $4
	pauses[$2, $3] = $5 >= 1048576 ? "yield" : $5
	rate[$2, $3, $6] = $7
}

$1 == "skipped" && !($2 in seen_skipped) {
	seen_skipped[$2] = 1
	skipped[++skip_count] = $2
}

# Sets best and best_rate.
function best_peer(cell,    p, peer, m)
{
	best = ""
	best_rate = 0
	for (p = 1; p <= peer_count[cell]; p++) {
		peer = peers[cell, p]
		if (peer ~ /^(quoit|limit)/)
			continue
		m = digest_rate(cell, peer)
		if (m > best_rate) {
			best_rate = m
			best = peer
		}
	}
}

function table(cell,    p, peer, bytes)
{
	bytes = cell ~ /-64b-/ ? 64 : 8
	printf "\n%s: %s, ring of %d, line round trip %d ns\n", cell, threads[cell],
		capacity[cell], trip[cell]
	printf "  %-15s %-26s %6s %8s %-17s %8s %7s\n", "", "variant", "pauses", "M/s",
		"(min-max)", "ns each", "GB/s"
	for (p = 1; p <= peer_count[cell]; p++) {
		peer = peers[cell, p]
		digest_rate(cell, peer)
		printf "  %-15s %-26s %6s %8s %-17s %8.2f %7.2f", peer, variant[cell, peer],
			pauses[cell, peer], three(median), "(" three(least) "-" three(most) ")",
			1e3 / median, median * bytes / 1e3
		if (peer != "quoit")
			printf "  quoit: x %.2f", digest_ratio(cell, peer)
		print ""
	}
}

END {
	for (c = 1; c <= cell_count; c++)
		table(cells[c])
	print ""
	for (s = 1; s <= skip_count; s++)
		printf "SKIP name=%s peer=%s reason=\"its headers are not installed\"\n", name,
			skipped[s]
	for (c = 1; c <= cell_count; c++) {
		cell = cells[c]
		best_peer(cell)
		if (best == "" || !((cell, "quoit", 0) in rate)) {
			printf "SKIP name=%s cell=%s reason=\"nobody to compare with\"\n", name,
				cell
			continue
		}
		ours = digest_rate(cell, "quoit")
		ratio = digest_ratio(cell, best)
		limit = (cell, "limit", 0) in rate ? \
			sprintf("%.3f", digest_ratio(cell, "limit")) : "none"
		printf "RESULT name=%s cell=%s ours=%.2f best=%.2f peer=%s ratio=%.3f", name, cell,
			ours, best_rate, best, ratio
		printf " limit_ratio=%s\n", limit
		if (data != "" && cell ~ /4k-/ && cell !~ /64k-/)
			printf "%s\t%.2f\t%.2f\t%s\n", cell, ours, best_rate,
				limit == "none" ? "-" : digest_rate(cell, "limit") >data
	}
}
