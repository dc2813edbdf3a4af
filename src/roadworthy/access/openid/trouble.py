"""What goes wrong with a provider, in words of our own: nothing that it sent is in them."""


class Trouble(Exception):
    """The provider cannot be used now, or not as it is set up: for the operator."""


class Misconfigured(Trouble):
    """Asking again does not help: the settings and the discovery document do not fit."""


class Refused(Exception):
    """What came from the provider, or by way of the browser, does not hold: for the audit log."""
