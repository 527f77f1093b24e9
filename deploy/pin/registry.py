"""What a tag stands for: asks an image registry by the OCI distribution protocol for a manifest, and hashes what it sends."""

import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 20
DOCKER_HUB = "registry-1.docker.io"
# The list of an image's platforms where there is one, so that a digest holds for all of them.
MANIFESTS = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


class CannotResolve(Exception):
    """Why there is no answer that counts."""


def locate(name):
    """The registry's address and the repository in it, by the rules of `docker pull`."""
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name
    if host == "docker.io":
        return f"https://{DOCKER_HUB}", rest if "/" in rest else f"library/{rest}"
    is_loopback = host.partition(":")[0] in ("127.0.0.1", "localhost")
    return f"{'http' if is_loopback else 'https'}://{host}", rest


def get(url, headers):
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return answer.headers, answer.read()


def token_for(challenge):
    """Of the authority that a registry names in its refusal; anybody is given one for what is public."""
    scheme, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if scheme.lower() != "bearer" or "realm" not in fields:
        raise CannotResolve(f"it asks for {challenge or 'a password'}")
    query = urllib.parse.urlencode({name: fields[name] for name in ("service", "scope") if name in fields})
    _, body = get(f"{fields['realm']}?{query}", {})
    answer = json.loads(body)
    return answer.get("token") or answer["access_token"]


def manifest(url):
    headers = {"Accept": MANIFESTS}
    try:
        return get(url, headers)
    except urllib.error.HTTPError as refusal:
        if refusal.code != 401:
            raise
        headers["Authorization"] = "Bearer " + token_for(refusal.headers.get("WWW-Authenticate", ""))
        return get(url, headers)


def digest(name, tag):
    """`sha256:…` of what the registry sends for the tag. Raises CannotResolve."""
    registry, repository = locate(name)
    try:
        headers, body = manifest(f"{registry}/v2/{repository}/manifests/{tag}")
    except urllib.error.HTTPError as refusal:
        raise CannotResolve(f"{registry} answers {refusal.code} for {repository}:{tag}") from refusal
    except (OSError, ValueError, KeyError) as error:
        raise CannotResolve(f"{registry} gives no answer for {repository}:{tag}: {error}") from error
    computed = "sha256:" + hashlib.sha256(body).hexdigest()
    said = headers.get("Docker-Content-Digest")
    if said not in (None, computed):
        raise CannotResolve(f"{registry} says {said} for {repository}:{tag} and sends {computed}")
    return computed
