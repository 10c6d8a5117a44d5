# SPDX-License-Identifier: Apache-2.0
# Makes <sabir/error.h> from errors.def. A row that can't be read ends the build, so that none is dropped in silence.

BEGIN {
	print "/* SPDX-License-Identifier: Apache-2.0 */"
	print "/* Generated from proto/errors.def. The numbers are stable. */"
	print "#ifndef SABIR_ERROR_H"
	print "#define SABIR_ERROR_H"
	print ""
	print "#ifdef __cplusplus"
	print "extern \"C\" {"
	print "#endif"
	print ""
	print "/* What every function of Sabir answers. */"
	print "enum sabir_error {"
	print "\tSABIR_OK = 0,"
}

/^E\(/ {
	if ($0 !~ /^E\([A-Z_]+, [0-9]+, [A-Z_]+, ".*"\)$/) {
		print FILENAME ":" FNR ": not a row of the form E(NAME, number, GRPC_CODE, \"message\")" > "/dev/stderr"
		failed = 1
		exit 1
	}
	row = substr($0, 3)
	name = row
	sub(/,.*/, "", name)
	number = row
	sub(/^[A-Z_]+, /, "", number)
	sub(/,.*/, "", number)
	message = row
	sub(/^[^"]*"/, "", message)
	sub(/"\)$/, "", message)
	if (number in seen_number || name in seen_name || number == 0) {
		print FILENAME ":" FNR ": name or number used twice, or number 0" > "/dev/stderr"
		failed = 1
		exit 1
	}
	seen_number[number] = 1
	seen_name[name] = 1
	printf "\tSABIR_%s = %d, /* %s */\n", name, number, message
}

END {
	if (failed)
		exit 1
	print "};"
	print ""
	print "#ifdef __cplusplus"
	print "}"
	print "#endif"
	print ""
	print "#endif"
}
