# Draws the last run: gnuplot -e "input='last.csv'; output_file='chart.svg'" chart.gp

set terminal svg size 960,760 dynamic background rgb 'white' font 'sans-serif,12'
set output output_file
set datafile separator ','

rows(who) = sprintf("< awk -F, -v who='%s' '$2 == who' '%s'", who, input)

set style data histograms
set style histogram clustered gap 1.5
set style fill solid noborder
set boxwidth 0.9
set grid ytics linecolor rgb '#dddddd'
set border 3
set ytics nomirror
set yrange [0:4]
set key top left horizontal
set multiplot layout 2,1 title "A bare libcurl download of the same bytes, or upload, = 1"

set bmargin 1.5
set format x ''
set xtics nomirror scale 0
set ylabel 'wall time'
plot rows('library') using 6:xtic('') title 'tarash\_image.h' linecolor rgb '#1b7f5c', \
     rows('by hand') using 6 title 'libcurl + cJSON + a table' linecolor rgb '#c8643c', \
     1 title '' linecolor rgb '#333333' linewidth 1

set bmargin 9
set xtics rotate by -38 font ',10'
set ylabel 'peak memory'
unset key
plot rows('library') using 8:xtic(1) linecolor rgb '#1b7f5c', \
     rows('by hand') using 8 linecolor rgb '#c8643c', \
     1 title '' linecolor rgb '#333333' linewidth 1
unset multiplot
