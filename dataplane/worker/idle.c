/* What a worker does when there is nothing to do: poll on, or sleep a little where CPUs are few. */
#include "worker/worker_priv.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#define SLEEP_MIN_US  50
#define SLEEP_MAX_US  500  /* without an interrupt a packet waits at most this long */
#define SLEEP_INTR_US 5000 /* with one, only timers do */
#define LEASED_US     1000 /* most leases are over within microseconds, and to be woken costs more than to look */

static bool frames_wait(struct worker *w)
{
	for (uint32_t i = 0; w->steer_in != NULL && i < w->nworkers; i++)
		if (w->steer_in[i] != NULL && !rte_ring_empty(w->steer_in[i]))
			return true;
	return port_tx_waiting(w->port, w->id);
}

static bool nothing_to_do(struct worker *w)
{
	if (w->host.own_leased && w->now.mono_us - w->host.leased_us < LEASED_US)
		return false;
	return !frames_wait(w) && host_quiet(&w->host) && host_inbox_quiet(&w->host);
}

static uint64_t sleep_bound_us(struct worker *w)
{
	uint64_t bound = w->rx_fd >= 0 ? SLEEP_INTR_US : w->sleep_us;
	if (w->snap_rests)
		bound = SLEEP_MIN_US;
	uint64_t timer = RP_MIN(tcp_next_timer_us(w->tcp), host_next_us(&w->host));
	if (timer <= w->now.mono_us)
		return 0;
	return RP_MIN(bound, timer - w->now.mono_us);
}

static void sleep_until_event(struct worker *w, uint64_t us)
{
	struct pollfd fds[2] = {{.fd = msg_event_fd(w->bus, w->id), .events = POLLIN},
				{.fd = w->rx_fd, .events = POLLIN}};
	struct timespec ts = {.tv_nsec = (long)us * 1000};
	ppoll(fds, w->rx_fd >= 0 ? 2 : 1, &ts, NULL);
	struct clock_now woken;
	clock_read(&w->clock, &woken);
	w->count.sleeps++;
	w->count.slept_us += woken.mono_us - w->now.mono_us;
}

/* Who has our requests, a shard that we want or our own may need this CPU. */
static bool waits_for_another(const struct worker *w)
{
	return msg_in_use(w->bus, w->id) > 0 || w->host.own_leased || w->host.waiting[WAIT_LEASE] != NULL;
}

/* Others may have our shard meanwhile. us: to sleep, at most; 0: only whoever else wants this CPU goes first. */
static void give_cpu_away(struct worker *w, uint64_t us)
{
	bool rests = host_rest(&w->host);
	if (us > 0)
		sleep_until_event(w, us);
	else
		sched_yield();
	if (rests)
		host_wake(&w->host, &w->clock);
}

void worker_idle(struct worker *w)
{
	if (!w->adaptive)
		return;
	if (w->idle_since_us == 0)
		w->idle_since_us = w->now.mono_us;
	if (w->now.mono_us - w->idle_since_us < w->spin_us) {
		if (waits_for_another(w))
			give_cpu_away(w, 0);
		return;
	}
	uint64_t us = sleep_bound_us(w);
	if (us == 0)
		return;
	if (w->rx_fd >= 0)
		port_rx_intr_arm(w->port, w->id, true);
	msg_sleeping(w->bus, w->id);
	if (nothing_to_do(w) && __atomic_load_n(&w->stop, __ATOMIC_RELAXED) == 0)
		give_cpu_away(w, us);
	else
		give_cpu_away(w, 0); /* whoever we wait for may need this CPU */
	msg_awake(w->bus, w->id);
	if (w->rx_fd >= 0)
		port_rx_intr_arm(w->port, w->id, false);
	w->sleep_us = RP_MIN(w->sleep_us * 2, SLEEP_MAX_US);
}
