# SPDX-License-Identifier: MIT
cat /home/someone/notes # BAD
cat $HOME/work/notes ./work/notes network/work/notes
