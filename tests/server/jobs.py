"""A job that takes several polls, as the behaviour "jobs" wants it; each protocol tells of it in its own words."""

DEFAULT_POLLS = 3


class Job:
    def __init__(self, name, document, options, tell):
        self.name = name
        self.document = document
        self.options = options
        self.tell = tell
        self.polled = 0
        self.cancelled = False

    def polls(self):
        return self.options.get("polls", DEFAULT_POLLS)

    def poll(self):
        """Counts a poll; returns the state after it."""
        self.polled += 1
        return self.state()

    def state(self):
        """queued, working, unknown (a word of the protocol's own making), moderated, failed, cancelled or done"""
        if self.cancelled:
            return "cancelled"
        if self.polled <= self.polls():
            if self.options.get("unknown_state"):
                return "unknown"
            return "queued" if self.polled <= self.queued_polls() else "working"
        if self.options.get("moderation"):
            return "moderated"
        return "failed" if self.options.get("fail") else "done"

    def queued_polls(self):
        return (self.polls() + 2) // 3

    def position(self):
        """0-based place in the queue."""
        return max(0, self.queued_polls() - self.polled)

    def percent(self):
        return max(0, 100 * (self.polled - 1) // (self.polls() + 1))


def start(call, name, document, tell=None):
    """A job of the session, under that name; `tell` makes its status (for polls at the files origin)."""
    job = Job(name, document, call.option("jobs"), tell)
    call.session.jobs[name] = job
    return job


def find(call, name):
    """The session's job, or None where there is none, or where it should have vanished."""
    job = call.session.jobs.get(name)
    return None if job is None or job.options.get("vanish") else job
