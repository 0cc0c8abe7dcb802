# SPDX-License-Identifier: MIT
#
# rings.plot - the cells of a ring of 4,096 as bars: quoit, its best peer, the hand-over limit.
#
#   gnuplot -e "data='FILE'; chart='FILE.svg'; title='TEXT'" rings.plot

set terminal svg size 1500,700 background rgb "white"
set output chart
set title title
set datafile separator "\t"
set datafile missing "-"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set logscale y
set grid ytics
set ylabel "million messages a second"
set xtics rotate by 55 right font ",9"
set key top right
set bmargin 9
plot data using 2:xtic(1) title "quoit" lc rgb "#1f77b4", \
     '' using 3 title "best peer" lc rgb "#ff7f0e", \
     '' using 4 title "hand-over limit" lc rgb "#bbbbbb"
