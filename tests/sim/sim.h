/* SPDX-License-Identifier: MIT */
/*
 * sim.h - a simulated kernel under the library that ships: what its files share.
 *
 * The linker leads every system call and every thread call of the library's own objects here
 * (--wrap, see the Makefile), so the objects are those that everybody gets. Threads are stacks that
 * take turns, the clock is a number, and one seed decides everything: who goes next, what the
 * network does, what fails. See README.md.
 */
#ifndef QUOIT_TESTS_SIM_SIM_H
#define QUOIT_TESTS_SIM_SIM_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <support/random.h>

#define SIM_TASKS_MAX	8
#define SIM_CORES_MAX	4
#define SIM_CLIENTS_MAX 12
#define SIM_US		UINT64_C(1000)
#define SIM_MS		UINT64_C(1000000)
#define SIM_S		UINT64_C(1000000000)
#define SIM_NEVER	UINT64_MAX

/* --- faults: fault.c ------------------------------------------------------------------------- */

#define SIM_FAULTS(X)                                                 \
	X(ENTER_EINTR, "enter is interrupted")                        \
	X(ENTER_EBUSY, "enter is busy")                               \
	X(ENTER_EAGAIN, "enter has no memory")                        \
	X(PARTIAL_SUBMIT, "some entries are not taken")               \
	X(TINY_SQ, "a tiny submission queue")                         \
	X(TINY_CQ, "a tiny completion queue")                         \
	X(CQ_OVERFLOW, "the completion queue overflows")              \
	X(CQE_LOST, "a completion is lost")                           \
	X(CQE_DELAYED, "a completion is late")                        \
	X(CQE_REORDERED, "completions change places")                 \
	X(POLL_ENDS, "a multishot poll ends")                         \
	X(ACCEPT_ENDS, "a multishot accept ends")                     \
	X(RECV_ENDS, "a multishot receive ends")                      \
	X(SEND_SHORT, "a short send")                                 \
	X(RECV_SHORT, "a short receive")                              \
	X(RECV_EINTR, "a receive is interrupted")                     \
	X(SEND_EINTR, "a send is interrupted")                        \
	X(NO_BUFFERS, "no receive buffer is left")                    \
	X(BUFFER_WITHOUT_BYTES, "a buffer comes with the end")        \
	X(RECV_RESET, "a receive fails")                              \
	X(SEND_RESET, "a send fails")                                 \
	X(ACCEPT_EMFILE, "accept has no descriptor")                  \
	X(ACCEPT_ENFILE, "accept has no file")                        \
	X(ACCEPT_ABORTED, "accept finds the peer gone")               \
	X(FD_REUSED, "a descriptor is used again at once")            \
	X(CANCEL_FIRST, "a cancel answers before what it cancelled")  \
	X(CANCEL_LAST, "a cancel answers after what it cancelled")    \
	X(CANCEL_NOT_FOUND, "a cancel finds nothing")                 \
	X(CANCEL_TOO_LATE, "a cancel comes too late")                 \
	X(BELL_FAILED, "a bell's write fails")                        \
	X(BELL_DELAYED, "a bell is late")                             \
	X(BELL_SPURIOUS, "a bell rings for nothing")                  \
	X(WRITE_EINTR, "a write is interrupted")                      \
	X(TIMER_LATE, "a sleep is too long")                          \
	X(CLOCK_JUMP, "the clock jumps")                              \
	X(CORE_STALLED, "a thread does not run")                      \
	X(SETUP_EINVAL, "setup knows no newer flags")                 \
	X(SETUP_OLD, "setup lacks newer features")                    \
	X(SETUP_OWN_QUEUES, "setup takes no memory for the queues")   \
	X(SETUP_ENOMEM, "setup has no memory")                        \
	X(SETUP_EPERM, "setup is not allowed")                        \
	X(SETUP_EMFILE, "setup has no descriptor")                    \
	X(RING_FD_REFUSED, "the ring's descriptor is not registered") \
	X(BUFFERS_REFUSED, "buffers are not registered")              \
	X(EVENTFD_EMFILE, "eventfd has no descriptor")                \
	X(SOCKET_REFUSED, "no listening socket")                      \
	X(MMAP_ENOMEM, "mmap has no memory")                          \
	X(MADVISE_ENOMEM, "pages cannot be filled")                   \
	X(MALLOC_FAILED, "malloc has no memory")                      \
	X(THREAD_REFUSED, "a thread is not started")                  \
	X(START_FAILED, "a start function fails")                     \
	X(STOP_EARLY, "a stop at a random moment")                    \
	X(STOP_TWICE, "a second stop")                                \
	X(STOP_AT_ONCE, "a stop with no time left")                   \
	X(STOP_IN_HANDLER, "a stop from a handler")                   \
	X(CLIENT_RESETS, "a client resets")                           \
	X(CLIENT_DEAF, "a client never reads")                        \
	X(CLIENT_VANISHES, "a client vanishes")                       \
	X(CLIENT_IDLE, "a client says nothing")

