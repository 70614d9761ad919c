"""Secret Manager, Cloud Storage, and the policies of both and of Cloud Run."""

from __future__ import annotations

import base64
from urllib.parse import unquote
from uuid import uuid4

from tests.clouds.google.state import Books, Json, RefusedError, Request


def create_secret(books: Books, asked: Request) -> Json:
    """Make a secret without a version."""
    name = f"projects/{books.project}/secrets/{asked.one('secretId')}"
    if name in books.secrets:
        raise RefusedError(409, f"Secret [{name}] already exists.")
    books.secrets[name] = {"name": name, **asked.json}
    books.versions[name] = []
    return books.secrets[name]


def get_secret(books: Books, asked: Request) -> Json:
    """Return one."""
    return _secret(books, asked)[1]


def list_secrets(books: Books, asked: Request) -> Json:
    """List those with a label; the filter is of the one form that we send."""
    key, _, value = asked.one("filter").removeprefix("labels.").partition("=")
    every = [one for one in books.secrets.values() if not key or one.get("labels", {}).get(key) == value]
    return page(books, "secrets", every, asked)


def patch_secret(books: Books, asked: Request) -> Json:
    """Change its labels."""
    name, found = _secret(books, asked)
    books.secrets[name] = {**found, "labels": asked.json["labels"]}
    return books.secrets[name]


def delete_secret(books: Books, asked: Request) -> Json:
    """Delete one with all its versions."""
    name, _ = _secret(books, asked)
    del books.secrets[name], books.versions[name]
    books.policies.pop(name, None)
    return {}


def add_version(books: Books, asked: Request) -> Json:
    """Add a value."""
    name, _ = _secret(books, asked)
    books.versions[name].append(asked.json["payload"]["data"])
    return {"name": f"{name}/versions/{len(books.versions[name])}", "state": "ENABLED"}


def access_version(books: Books, asked: Request) -> Json:
    """Return a value, of the newest version or one by number."""
    name, _ = _secret(books, asked)
    versions, wanted = books.versions[name], asked.params["versionsId"]
    number = len(versions) if wanted == "latest" else int(wanted)
    if not 1 <= number <= len(versions):
        raise RefusedError(404, f"Secret Version [{name}/versions/{wanted}] not found.")
    return {"name": f"{name}/versions/{number}", "payload": {"data": versions[number - 1]}}


def value_of(books: Books, secret: str, version: str, account: str) -> str:
    """Return what a container reads. Raises LookupError where it is not there, or not let in."""
    name = f"projects/{books.project}/secrets/{secret}"
    bindings = books.policies.get(name, {}).get("bindings", [])
    member = f"serviceAccount:{account}"
    if not any(one["role"].endswith("secretAccessor") and member in one["members"] for one in bindings):
        raise LookupError(f"Permission denied on secret: {name}/versions/{version} for {account}")
    asked = Request("", {"secretsId": secret, "versionsId": version}, {}, None, b"")
    try:
        return base64.b64decode(access_version(books, asked)["payload"]["data"]).decode()
    except RefusedError as error:
        raise LookupError(f"Secret {name}/versions/{version} was not found") from error


def insert_bucket(books: Books, asked: Request) -> Json:
    """Make a bucket."""
    name = asked.json["name"]
    if name in books.buckets:
        raise RefusedError(409, "Your previous request to create the named bucket succeeded and you already own it.")
    books.buckets[name] = {**asked.json, "location": asked.json["location"].upper(), "kind": "storage#bucket"}
    books.objects[name] = {}
    return books.buckets[name]


def get_bucket(books: Books, asked: Request) -> Json:
    """Return one."""
    return books.buckets[_bucket(books, asked)]


def list_buckets(books: Books, asked: Request) -> Json:
    """List those with a prefix."""
    every = [one for name, one in books.buckets.items() if name.startswith(asked.one("prefix"))]
    return page(books, "items", every, asked)


