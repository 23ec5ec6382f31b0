"""The form of a ``kitops`` connection, as data: Airflow 3.2 reads it as it is, the hook shows it to older ones."""

from __future__ import annotations

from typing import Any


def _field(label: str, kind: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "schema": {"type": [kind, "null"], **schema}, "description": description}


CONN_FIELDS: dict[str, dict[str, Any]] = {
    "plain_http": _field(
        "Plain HTTP", "boolean", "Talk HTTP, not HTTPS. A registry on this machine is spoken to over HTTP anyway."
    ),
    "tls_verify": _field(
        "Check the certificate", "boolean", "Whether to check the registry's certificate.", default=True
    ),
    "ca_file": _field("CA file", "string", "PEM file of authorities to trust besides the system's, on the worker."),
    "client_cert": _field("Client certificate", "string", "PEM file of a client certificate, on the worker."),
    "tls_key": _field("TLS key", "string", "PEM file of its key, where the certificate's file does not hold it."),
    "identity_token": _field(
        "Identity token", "string", "OAuth2 refresh token, instead of login and password.", format="password"
    ),
    "token": _field(
        "Bearer token", "string", "Sent to the registry as it is, instead of all others.", format="password"
    ),
    "credential_files": _field(
        "Credential files", "string", "Files of docker login or podman login to look into first, with : in between."
    ),
    "signer": _field(
        "Signer",
        "string",
        "Where the private key is that signs, if a task names none: a path on the worker, env://NAME.",
    ),
    "keys": _field(
        "Keys",
        "string",
        "Public keys of which one must have signed, for tasks that verify by_connection: paths on the worker or "
        "env://NAME, with commas in between.",
    ),
    "identity": _field(
        "Identity", "string", "Instead of keys: the mail address or URI in a keyless signer's certificate."
    ),
    "issuer": _field("Issuer", "string", "The OpenID Connect issuer that vouched for the identity."),
    "proxy": _field(
        "Proxy", "string", "URL of a proxy; empty: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.", format="password"
    ),
    "connect_timeout": _field("Connect timeout", "number", "Seconds to wait for a connection; 10 where it is empty."),
    "timeout": _field("Timeout", "number", "Seconds to wait while no byte moves; 60 where it is empty."),
    "keep_trying": _field(
        "Keep trying", "number", "Seconds a registry that is away is waited for; 300 where it is empty."
    ),
    "backoff": _field(
        "Backoff", "number", "Seconds of the first wait for it, doubled each time; 0.5 where it is empty."
    ),
    "settle": _field(
        "Settle",
        "number",
        "Seconds that a tag is watched after it was swapped; 1 where it is empty, as in every writer.",
    ),
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema"],
    "relabeling": {"host": "Registry", "login": "User name", "password": "Password or access token"},
    "placeholders": {
        "host": "registry.example.com or registry.example.com/ml",
        "login": "empty: the credentials of docker login and kitops login",
    },
}


def form_widgets() -> dict[str, Any]:
    """The same fields as widgets, for the form of Airflow before 3.2."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import BooleanField, PasswordField, StringField

    widgets: dict[str, Any] = {}
    for name, field in CONN_FIELDS.items():
        label, schema = lazy_gettext(field["label"]), field["schema"]
        if schema["type"][0] == "boolean":
            widgets[name] = BooleanField(label, default=schema.get("default", False))
        elif schema.get("format") == "password":
            widgets[name] = PasswordField(label, widget=BS3PasswordFieldWidget())
        else:  # numbers too: Airflow 2 drops the whole hook over a field for numbers with a fraction
            widgets[name] = StringField(label, widget=BS3TextFieldWidget())
    return widgets
