"""One spelling for providers and accelerators that others spell in many ways."""

from __future__ import annotations

from aiops_provider.domain.machine import InstanceType

_PROVIDERS = {
    "gcp": "google_cloud",
    "google": "google_cloud",
    "gce": "google_cloud",
    "amazon": "aws",
    "ec2": "aws",
    "microsoft": "azure",
}


def provider_name(text: str) -> str:
    """
    A provider as the rest of the package writes it.

    >>> provider_name("GCP")
    'google_cloud'
    >>> provider_name("on_premises")
    'on_premises'
    """
    plain = text.strip().lower().replace("-", "_")
    return _PROVIDERS.get(plain, plain)


def accelerator_key(text: str) -> str:
    """
    An accelerator's name without what people leave out or write differently.

    >>> accelerator_key("NVIDIA A100-SXM4 80GB")
    'a100-sxm4-80gb'
    """
    plain = "-".join(text.lower().replace("_", "-").split())
    for maker in ("nvidia-tesla-", "nvidia-", "tesla-"):
        plain = plain.removeprefix(maker)
    return plain


def accelerator_keys(machine: InstanceType) -> set[str]:
    """Keys of the variant and of the model that a machine offers."""
    named = (machine.accelerator, machine.accelerator_model)
    return {accelerator_key(name) for name in named if name}
