# SPDX-License-Identifier: Apache-2.0
# The contract as the server's own code sees it: fields of type Value and string become bytes, which is the same on the
# wire. So no Value is ever decoded (a deep one would overflow the stack), and text keeps its NULs and its length.
s/^\([[:space:]]*\)\(repeated \|optional \)\{0,1\}\(string\|Value\|sabir\.v1\.Value\) \([a-z_0-9]* = [0-9]\)/\1\2bytes \4/
# protoc-c does not know `optional` in proto3. It changes nothing on the wire.
s/^\([[:space:]]*\)optional /\1/
