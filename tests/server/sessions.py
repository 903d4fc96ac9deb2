"""What the server remembers of one test: its log, its script, and the files and jobs it was given."""

import threading
import time

import behaviours


class Session:
    def __init__(self, name):
        self.name = name
        self.changed = threading.Condition()
        self.clear()

    def clear(self):
        with self.changed:
            self.log = []
            self.script = []
            self.files = {}
            self.jobs = {}
            self.keys = set()
            self.counts = {}
            self.changed.notify_all()

    def next_number(self, what):
        with self.changed:
            self.counts[what] = self.counts.get(what, 0) + 1
            return self.counts[what]

    def remember_key(self, key):
        """So that it is recognised where it has no business; very short ones would be found by chance."""
        if len(key) >= 6:
            self.keys.add(key)

    # ---- log ----

    def record(self, entry):
        with self.changed:
            entry["sequence"] = len(self.log)
            self.log.append(entry)
            self.changed.notify_all()

    def note(self, entry, name, value):
        with self.changed:
            entry[name] = value
            self.changed.notify_all()

    def posts(self):
        return sum(entry["method"] == "POST" for entry in self.log)

    def leaks(self):
        with self.changed:
            return [dict(entry) for entry in self.log if "leak" in entry]

    def copy_of_log(self):
        with self.changed:
            return [dict(entry) for entry in self.log]

    def wait(self, satisfied, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not satisfied(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(left)
            return True

    # ---- script ----

    def set_script(self, script):
        with self.changed:
            self.script = [dict(behaviour, times=behaviour.get("times", 1)) for behaviour in script]

    def take_behaviour(self, kind, request):
        """The first behaviour that matches; one that has been taken as often as it may goes away."""
        with self.changed:
            for behaviour in self.script:
                if behaviours.matches(behaviour, kind, request):
                    behaviour["times"] -= 1
                    if behaviour["times"] == 0:
                        self.script.remove(behaviour)
                    return dict(behaviour)
        return {}

    # ---- files ----

    def keep_file(self, name, data, mime):
        with self.changed:
            self.files[name] = (data, mime)


class Sessions:
    def __init__(self):
        self.lock = threading.Lock()
        self.by_name = {}

    def get(self, name):
        with self.lock:
            if name not in self.by_name:
                self.by_name[name] = Session(name)
            return self.by_name[name]
