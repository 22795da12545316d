"""A service account that nobody but a stand-in of ours knows."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def write_key(path: Path, token_uri: str) -> Path:
    """
    Write a key as Google hands it out, and beside it what the stand-in verifies with.

    Args:
        path: Of the key; ``.public.json`` is put beside it.
        token_uri: Where tokens are fetched with it.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    email = "airflow@aiops-test.iam.gserviceaccount.com"
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = {
        "type": "service_account",
        "project_id": "aiops-test",
        "private_key_id": "1",
        "private_key": secret.decode(),
        "client_email": email,
        "client_id": "1",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(key))
    known = {"public_key": public.decode(), "client_email": email}
    path.with_suffix(".public.json").write_text(json.dumps(known))
    return path
