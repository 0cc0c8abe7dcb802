# SPDX-License-Identifier: MIT
echo BAD 
echo fine