enum sim_fault {
#define X(name, text) SIM_##name,
	SIM_FAULTS(X)
#undef X
	SIM_FAULT_COUNT,
};

/* Draw which faults this seed has, and how often. */
void sim_faults_draw(void);

/* Does it happen now? Counts it if so. */
bool sim_fault(enum sim_fault fault);

/* Count something that was decided elsewhere, or happened by itself. */
void sim_fault_note(enum sim_fault fault);

/* Has this seed the fault at all? Whole-seed decisions are taken by this. */
bool sim_fault_drawn(enum sim_fault fault);

const char *sim_fault_text(enum sim_fault fault);

/* --- the world ------------------------------------------------------------------------------- */

struct sim_file;
struct sim_ring;
struct sim_task;
struct sim_conn;
struct sim_client;

struct sim {
	struct random random;
	uint64_t seed;
	uint64_t now_ns;
	uint64_t steps;
	uint64_t completions; /* over all seeds */
	bool active;	      /* a task runs: calls are simulated */
	bool chaos;	      /* faults happen */
	bool trace;
	bool over; /* this seed has been judged */
	unsigned violations;
	uint32_t rate[SIM_FAULT_COUNT]; /* one in so many; 0: not in this seed */
	uint64_t fired[SIM_FAULT_COUNT];
	uint64_t fired_before[SIM_FAULT_COUNT]; /* when the seed began */

	/* What a seed may blame an early end of a stream on. */
	bool lost;	/* a completion was dropped */
	bool time_went; /* the clock or a thread stood or jumped for long */
	bool leak_allowed;
};

extern struct sim sim;

void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Random numbers: below n; one in n; of any magnitude up to n. */
uint64_t sim_below(uint64_t n);
bool sim_one_in(uint64_t n);
uint64_t sim_magnitude(uint64_t most);

/* Memory of the simulation itself, zeroed. */
void *sim_alloc(size_t bytes);
void sim_free(void *memory);

/* --- tasks: task.c --------------------------------------------------------------------------- */

enum sim_wait {
	SIM_RUNS,
	SIM_WAITS_TIME,	 /* until wake_ns */
	SIM_WAITS_WORD,	 /* until sim_task_wake(word) */
	SIM_WAITS_ENTER, /* in enter, until its ring has something or wake_ns */
	SIM_ENDED,
};

struct sim_task {
	const char *name;
	unsigned number;
	enum sim_wait wait;
	uint64_t wake_ns;
	uint64_t stalled_until_ns;
	const void *word;
	struct sim_ring *ring;
	unsigned cpu;
	void *(*run)(void *);
	void *arg;
	/* task.c's own */
	void *stack_at;
	void *fake_stack;
};

void sim_tasks_reset(void);
struct sim_task *sim_task_new(const char *name, void *(*run)(void *), void *arg);
struct sim_task *sim_task_current(void);
struct sim_task *sim_task_at(unsigned number);
unsigned sim_task_count(void);
bool sim_task_ended(const struct sim_task *task);

/* Inside a task: let others run; perhaps; wait for a word, for a time, in enter. */
void sim_yield(void);
void sim_maybe_yield(unsigned one_in);
void sim_wait_word(const void *word);
void sim_wait_time(uint64_t at_ns);
void sim_wait_enter(struct sim_ring *ring, uint64_t at_ns);
/* Leave for good: the seed is over. */
void sim_abandon(void) __attribute__((noreturn));

/* All or one of those that wait for this word may go on. */
void sim_wake(const void *word, bool all);

/* The scheduler: run task until it waits. On the main stack only. */
void sim_task_step(struct sim_task *task);

/* --- files: file.c --------------------------------------------------------------------------- */

enum sim_kind {
	SIM_EVENTFD,
	SIM_RING,
	SIM_LISTENER,
	SIM_STREAM
};

