/* SPDX-License-Identifier: MIT */
/* mail.h - the messages that the cores send each other all the time, and what service.c and mail.c
 * know of each other. */
#ifndef QUOIT_TESTS_SIM_MAIL_H
#define QUOIT_TESTS_SIM_MAIL_H

struct quoit_core;

enum {
	SIM_OP_FRAME = 1, /* a frame of a stream: answered altered */
	SIM_OP_POST = 7,
	SIM_OP_CALL = 8, /* answered at once or after a call of its own */
};

#define SIM_ALTER 0x5a

int sim_mail_start(struct quoit_core *core);
void sim_mail_reset(void);
void sim_mail_check(void);

void sim_service_credit(struct quoit_core *core);
void sim_service_stop_here(struct quoit_core *core);
void sim_service_clients_done(void);

#endif