def delete_bucket(books: Books, asked: Request) -> Json:
    """Delete one that is empty."""
    name = _bucket(books, asked)
    if books.objects[name] or books.folders.get(name):
        raise RefusedError(409, "The bucket you tried to delete is not empty.")
    del books.buckets[name], books.objects[name]
    books.policies.pop(f"b/{name}", None)
    return {}


def insert_object(books: Books, asked: Request) -> Json:
    """Store an object."""
    name = _bucket(books, asked)
    books.objects[name][asked.one("name")] = asked.content
    return {"name": asked.one("name"), "bucket": name}


def get_object(books: Books, asked: Request) -> Json:
    """Return what is said of one."""
    bucket, name = _bucket(books, asked), unquote(asked.params["object"])
    if name not in books.objects[bucket]:
        raise RefusedError(404, f"No such object: {bucket}/{name}")
    return {"name": name, "bucket": bucket, "size": str(len(books.objects[bucket][name]))}


def list_objects(books: Books, asked: Request) -> Json:
    """List all of a bucket."""
    return page(books, "items", [{"name": name} for name in books.objects[_bucket(books, asked)]], asked)


def delete_object(books: Books, asked: Request) -> Json:
    """Delete one."""
    if books.objects[_bucket(books, asked)].pop(unquote(asked.params["object"]), None) is None:
        raise RefusedError(404, "No such object")
    return {}


def list_folders(books: Books, asked: Request) -> Json:
    """List the folders of a bucket that has real ones."""
    names = books.folders.get(_bucket(books, asked), [])
    return page(books, "items", [{"name": name} for name in names], asked)


def delete_folder(books: Books, asked: Request) -> Json:
    """Delete one that is empty."""
    folders, name = books.folders[_bucket(books, asked)], unquote(asked.params["folder"])
    if any(one != name and one.startswith(name) for one in folders):
        raise RefusedError(409, "The folder you tried to delete is not empty.")
    folders.remove(name)
    return {}


def get_policy(books: Books, asked: Request) -> Json:
    """Return who may use a thing."""
    return books.policies.setdefault(_guarded(books, asked), {"bindings": [], "etag": uuid4().hex})


def set_policy(books: Books, asked: Request) -> Json:
    """Write it, where nobody else did since it was read."""
    key = _guarded(books, asked)
    policy = asked.json.get("policy", asked.json)
    if policy.get("etag") != get_policy(books, asked)["etag"]:
        code = 412 if key.startswith("b/") else 409
        raise RefusedError(code, "There were concurrent policy changes.", status="ABORTED")
    books.policies[key] = {**policy, "etag": uuid4().hex}
    return books.policies[key]


def page(books: Books, key: str, every: list[Json], asked: Request, size: int = 3) -> Json:
    """Return a page of a list: small ones, so that whoever reads only the first is caught."""
    del books
    begin = int(asked.one("pageToken", "0"))
    rest = {"nextPageToken": str(begin + size)} if begin + size < len(every) else {}
    return {key: every[begin : begin + size], **rest}


def _guarded(books: Books, asked: Request) -> str:
    params = asked.params
    if "bucket" in params:
        return f"b/{_bucket(books, asked)}"
    if "secretsId" in params:
        return _secret(books, asked)[0]
    name = f"projects/{books.project}/locations/{params['locationsId']}/services/{params['servicesId']}"
    if name not in books.services:
        raise RefusedError(404, f"Resource '{params['servicesId']}' was not found")
    return name


def _secret(books: Books, asked: Request) -> tuple[str, Json]:
    name = f"projects/{books.project}/secrets/{asked.params['secretsId']}"
    if name not in books.secrets:
        raise RefusedError(404, f"Secret [{name}] not found.")
    return name, books.secrets[name]


def _bucket(books: Books, asked: Request) -> str:
    name = asked.params["bucket"]
    if name not in books.buckets:
        raise RefusedError(404, "The specified bucket does not exist.")
    return name
