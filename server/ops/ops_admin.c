/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.AdminService: what operators ask of the server.
 */
#include <string.h>

#include "server/ops/call.h"
#include "server/ops/snapshots.h"

#define RESPONSE_MAX 256

static const struct request_field snapshot_fields[] = {
	FIELD(1, TIMEOUT, timeout_ns, "timeout"),
	FIELD(2, BOOL, flag, "join"),
	FIELDS_END,
};

static enum sabir_error respond_snapshot(struct bytes *response, const struct snapshot_report *report)
{
	uint8_t message[RESPONSE_MAX], *p = message;

	p = wire_put_bytes(p, 1, report->file, strlen(report->file));
	p = respond_put_number(p, 2, report->n_objects);
	p = respond_put_number(p, 3, report->n_bytes);
	p = respond_put_time(p, 4, report->took_ns);
	p = respond_put_time(p, 5, report->end_time_ns);
	p = respond_put_number(p, 6, report->n_damaged);
	return bytes_add(response, message, (size_t)(p - message));
}

/* The first run; later ones know which one they wait for. */
static enum sabir_error ask_for_snapshot(struct op_call *c)
{
	if (!c->front)
		return op_fail(c, SABIR_UNIMPLEMENTED, "snapshots are the server's: it is asked over gRPC");
	enum sabir_error error = op_check_operator(c, "snapshots are asked for");
	if (error)
		return error;
	if (!c->front->snapshots)
		return op_fail(c, SABIR_NOT_CONFIGURED, "there is no folder for snapshots (snapshot-dir)");
	return snapshots_ask(c->front->snapshots, c->request.flag, &c->memory);
}

static enum sabir_error admin_service_snapshot(struct op_call *c)
{
	struct snapshot_report report;
	enum sabir_error error = c->memory ? SABIR_OK : ask_for_snapshot(c);

	if (!error)
		error = snapshots_report(c->front->snapshots, c->memory, &report);
	if (error)
		return op_may_wait(c, error, SABIR_WOULD_BLOCK, OP_WAIT_SNAPSHOT);
	return report.error ? op_fail(c, report.error, "%s", report.detail) : respond_snapshot(c->response, &report);
}

static const struct op ops[] = {
	OP_WAITS(AdminService, Snapshot, "snapshot", admin_service_snapshot, snapshot_fields),
};

const struct op_service admin_service = { ops, sizeof(ops) / sizeof(ops[0]) };
