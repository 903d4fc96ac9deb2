"""The control API; server.py describes it."""

import checks
import behaviours
from reply import json_reply


def fill_words(server, session):
    words = {"{SESSION}": session.name}
    for origin in ("api", "files", "tls"):
        if origin in server.ports:
            words["{%s}" % origin.upper()] = server.origin_url(origin)
    return words


def script(server, session, request):
    wanted = checks.strict_json(request.body)
    behaviours.require(isinstance(wanted, list), "a script must be a list")
    for behaviour in wanted:
        behaviours.check(behaviour)
    session.set_script([behaviours.fill_in(behaviour, fill_words(server, session)) for behaviour in wanted])
    return {"behaviours": len(wanted)}


def remaining(server, session, request):
    with session.changed:
        return list(session.script)


def reset(server, session, request):
    session.clear()
    return {}


def log(server, session, request):
    return session.copy_of_log()


def posts(server, session, request):
    return {"posts": session.posts()}


def leaks(server, session, request):
    return session.leaks()


def query_numbers(request):
    pairs = [pair.partition("=") for pair in request.query.split("&") if pair]
    return {name: int(value) for name, _, value in pairs}


def wait(server, session, request):
    """Until so many requests, POSTs or departures of clients have been seen."""
    wanted = dict({"requests": 0, "posts": 0, "departures": 0, "timeout_ms": 5000}, **query_numbers(request))

    def satisfied(session):
        departures = sum("peer_left" in entry for entry in session.log)
        return (len(session.log) >= wanted["requests"] and session.posts() >= wanted["posts"]
                and departures >= wanted["departures"])
    return {"satisfied": session.wait(satisfied, wanted["timeout_ms"] / 1000)}


COMMANDS = {("POST", "script"): script, ("GET", "script"): remaining, ("POST", "reset"): reset, ("GET", "log"): log,
            ("GET", "posts"): posts, ("GET", "leaks"): leaks, ("GET", "wait"): wait}


def answer(server, session, command, request):
    found = COMMANDS.get((request.method, command))
    if not found:
        return json_reply({"error": "no such command"}, 404)
    try:
        return json_reply(found(server, session, request))
    except (behaviours.BadScript, ValueError, KeyError, TypeError, AttributeError) as error:
        return json_reply({"error": str(error)}, 400)
