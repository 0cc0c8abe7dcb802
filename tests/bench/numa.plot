# SPDX-License-Identifier: MIT
#
# numa.plot - throughput between each two nodes by where the ring lies, and of all cores together.
#
#   gnuplot -e "cells='FILE'; scaling='FILE'; chart='FILE.svg'" numa.plot

set terminal svg size 1500,900 background rgb "white"
set output chart
set datafile separator "\t"
set datafile missing "-"
set multiplot layout 2,1
set title "rings between nodes, from the writer's to the reader's"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set grid ytics
set yrange [0:*]
set ylabel "million items a second"
set key top right
plot cells using 2:xtic(1) title "on the reader's node" lc rgb "#1f77b4", \
     '' using 3 title "on the writer's" lc rgb "#ff7f0e", \
     '' using 4 title "on a third" lc rgb "#d62728", \
     '' using 5 title "on all in turn" lc rgb "#bbbbbb"
set title "every core calls every core"
set xlabel "cores"
set ylabel "million messages a second"
set xrange [0:*]
set key off
plot scaling using 1:2 with linespoints lw 2 pt 7 lc rgb "#1f77b4"
unset multiplot