struct sim_file {
	enum sim_kind kind;
	int refs; /* the table's and those of requests */
	int fd;	  /* while in the table; -1 after */
	/* eventfd */
	uint64_t counter;
	uint64_t wakes; /* how often something happened that a poll would report */
	/* listener */
	uint16_t port;
	bool reuse;
	bool bound;
	bool listening;
	bool shut;
	unsigned backlog; /* connections in it */
	struct sim_conn *waiting[16];
	/* the others */
	struct sim_ring *ring;
	struct sim_conn *conn;
};

#define SIM_FD_BASE 1000
#define SIM_FDS	    256

void sim_files_reset(void);
int sim_file_open(struct sim_file *file); /* gives the fd */
struct sim_file *sim_file_new(enum sim_kind kind);
struct sim_file *sim_file_of(int fd);
void sim_file_put(struct sim_file *file);
int sim_file_close(int fd);
unsigned sim_files_open(void);
unsigned sim_files_highest(void); /* index of the last one ever, and one */
void sim_files_describe(void);
struct sim_file *sim_file_at(unsigned index);
void sim_eventfd_ring(struct sim_file *file, uint64_t value);

/* --- rings: ring_open.c, ring.c, request.c
 * ---------------------------------------------------------------- */

struct sim_request {
	struct sim_request *next;
	struct sim_ring *ring;
	struct sim_file *file;
	struct io_uring_sqe sqe;
	uint64_t due_ns; /* not looked at before */
	bool multishot;
	bool finished;
	uint64_t wakes_seen;  /* poll */
	unsigned char *bytes; /* send: what was to be sent when it was submitted */
	size_t length;
	size_t done;
};

/* A completion that is not in the queue yet: late, or overflowed. */
struct sim_late {
	struct sim_late *next;
	uint64_t due_ns;
	struct io_uring_cqe cqe; /* last: it may end in more */
};

enum sim_owner {
	SIM_BUFFER_LIBRARY,
	SIM_BUFFER_KERNEL
};

struct sim_buffers {
	struct io_uring_buf_ring *ring;
	unsigned entries;
	uint16_t head;
	uint16_t seen; /* entries up to here were looked at */
	unsigned char *owner;
};

/* Where things lie in the words that both sides share. */
enum {
	SIM_SQ_HEAD,
	SIM_SQ_TAIL,
	SIM_SQ_MASK,
	SIM_SQ_ENTRIES,
	SIM_SQ_FLAGS,
	SIM_SQ_DROPPED,
	SIM_CQ_HEAD = 16,
	SIM_CQ_TAIL,
	SIM_CQ_MASK,
	SIM_CQ_ENTRIES,
	SIM_CQ_OVERFLOWED,
	SIM_WORDS = 32,
};

struct sim_ring {
	struct sim_file *file;
	struct sim_task *task;
	struct io_uring_params params;
	bool registered;
	/* shared memory */
	unsigned *words; /* SQ and CQ: see ring.c */
	size_t words_bytes;
	struct io_uring_sqe *sqes;
	size_t sqes_bytes;
	struct io_uring_cqe *cqes;
	unsigned *array;
	/* the kernel's own */
	struct sim_request *requests;
	struct sim_late *late;
	struct sim_late *overflow;
	bool dropped;
	struct sim_buffers buffers;
};

int sim_uring_setup(unsigned entries, struct io_uring_params *params);
int sim_uring_enter(int fd, unsigned to_submit, unsigned want, unsigned flags, const void *arg,
		    size_t bytes);
int sim_uring_register(int fd, unsigned opcode, void *arg, unsigned count);
void *sim_ring_memory(struct sim_ring *ring, uint64_t offset, size_t bytes);
void sim_ring_close(struct sim_ring *ring);

/* Is there something that an enter would turn into completions now? When will there be? */
bool sim_ring_has_work(struct sim_ring *ring);
uint64_t sim_ring_next_ns(const struct sim_ring *ring);
/* Set the flags that the application looks at, and do what needs no enter. */
void sim_ring_refresh(struct sim_ring *ring);
bool sim_ring_has_room(const struct sim_ring *ring);

/* Post a completion of a request; without IORING_CQE_F_MORE it is the last one. */
void sim_request_post(struct sim_request *request, int res, unsigned flags);
/* Take an entry in; what it asks for is done by sim_request_try(). */
void sim_request_submit(struct sim_ring *ring, const struct io_uring_sqe *sqe);
bool sim_request_ready(struct sim_request *request);
void sim_request_run(struct sim_request *request);
void sim_request_free(struct sim_request *request);

/* The next buffer of the group, or NULL. */
unsigned char *sim_buffer_take(struct sim_ring *ring, unsigned *id, size_t *bytes);
void sim_buffers_look(struct sim_ring *ring);
bool sim_buffers_left(struct sim_ring *ring);

