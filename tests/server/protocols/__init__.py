"""The providers that the server can play. A module here that defines PROTOCOL is one more of them."""

import importlib
import pkgutil


def load():
    modules = [importlib.import_module("%s.%s" % (__name__, found.name)) for found in pkgutil.iter_modules(__path__)]
    found = [module.PROTOCOL for module in modules if hasattr(module, "PROTOCOL")]
    return {protocol.name: protocol for protocol in found}
