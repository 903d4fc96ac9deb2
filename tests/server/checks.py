"""Refusals, and the checks of request fields that lead to them. A provider's fields are a table of these."""

import json


class Refused(Exception):
    """Becomes an error answer in the words of the protocol at hand."""

    def __init__(self, message, code="invalid_value", param=None, status=400, kind="invalid_request_error"):
        Exception.__init__(self, message)
        self.message = message
        self.code = code
        self.param = param
        self.status = status
        self.kind = kind


def type_name(value):
    names = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array",
             dict: "an object", type(None): "null"}
    return names[type(value)]


class Field:
    expected = "a value"
    types = ()

    def check(self, name, value):
        if type(value) not in self.types:
            raise Refused("Invalid type for '%s': expected %s, but got %s instead."
                          % (name, self.expected, type_name(value)), "invalid_type", name)
        self.check_value(name, value)

    def check_value(self, name, value):
        pass

    def from_text(self, name, text):
        """A form's part, as the value that JSON would hold."""
        return text


class Text(Field):
    expected = "a string"
    types = (str,)

    def __init__(self, maximum=None, empty=True):
        self.maximum = maximum
        self.empty = empty

    def check_value(self, name, value):
        if self.maximum is not None and len(value) > self.maximum:
            raise Refused("Invalid '%s': string too long. Expected a string with maximum length %d, but got a "
                          "string with length %d instead." % (name, self.maximum, len(value)),
                          "string_above_max_length", name)
        if not value and not self.empty:
            raise Refused("Invalid '%s': empty string." % name, "empty_string", name)


class Choice(Field):
    expected = "a string"
    types = (str,)

    def __init__(self, *allowed):
        self.allowed = allowed

    def check_value(self, name, value):
        if value not in self.allowed:
            listed = ", ".join("'%s'" % word for word in self.allowed)
            raise Refused("Invalid value: '%s'. Supported values are: %s." % (value, listed), "invalid_value", name)


class Integer(Field):
    expected = "an integer"
    types = (int,)

    def __init__(self, lowest=None, highest=None):
        self.lowest = lowest
        self.highest = highest

    def check_value(self, name, value):
        if self.lowest is not None and value < self.lowest:
            raise Refused("Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead."
                          % (name, self.lowest, value), "integer_below_min_value", name)
        if self.highest is not None and value > self.highest:
            raise Refused("Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead."
                          % (name, self.highest, value), "integer_above_max_value", name)

    def from_text(self, name, text):
        digits = text[1:] if text.startswith("-") else text
        if not (digits.isascii() and digits.isdigit()):
            raise Refused("Invalid type for '%s': expected an integer, but got a string instead." % name,
                          "invalid_type", name)
        return int(text)


class Number(Field):
    expected = "a number"
    types = (int, float)


class Boolean(Field):
    expected = "a boolean"
    types = (bool,)

    def from_text(self, name, text):
        if text not in ("true", "false"):
            raise Refused("Invalid type for '%s': expected a boolean, but got a string instead." % name,
                          "invalid_type", name)
        return text == "true"


class Object(Field):
    expected = "an object"
    types = (dict,)


class Array(Field):
    expected = "an array"
    types = (list,)


class Size(Field):
    """A size text, judged by a function that returns what is wrong with it, or None."""
    expected = "a string"
    types = (str,)

    def __init__(self, judge):
        self.judge = judge

    def check_value(self, name, value):
        wrong = self.judge(value)
        if wrong:
            raise Refused(wrong, "invalid_value", name)


class Nullable(Field):
    def __init__(self, field):
        self.field = field

    def check(self, name, value):
        if value is not None:
            self.field.check(name, value)

    def from_text(self, name, text):
        return self.field.from_text(name, text)


def check_fields(values, fields, required):
    for name in values:
        if name not in fields:
            raise Refused("Unknown parameter: '%s'." % name, "unknown_parameter", name)
    for name in required:
        if name not in values:
            raise Refused("Missing required parameter: '%s'." % name, "missing_required_parameter", name)
    for name, value in values.items():
        fields[name].check(name, value)


def refuse_pairs(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("an object names a key twice")
    return dict(pairs)


def refuse_constant(word):
    raise ValueError("%s is no JSON" % word)


def strict_json(body):
    """JSON by the book: UTF-8, no NaN, no key twice."""
    return json.loads(body.decode("utf-8"), object_pairs_hook=refuse_pairs, parse_constant=refuse_constant)