/* --- the network: network.c ------------------------------------------------------------------ */

struct sim_pipe {
	unsigned char *bytes;
	size_t room;	    /* written - read stays below */
	uint64_t written;   /* by the sender */
	uint64_t delivered; /* acknowledged: the reader may have them */
	uint64_t read;
	bool ended; /* nothing more is written */
	bool end_delivered;
};

struct sim_conn {
	unsigned number;
	struct sim_client *client;
	struct sim_pipe up;   /* to the server */
	struct sim_pipe down; /* to the client */
	struct sim_file *file;
	uint64_t next_ns; /* when the network moves something */
	bool reset;	  /* by either side: nothing is delivered any more */
	bool faulted;	  /* and that was a fault or the client's wish */
	bool closed;	  /* by the server */
	bool deaf;	  /* the client's host is gone: nothing is acknowledged */
	bool dropped;	  /* by the server before a byte was read: the backlog's end */
	bool gave_reset;  /* the server has been told */
	bool shut_read;
	/* What the service says of it. */
	bool known;
	bool told_closed;
	int reason;
	uint64_t taken;	   /* bytes shown to the service */
	uint64_t accepted; /* bytes that send took */
	unsigned asked;	   /* calls made for it */
	unsigned answered;
};

void sim_network_reset(void);
struct sim_conn *sim_connect(uint16_t port, struct sim_client *client);
void sim_conn_reset(struct sim_conn *conn);
unsigned sim_conn_count(void);
struct sim_conn *sim_conn_at(unsigned i);
size_t sim_pipe_write(struct sim_pipe *pipe, const unsigned char *bytes, size_t n);
size_t sim_pipe_read(struct sim_pipe *pipe, unsigned char *bytes, size_t n);
size_t sim_pipe_room(const struct sim_pipe *pipe);
size_t sim_pipe_ready(const struct sim_pipe *pipe);
void sim_network_step(struct sim_conn *conn);
/* The server's end is gone: the last reference to its file was. */
void sim_conn_closed(struct sim_conn *conn);
void sim_listener_closed(struct sim_file *file);
int sim_shutdown(struct sim_file *file, int how);
/* Something was written, and moves soon; something was read, and the sender has room. */
void sim_network_poke(struct sim_conn *conn);
void sim_network_room(struct sim_conn *conn);

/* --- the program under test: service.c, and its peers: client.c ------------------------------- */

struct quoit_runtime;

enum sim_client_kind {
	SIM_CLIENT_HALF_CLOSES, /* sends all, ends, reads to the end */
	SIM_CLIENT_READS_FIRST, /* reads all answers, then ends */
	SIM_CLIENT_RESET,
	SIM_CLIENT_NEVER_READS,
	SIM_CLIENT_VANISH,
	SIM_CLIENT_SILENT,
};

struct sim_client {
	unsigned number;
	enum sim_client_kind kind;
	struct sim_conn *conn;
	uint64_t next_ns;
	unsigned attempts;
	unsigned char *input; /* what it sends, and what must come back */
	unsigned char *expected;
	size_t bytes;
	size_t sent;
	size_t received;
	size_t quits_at; /* reset or vanish: after so many bytes sent */
	bool done;
	bool ended; /* has seen the server's end */
	bool was_reset;
	bool refused;
};

struct sim_plan {
	unsigned cores;
	unsigned cpus;
	unsigned clients;
	bool mail_service; /* else echo */
	uint64_t chaos_until_ns;
	uint64_t stop_ns; /* SIM_NEVER: when all is done */
	uint64_t stop_timeout_ns;
	bool stop_twice;
	bool stop_in_handler;
	unsigned failing_core; /* its start fails; SIM_CORES_MAX: none */
};

extern struct sim_plan sim_plan;

void sim_plan_draw(void);
/* The program: start, serve, stop, wait. Runs as task 0. */
void *sim_service_main(void *unused);
void sim_service_reset(void);
void sim_service_check(void);
bool sim_service_is_serving(void);
void sim_service_describe(void);
uint16_t sim_service_port(void);

void sim_clients_reset(void);
void sim_client_step(struct sim_client *client);
struct sim_client *sim_client_at(unsigned i);
bool sim_clients_done(void);
void sim_clients_check(void);

/* --- one seed: world.c; both kernels: conform.c ----------------------------------------------- */

void sim_world_run(uint64_t seed);
/* What the library has asked for and not given back. */
size_t sim_memory_held(void);
void sim_memory_reset(void);
int sim_conform(void);

#endif
