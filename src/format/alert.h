/*
 * Faces of an alert: a line for people, a JSON line, an ECS document, a syslog message. Pure, and
 * safe whatever the alert holds.
 */
#pragma once

#include "weir/alert.h"

struct flow_record;

/* ts rule severity state host peer text, aligned. */
alert_encoder alert_table;
extern const char alert_table_head[];

/* One object: ts rule severity state scope host peer port proto window value threshold text
 * technique flow_id community_id sensor, then measure, id and the evidence, and prefix, the
 * length of a subnet's that host begins; absent where they do not apply. */
alert_encoder alert_json;

/* Elastic Common Schema, event.kind alert. */
alert_encoder alert_ecs;

/* RFC 5424, facility local0; the sentence is the message, the numbers are structured data. No
 * framing and no line end. */
alert_encoder alert_syslog;
